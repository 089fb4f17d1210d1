import ArgumentParser
import DaybookCore
import DaybookSystem
import DaybookValues

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send an event.",
        discussion: """
            Every event gets an id before it is sent, so that sending it again with the same --id, after a failure that \
            left its fate unclear, starts nothing twice. With a running server the command ends once the event is on \
            disk, and says how many runs it started, or why none; without one the event is put into the inbox, where \
            the next server finds it.

            Examples:
              send shop/order.placed '{"order":7}'
              send shop/order.placed --file order.json
              send --file events.json        (one event, or an array of events)
              jq -c .events big.json | send -
              jq -c .order big.json | send shop/order.placed -
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The event's name. Without it, the input holds whole events; - reads them from standard input.")
    var name: String?

    @Argument(help: ArgumentHelp("The event's data, a JSON object; - reads it from standard input.", valueName: "json"))
    var json: String?

    @Option(help: ArgumentHelp("Read the JSON from a file.", valueName: "path"), completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("The event's id. (default: a new one)", valueName: "id"))
    var id: String?

    @Option(
        help: ArgumentHelp(
            "When it happened, an instant or milliseconds since 1970; in the future, its functions start then.",
            valueName: "when"))
    var ts: String?

    func validate() throws {
        if file != nil, json != nil { throw ValidationError("give the JSON or --file, not both") }
        if name == "-", json != nil || file != nil { throw ValidationError("an event's name must not be '-'") }
        if name == nil, file == nil { throw ValidationError("give the event's name, or whole events by --file or -") }
        if let ts, timestamp(ts) == nil {
            throw ValidationError("--ts must be an instant such as 2026-11-21T08:00:00Z, not '\(ts)'")
        }
        if let id, id.isEmpty { throw ValidationError("--id must not be empty") }
    }

    func run() async throws {
        let events = try makeEvents()
        let body = Outgoing.body(events)
        do {
            // The key in the path is for servers that ask for one; this one is reached by its owner only.
            let client = ServerClient(directory: data.directory)
            if let answer = try await client.request(.post, "/e/cli?outcomes=true", body: body) {
                var outcomes: [JSONView] = []
                answer.member("outcomes")?.forEachElement { outcome in
                    outcomes.append(outcome)
                    return true
                }
                var position = 0
                answer.member("ids")?.forEachElement { id in
                    if position < events.count {
                        report(
                            events[position], eventID: id.string,
                            outcome: position < outcomes.count ? outcomes[position] : nil)
                    }
                    position += 1
                    return true
                }
                return
            }
        } catch let failure as CommandFailure where failure.isFateUnknown && events.count == 1 {
            throw CommandFailure(
                failure.code,
                "\(failure). Whether the event was recorded is not known; sending it again with --id \(events[0].id) starts nothing twice."
            )
        }
        let path = try dropIntoInbox(body, name: events[0].id)
        for event in events { report(event, file: path) }
    }

    // MARK: - Making events

    /// The name of events of which only the data is given.
    private var dataName: String? { name == "-" ? nil : name }

    private func timestamp(_ text: String) -> Timestamp? {
        Int64(text).map(Timestamp.init(milliseconds:)) ?? Timestamp(rfc3339: text)
    }

    private func makeEvents() throws -> [Outgoing] {
        let text = try input()
        do throws(JSONError) {
            try JSONText.check(text)
        } catch {
            throw CommandFailure(.usage, "the event's JSON is wrong: \(error). Nothing was sent.")
        }
        guard let view = JSONView(text) else {
            throw CommandFailure(.usage, "the event's JSON is empty. Nothing was sent.")
        }
        var views: [JSONView] = []
        if dataName == nil, view.kind == .array {
            view.forEachElement { element in
                views.append(element)
                return true
            }
        } else {
            views = [view]
        }
        if views.count > 1, id != nil {
            throw CommandFailure(.usage, "--id is for a single event; \(views.count) were given")
        }
        guard !views.isEmpty else { throw CommandFailure(.usage, "there is no event in the input") }
        return try views.enumerated().map { position, view in
            let event = Outgoing(name: dataName, view, id: id, timestamp: ts.flatMap(timestamp))
            do throws(EventError) {
                _ = try event.checked(now: SystemWallClock().now)
            } catch {
                let which = views.count > 1 ? "event \(position): " : ""
                throw CommandFailure(.usage, "\(which)\(error). Nothing was sent.")
            }
            return event
        }
    }

    private func input() throws(CommandFailure) -> [UInt8] {
        let bytesMax = 32 << 20
        if let file {
            return try file == "-" ? Console.readInput(bytesMax: bytesMax) : Console.readFile(file, bytesMax: bytesMax)
        }
        if name == "-" { return try Console.readInput(bytesMax: bytesMax) }
        guard let json else { return Array("{}".utf8) }
        return json == "-" ? try Console.readInput(bytesMax: bytesMax) : Array(json.utf8)
    }

    // MARK: - Without a server

    private func dropIntoInbox(_ body: [UInt8], name: String) throws(CommandFailure) -> String {
        // Ids may hold anything; file names may not.
        let isPlain = ULID(name) != nil
        let path = "inbox/\(isPlain ? name : ULID(at: SystemWallClock().now, random: randomBits()).text).json"
        do throws(FileError) {
            let disk = try RealDisk(root: data.directory)
            try disk.makeDirectory("inbox")
            do throws(FileError) {
                // A name that ends in .tmp is left alone by servers until it is renamed.
                try disk.replace(path, with: body)
            } catch {
                try? disk.unlink(path + ".tmp")
                throw error
            }
        } catch {
            throw CommandFailure(error, directory: data.directory)
        }
        return data.directory + "/" + path
    }

    private func report(
        _ event: Outgoing, eventID: String? = nil, outcome: JSONView? = nil, file: String? = nil
    ) {
        guard output.json else {
            let fate =
                file.map { "no server is running: put into \($0) for the next one" }
                ?? "recorded as \(eventID ?? "?")" + (outcome.map { ", \(fateText($0))" } ?? "")
            Console.print("\(harmless(event.name)) \(harmless(event.id)): \(fate)")
            return
        }
        var json: [UInt8] = []
        json.append(json: #"{"name":"#)
        json.append(jsonString: event.name)
        json.append(json: #","id":"#)
        json.append(jsonString: event.id)
        if let eventID {
            json.append(json: #","event":"#)
            json.append(jsonString: eventID)
        }
        // `runs` and the rest, as they stand in the server's answer.
        outcome?.forEachMember { rawName, value in
            json.append(json: ",\"")
            json.append(contentsOf: rawName)
            json.append(json: "\":")
            json.append(contentsOf: value.slice)
            return true
        }
        if let file {
            json.append(json: #","file":"#)
            json.append(jsonString: file)
        }
        json.append(UInt8(ascii: "}"))
        Console.print(line: json)
    }
}

func randomBits() -> (UInt64, UInt64) {
    let random = SystemRandomSource()
    return (random.next(), random.next())
}

/// An event about to be sent, with an id of its own.
struct Outgoing {
    let name: String
    let id: String
    /// The whole event.
    let json: [UInt8]

    /// - Parameters:
    ///   - name: the event's name, when `view` is its data; nil when `view` is the whole event.
    ///   - id: replaces the event's own; a new one when neither is given.
    init(name: String?, _ view: JSONView, id: String?, timestamp: Timestamp?) {
        let event = name == nil ? view : nil
        let id =
            id ?? event?.member("id")?.string.flatMap { $0.isEmpty ? nil : $0 }
            ?? ULID(at: SystemWallClock().now, random: randomBits()).text
        self.id = id
        self.name = name ?? view.member("name")?.string ?? ""
        guard let name else {
            json = view.kind == .object ? Self.replacing(view, id: id, timestamp: timestamp) : view.bytes
            return
        }
        var json: [UInt8] = []
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","data":"#)
        json.append(contentsOf: view.slice)
        json.append(json: #","id":"#)
        json.append(jsonString: id)
        if let timestamp {
            json.append(json: #","ts":"#)
            json.append(json: timestamp.milliseconds)
        }
        json.append(UInt8(ascii: "}"))
        self.json = json
    }

    private static func replacing(_ view: JSONView, id: String, timestamp: Timestamp?) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(json: #""id":"#)
        json.append(jsonString: id)
        if let timestamp {
            json.append(json: #","ts":"#)
            json.append(json: timestamp.milliseconds)
        }
        view.forEachMember { rawName, value in
            let name = unescape(rawName)
            guard name != "id", name != "ts" || timestamp == nil else { return true }
            json.append(UInt8(ascii: ","))
            json.append(jsonString: name)
            json.append(UInt8(ascii: ":"))
            json.append(contentsOf: value.slice)
            return true
        }
        json.append(UInt8(ascii: "}"))
        return json
    }

    /// The event as a server would read it.
    func checked(now: Timestamp) throws(EventError) -> DaybookCore.Event {
        guard let view = JSONView(json) else { throw EventError("there is no event in the input") }
        return try DaybookCore.Event(view, id: ULID(high: 0, low: 0), now: now)
    }

    static func body(_ events: [Outgoing]) -> [UInt8] {
        if events.count == 1 { return events[0].json }
        var body: [UInt8] = [UInt8(ascii: "[")]
        for (index, event) in events.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body.append(contentsOf: event.json)
        }
        body.append(UInt8(ascii: "]"))
        return body
    }
}
