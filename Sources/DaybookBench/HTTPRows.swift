#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Everything over HTTP: the program as people run it in one process, and in this one whoever sends events and the app that
// is called, without a library between them and their sockets.

/// Sends events over 64 connections, each waiting for its answer before it sends again.
func httpFigures(_ directory: String, binary: String) throws -> [Figure] {
    let server = ServerProcess(binary: binary, directory: directory, ["--no-poll"])
    defer { server.stop() }
    let padding = String(repeating: "x", count: 256 - #"{"name":"bench/event","data":{"text":""}}"#.utf8.count)
    let event = #"{"name":"bench/event","data":{"text":"\#(padding)"}}"#
    let batch = "[" + Array(repeating: event, count: 100).joined(separator: ",") + "]"
    _ = measureEvents(server, event, requests: 5_000)
    let single = measureEvents(server, event, requests: 100_000)
    let batched = measureEvents(server, batch, requests: 5_000)
    return [
        Figure(
            name: "http: events of 256 B, 64 connections", value: 100_000 / single.seconds, unit: "events/s",
            least: 20_000,
            detail: "\(number(single.processorSeconds / 100_000 * 1e6)) µs of the server's processor each"),
        Figure(
            name: "http: the same, 100 in a request", value: 500_000 / batched.seconds, unit: "events/s",
            least: 100_000,
            detail: "\(number(batched.processorSeconds / 500_000 * 1e6)) µs of the server's processor each"),
    ]
}

private func measureEvents(
    _ server: ServerProcess, _ body: String, requests: Int
) -> (seconds: Double, processorSeconds: Double) {
    let request = message("POST /e/bench HTTP/1.1", "", Array(body.utf8))
    var connections = (0..<64).map { _ in
        guard let connection = Connection(port: server.port) else { fatal("the server is gone") }
        return connection
    }
    var polls = connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    var (sent, answered) = (0, 0)
    let clock = ContinuousClock()
    let processor = server.processorSeconds
    let start = clock.now
    for connection in connections {
        connection.send(request)
        sent += 1
    }
    let good = Array("HTTP/1.1 200".utf8)
    while answered < requests {
        guard poll(&polls, nfds_t(polls.count), 10_000) > 0 else { fatal("the server does not answer") }
        for index in polls.indices where polls[index].revents != 0 {
            guard connections[index].fill() else { fatal("the server closed a connection") }
            while let answer = connections[index].nextMessage() {
                guard answer.head.starts(with: good) else {
                    fatal("the server answered \(String(decoding: answer.head, as: UTF8.self))")
                }
                answered += 1
                guard sent < requests else { continue }
                connections[index].send(request)
                sent += 1
            }
        }
    }
    let elapsed = seconds(clock.now - start)
    for connection in connections { connection.end() }
    return (elapsed, server.processorSeconds - processor)
}

/// An app that does nothing but answer: how fast steps follow each other, and what of that is the server's.
func appFigures(_ directory: String, binary: String) throws -> [Figure] {
    let server = ServerProcess(binary: binary, directory: directory, ["--no-poll"])
    defer { server.stop() }
    let app = BenchApp()
    server.request("POST", "/fn/register", app.registration(name: "bench", functions: 1))
    // One run: the time between an answer and the next call is the server's.
    let steps = 900
    app.stepsPerRun = steps
    app.serve(runs: 1) { server.request("POST", "/e/bench", #"{"name":"bench/go-0"}"#) }
    let gaps = app.gaps.sorted()
    let runs = 1_000
    app.stepsPerRun = 30
    let processor = server.processorSeconds
    let events = "[" + Array(repeating: #"{"name":"bench/go-0"}"#, count: runs).joined(separator: ",") + "]"
    let elapsed = app.serve(runs: runs) { server.request("POST", "/e/bench", events) }
    let count = Double(runs * app.stepsPerRun)
    return [
        Figure(
            name: "app: between two steps of one run, median", value: gaps[gaps.count / 2] * 1e6, unit: "µs",
            most: 1_000,
            detail: "99 of 100 below \(number(gaps[gaps.count * 99 / 100] * 1e6)) µs"),
        Figure(
            name: "app: \(number(Double(runs))) runs of 30 steps", value: count / elapsed, unit: "steps/s",
            least: 3_000,
            detail: "\(number((server.processorSeconds - processor) / count * 1e6)) µs of the server's processor each"),
    ]
}

/// A server that nobody asks anything, with ten apps to keep an eye on.
func idleFigures(_ directory: String, binary: String) throws -> [Figure] {
    let app = BenchApp()
    let server = ServerProcess(binary: binary, directory: directory, mode: "dev", ["--no-discovery"])
    defer { server.stop() }
    for number in 0..<10 {
        server.request("POST", "/fn/register", app.registration(name: "app\(number)", functions: 5))
    }
    // What registering causes is over by then.
    app.serve(seconds: 5)
    let idle = 20.0
    let processor = server.processorSeconds
    app.serve(seconds: idle)
    return [
        Figure(
            name: "idle: memory with ten apps", value: Double(server.residentBytes) / 1e6, unit: "MB", most: 30),
        Figure(
            name: "idle: processor with ten apps", value: (server.processorSeconds - processor) / idle * 100, unit: "%",
            most: 0.5, detail: "over \(number(idle)) s; \(app.puts) requests to register"),
    ]
}

/// An app with functions of `stepsPerRun` steps each, all of which are done at once.
final class BenchApp {
    private let listener: Int32
    let port: Int
    var stepsPerRun = 1
    /// Seconds from an answer to the next call.
    private(set) var gaps: [Double] = []
    private(set) var puts = 0
    private var connections: [Int32: Connection] = [:]
    private let clock = ContinuousClock()

    init() {
        (listener, port) = listenAnywhere()
    }

    func registration(name: String, functions: Int) -> String {
        let list = (0..<functions).map { number in
            #"{"id":"\#(name)-f\#(number)","name":"f\#(number)","triggers":[{"event":"bench/go-\#(number)"}],"steps":{"step":{"id":"step","name":"step","runtime":{"type":"http","url":"http://127.0.0.1:\#(port)/api?fnId=\#(name)-f\#(number)&stepId=step"},"retries":{"attempts":0}}}}"#
        }
        return
            #"{"appName":"\#(name)","url":"http://127.0.0.1:\#(port)/api-\#(name)","sdk":"bench:v1","v":"0.1","functions":[\#(list.joined(separator: ","))]}"#
    }

    /// Answers calls until so many runs have ended.
    /// - Returns: seconds from the first call to the last.
    @discardableResult
    func serve(runs: Int, after begin: () -> Void) -> Double {
        gaps = []
        begin()
        var ended = 0
        var first: ContinuousClock.Instant?
        var lastAnswer: ContinuousClock.Instant?
        while ended < runs {
            turn(milliseconds: 10_000) { request in
                let now = clock.now
                if first == nil { first = now }
                if let lastAnswer { gaps.append(seconds(now - lastAnswer)) }
                let done = number(after: #""current":"#, in: request.body)
                defer { lastAnswer = clock.now }
                guard done < stepsPerRun else {
                    ended += 1
                    return Self.end
                }
                return message(
                    "HTTP/1.1 206 Partial Content", "X-Inngest-SDK: bench:v1\r\nX-Inngest-Req-Version: 2\r\n",
                    Array(#"[{"op":"StepRun","id":"s\#(done)","name":"s\#(done)","data":{"n":\#(done)}}]"#.utf8))
            }
        }
        return seconds(clock.now - (first ?? clock.now))
    }

    private static let end = message(
        "HTTP/1.1 200 OK", "X-Inngest-SDK: bench:v1\r\nX-Inngest-Req-Version: 2\r\n", Array("true".utf8))

    /// Answers requests to register for that long.
    func serve(seconds limit: Double) {
        let start = clock.now
        while seconds(clock.now - start) < limit {
            turn(milliseconds: 100, isPatient: true) { request in
                puts += 1
                return message("HTTP/1.1 200 OK", "X-Inngest-SDK: bench:v1\r\n", Array("{}".utf8))
            }
        }
    }

    private func turn(
        milliseconds: Int32, isPatient: Bool = false,
        _ answer: ((head: ArraySlice<UInt8>, body: ArraySlice<UInt8>)) -> [UInt8]
    ) {
        var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        polls += connections.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&polls, nfds_t(polls.count), milliseconds) > 0 else {
            if isPatient { return }
            fatal("the server calls no more")
        }
        for entry in polls where entry.revents != 0 {
            if entry.fd == listener {
                let accepted = accept(listener, nil, nil)
                if accepted >= 0 { connections[accepted] = Connection(descriptor: accepted) }
                continue
            }
            guard var connection = connections.removeValue(forKey: entry.fd) else { continue }
            guard connection.fill() else {
                connection.end()
                continue
            }
            while let request = connection.nextMessage() { connection.send(answer(request)) }
            connections[entry.fd] = connection
        }
    }

    private func number(after mark: String, in body: ArraySlice<UInt8>) -> Int {
        let mark = Array(mark.utf8)
        var index = body.startIndex
        while index + mark.count < body.endIndex {
            if body[index] == mark[0], body[index..<index + mark.count].elementsEqual(mark) {
                var number = 0
                for byte in body[(index + mark.count)...] {
                    guard byte >= 48, byte <= 57 else { break }
                    number = number * 10 + Int(byte) - 48
                }
                return number
            }
            index += 1
        }
        fatal("a call without a stack")
    }
}
