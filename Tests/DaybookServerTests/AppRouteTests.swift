import DaybookSystem
import DaybookValues
import DaybookWire
import Synchronization
import Testing

@testable import DaybookServer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Apps behind HTTP and the server, both over TCP.
struct AppRouteTests {
    private static func body(name: String = "shop", url: String, event: String = "shop/paid") -> String {
        """
        {"appName":"\(name)","url":"\(url)","v":"0.1","deployType":"ping","sdk":"py:v0.5.18","framework":"flask",
        "functions":[{"id":"\(name)-charge","name":"charge","triggers":[{"event":"\(event)"}],
        "steps":{"step":{"id":"step","name":"step","retries":{"attempts":3},
        "runtime":{"type":"http","url":"\(url)?fnId=\(name)-charge&stepId=step"}}}}]}
        """
    }

    /// Nobody listens there.
    private static let nowhere = "http://127.0.0.1:9/api/inngest"

    @Test func `an app that registers is told what became of it, and is listed`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let body = Self.body(url: Self.nowhere)
            let first = try await server.outside("POST", "/fn/register", body)
            #expect(first.status == 200)
            #expect(first.json?.member("ok")?.bool == true)
            #expect(first.json?.member("modified")?.bool == true)
            #expect(first.string("app_id")?.utf8.count == 36)
            let again = try await server.outside("POST", "/fn/register?deployId=x", body)
            #expect(again.json?.member("modified")?.bool == false)
            #expect(again.string("sync_id") != first.string("sync_id"))
            let apps = try await server.outside("GET", "/api/apps/shop")
            #expect(apps.string("data.kind") == "http")
            #expect(apps.string("data.sdk") == "py:v0.5.18")
            #expect(apps.json?.at(path: "data.functions")?.integer == 1)
            let functions = try await server.outside("GET", "/v1/apps/shop/functions")
            #expect(functions.json?.element(0)?.member("slug")?.string == "shop-charge")
            let dev = try await server.outside("GET", "/dev")
            #expect(dev.string("handlers.0.sdk.appName") == "shop")
            #expect(try await server.outside("GET", "/metrics").text.contains(#"daybook_app_connected{app="shop"}"#))
        }
    }

    @Test(arguments: [
        (#"{"url":"http://x","functions":[]}"#, "App ID required"), ("zz", "Invalid request: "),
        ("[]", "Invalid request: "),
        (
            #"{"appName":"a","url":"http://x","functions":[{"id":"a-b","name":"b","triggers":[{"cron":"* * * * * *"}],"steps":{}}]}"#,
            "At least one function is invalid"
        ),
    ])
    func `a registration that cannot be used is refused, with the status in it`(body: String, error: String)
        async throws
    {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let answer = try await server.outside("POST", "/fn/register", body)
            #expect(answer.status == 400)
            #expect(answer.json?.member("status")?.integer == 400)
            #expect(answer.string("error")?.hasPrefix(error) == true, "\(answer.text)")
        }
    }

    @Test func `an app that expects another kind of server is refused`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let answer = try await server.outside(
                "POST", "/fn/register", Self.body(url: Self.nowhere),
                headers: "X-Inngest-Expected-Server-Kind: cloud\r\n")
            #expect(answer.status == 400)
            #expect(answer.string("error") == "Expected server kind dev, got cloud")
        }
    }

    @Test func `an app is forgotten by its address or its name`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            for path in ["/fn/remove?url=http%3A%2F%2F127.0.0.1%3A9%2Fapi%2Finngest", "/api/apps/shop"] {
                _ = try await server.outside("POST", "/fn/register", Self.body(url: Self.nowhere))
                #expect(try await server.outside("DELETE", path).status == 200)
                #expect(try await server.outside("DELETE", path).status == 404)
                #expect(try await server.outside("GET", "/api/apps/shop").status == 404)
            }
            #expect(try await server.outside("DELETE", "/fn/remove").status == 400)
        }
    }

    @Test func `an app that cannot be reached says so when it is asked to register`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let added = try await server.outside("POST", "/api/apps", #"{"url":"\#(Self.nowhere)"}"#)
            #expect(added.status == 502)
            #expect(added.string("error") != nil)
            #expect(try await server.outside("POST", "/api/apps", "{}").status == 400)
            #expect(try await server.outside("POST", "/api/apps/lost/sync").status == 404)
        }
    }

    @Test func `steps that a call reports are kept, and the next call has them`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let port = server.port
            let seen = Mutex<[String: RawAnswer]>([:])
            let app = try MockApp { call in
                let run = call.at(path: "ctx.run_id")?.string ?? ""
                let request = call.at(path: "ctx.request_id")?.string ?? ""
                let step = StepID.hash("a")
                if let memo = call.member("steps")?.member(step) {
                    return (200, Array(#"{"memo":"#.utf8) + memo.bytes + Array("}".utf8))
                }
                func report(_ name: String, _ op: String, _ request: String) throws {
                    let body =
                        #"{"run_id":"\#(run)","fn_id":"x","request_id":"\#(request)","steps":[\#(op)]}"#
                    let answer = try RawAnswer.ask(port, "POST", "/v1/checkpoint/\(run)/async", body)
                    seen.withLock { $0[name] = answer }
                }
                try report("first", #"{"op":"StepRun","id":"\#(step)","name":"a","data":{"x":1}}"#, request)
                try report("again", #"{"op":"StepRun","id":"\#(step)","name":"a","data":{"x":2}}"#, request)
                try report("none", "", request)
                try report(
                    "sleep", #"{"op":"Sleep","id":"\#(StepID.hash("s"))","name":"s","opts":{"duration":"1s"}}"#, request
                )
                try report("error", #"{"op":"StepError","id":"\#(step)","name":"a","error":{"name":"E"}}"#, request)
                try report(
                    "stale", #"{"op":"StepRun","id":"\#(StepID.hash("b"))","name":"b","data":1}"#,
                    ULID(high: 1, low: 1).text)
                let actions = try RawAnswer.ask(port, "GET", "/v0/runs/\(run)/actions", "")
                let batch = try RawAnswer.ask(port, "GET", "/v0/runs/\(run)/batch", "")
                seen.withLock { $0["actions"] = actions }
                seen.withLock { $0["batch"] = batch }
                return (500, Array(#"{"name":"Boom","message":"after the report"}"#.utf8))
            }
            defer { app.stop() }
            _ = try await server.outside("POST", "/fn/register", Self.body(url: "http://127.0.0.1:\(app.port)/api"))
            let sent = try await server.outside("POST", "/e/k", #"{"name":"shop/paid","data":{"n":7}}"#)
            let runs = try await server.get("/api/events/\(sent.string("ids.0") ?? "")/runs?wait=60s")
            #expect(runs.string("data.0.status") == "completed")
            #expect(runs.json?.at(path: "data.0.output.memo.data.x")?.integer == 1)
            let answers = seen.withLock { $0 }
            for name in ["first", "again", "none"] {
                #expect(answers[name]?.status == 200)
                #expect(answers[name]?.text.isEmpty == true)
            }
            for name in ["sleep", "error"] {
                #expect(answers[name]?.status == 400)
                #expect(answers[name]?.string("error") == "cannot checkpoint async steps")
                #expect(answers[name]?.string("data.run_id") != nil)
            }
            #expect(answers["stale"]?.status == 409)
            let memo = answers["actions"]?.json?.member(StepID.hash("a"))?.member("data")
            #expect(memo?.member("x")?.integer == 1)
            #expect(answers["batch"]?.json?.element(0)?.at(path: "data.n")?.integer == 7)
        }
    }

    @Test func `a signal wakes the run that waits for it`() async throws {
        try await ServerHarness.run(settings: ServerSettings(), hasApps: true) { server in
            let step = StepID.hash("wait")
            let app = try MockApp { call in
                if let memo = call.member("steps")?.member(step) {
                    return (200, Array(#"{"got":"#.utf8) + memo.bytes + Array("}".utf8))
                }
                let op =
                    #"[{"op":"WaitForSignal","id":"\#(step)","name":"wait","opts":{"signal":"approve","timeout":"1h"}}]"#
                return (206, Array(op.utf8))
            }
            defer { app.stop() }
            _ = try await server.outside("POST", "/fn/register", Self.body(url: "http://127.0.0.1:\(app.port)/api"))
            try await server.send(#"{"name":"shop/paid"}"#, awaiting: "signal.started")
            let answer = try await server.outside("POST", "/v1/signals", #"{"signal":"approve","data":{"by":"ann"}}"#)
            #expect(answer.status == 200)
            let run = try #require(answer.string("data.run_id"))
            let ended = try await server.get("/api/runs/\(run)?wait=60s")
            #expect(ended.string("data.status") == "completed")
            #expect(ended.text.contains(#""by":"ann""#))
        }
    }
}

/// An app that answers calls, one at a time, on a thread of its own.
private final class MockApp: Sendable {
    let port: Int
    private let descriptor: Int32

    /// - Parameter answer: is given the body of a call; its status and body are sent. What it throws is a 500.
    init(_ answer: @escaping @Sendable (JSONView) throws -> (status: Int, body: [UInt8])) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Glibc.bind(descriptor, pointer, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        guard bound else { throw RawError(message: "no port for the app") }
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        let thread = DedicatedThread(name: "app") {
            while case let connection = accept(descriptor, nil, nil), connection >= 0 {
                Self.serve(connection, answer)
                close(connection)
            }
        }
        _ = thread
    }

    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private static func serve(
        _ connection: Int32, _ answer: (JSONView) throws -> (status: Int, body: [UInt8])
    ) {
        var request: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var body: [UInt8]?
        while body == nil, case let count = read(connection, &chunk, chunk.count), count > 0 {
            request += chunk[..<count]
            guard let end = request.firstRange(of: Array("\r\n\r\n".utf8)) else { continue }
            let head = String(decoding: request[..<end.lowerBound], as: UTF8.self).lowercased()
            let length = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).filter(\.isNumber)) }
            if let length, request.count >= end.upperBound + length { body = Array(request[end.upperBound...]) }
        }
        guard let view = body.flatMap({ JSONView($0) }) else { return }
        let (status, json) = (try? answer(view)) ?? (500, Array("{}".utf8))
        let head =
            "HTTP/1.1 \(status) X\r\nContent-Type: application/json\r\nX-Inngest-SDK: x-y:v1\r\nConnection: close\r\nContent-Length: \(json.count)\r\n\r\n"
        let bytes = Array(head.utf8) + json
        _ = bytes.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}

extension RawAnswer {
    /// For threads that may block.
    fileprivate static func ask(_ port: Int, _ method: String, _ path: String, _ body: String) throws -> RawAnswer {
        let text =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        return try RawAnswer(.port(port), request: Array(text.utf8)) {}
    }
}

extension [UInt8] {
    fileprivate func firstRange(of wanted: [UInt8]) -> Range<Int>? {
        guard count >= wanted.count else { return nil }
        for start in 0...(count - wanted.count) where self[start..<start + wanted.count].elementsEqual(wanted) {
            return start..<start + wanted.count
        }
        return nil
    }
}
