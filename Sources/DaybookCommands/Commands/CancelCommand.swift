import ArgumentParser
import DaybookCEL
import DaybookSystem
import DaybookValues
import Synchronization

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Cancel a run, or many runs of one function.",
        discussion: """
            With --function, those of its runs are cancelled that exist now and have not ended, or of these the ones \
            that the other options let through. On a terminal it says how many these are and asks first. Can be \
            stopped and run again at any point: what is cancelled stays cancelled. Needs a running server.

            Examples:
              cancel 01KB…
              cancel --function invoice --queued-before 2h --dry-run
              cancel --function invoice --if "event.data.plan == 'trial'" --yes
            """)

    @OptionGroup var data: DataOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The run's id, or enough of its beginning or end.")
    var run: String?

    @Option(
        help: ArgumentHelp("Cancel runs of this function: its whole id, or its id within the app.", valueName: "id"))
    var function: String?

    @Option(
        help: ArgumentHelp(
            "Only runs queued after that instant, or not longer ago than that, such as 2h.", valueName: "when"))
    var queuedAfter: SinceArgument?

    @Option(
        help: ArgumentHelp("Only runs queued before that instant, or longer ago than that.", valueName: "when"))
    var queuedBefore: SinceArgument?

    @Option(
        name: .customLong("if"),
        help: ArgumentHelp("Only runs whose event makes this expression true.", valueName: "expression"))
    var condition: String?

    @Flag(help: "Only say how many runs that would be.")
    var dryRun = false

    @Flag(help: "Do not ask first.")
    var yes = false

    func validate() throws {
        guard (run == nil) != (function == nil) else {
            throw ValidationError("give either a run's id, or --function")
        }
        guard run == nil || queuedAfter == nil && queuedBefore == nil && condition == nil && !dryRun else {
            throw ValidationError("--queued-after, --queued-before, --if and --dry-run go with --function")
        }
    }

    func run() async throws {
        let client = ServerClient(directory: data.directory)
        if let run { try await cancel(run, client) } else { try await cancelMany(client) }
    }

    private func cancel(_ run: String, _ client: ServerClient) async throws {
        let answer = try await client.require(.post, "/api/runs/\(escaped(run))/cancel")
        let id = answer.member("id")?.string ?? run
        guard answer.member("cancelled")?.bool == true else {
            let status = answer.member("status")?.string ?? ""
            throw CommandFailure("run \(id) had ended already: it is \(status). Nothing was changed.")
        }
        if output.json { Console.print(line: answer.bytes) } else { Console.print("cancelled run \(id)") }
    }

    private func cancelMany(_ client: ServerClient) async throws {
        if let condition {
            do throws(ExpressionError) {
                _ = try Expression(condition, for: .condition)
            } catch {
                throw CommandFailure(.usage, "--if: \(error). Nothing was cancelled.\n\(error.excerpt)")
            }
        }
        let now = SystemWallClock().now
        let (after, before) = (queuedAfter?.timestamp(now: now), queuedBefore?.timestamp(now: now))
        if let after, let before, after >= before {
            throw CommandFailure(.usage, "--queued-after must be before --queued-before. Nothing was cancelled.")
        }
        var request = CancelRequest(
            function: function ?? "", queuedAfter: after?.rfc3339, queuedBefore: before?.rfc3339, condition: condition)
        if !dryRun, !yes, Console.inputIsTerminal {
            request.isDryRun = true
            let found = try await request.send(to: client)
            let count = found.member("matched")?.integer ?? 0
            guard count > 0 else { return report(found) }
            Console.printError("\(cancelText(found))\nCancel \(count == 1 ? "it" : "them")? (y/N) ")
            guard readLine().map({ $0.lowercased().hasPrefix("y") }) ?? false else {
                throw CommandFailure(.failed, "Nothing was cancelled.")
            }
            // Only what was there when the question was asked.
            request.queuedBefore = found.member("before")?.string ?? request.queuedBefore
        }
        request.isDryRun = dryRun
        report(try await request.send(to: client))
    }

    private func report(_ result: JSONView) {
        if output.json { Console.print(line: result.bytes) } else { Console.print(cancelText(result)) }
    }
}

/// What the server is asked to cancel.
private struct CancelRequest {
    var function: String
    var queuedAfter: String?
    var queuedBefore: String?
    var condition: String?
    var isDryRun = false

    private var json: [UInt8] {
        var json: [UInt8] = []
        json.append(json: #"{"function":"#)
        json.append(jsonString: function)
        for (name, value) in [("queuedAfter", queuedAfter), ("queuedBefore", queuedBefore), ("if", condition)] {
            guard let value else { continue }
            json.append(UInt8(ascii: ","))
            json.append(jsonString: name)
            json.append(UInt8(ascii: ":"))
            json.append(jsonString: value)
        }
        json.append(json: isDryRun ? #","dryRun":true}"# : "}")
        return json
    }

    /// Sends it, shows how far the server is, and waits for the end.
    /// - Returns: the last line of the answer.
    func send(to client: ServerClient) async throws -> JSONView {
        let progress = CancelProgress(isDryRun ? "looking at runs" : "cancelling runs")
        defer { progress.end() }
        do {
            guard try await client.stream(.post, "/api/cancellations", body: json, { progress.take($0) }) else {
                throw client.noServer
            }
        } catch let failure as CommandFailure where failure.isFateUnknown && !isDryRun {
            // What was done since its last word is not known.
            throw CommandFailure(failure.code, "\(failure). At least \(rest(progress))")
        }
        guard let last = progress.last else { throw CommandFailure("the server's answer has no result") }
        if let message = last.member("error")?.string {
            throw CommandFailure(
                last.member("status")?.integer == 503 ? .unavailable : .failed,
                isDryRun ? harmless(message) : "\(harmless(message)). \(rest(progress))")
        }
        return last
    }

    private func rest(_ progress: CancelProgress) -> String {
        "\(progress.cancelled) runs are cancelled and stay so; give the command again for the others."
    }
}

/// How far the server is, shown as a bar.
private final class CancelProgress: Sendable {
    private let state: Mutex<(bar: ProgressBar, last: JSONView?, cancelled: Int64)>

    init(_ label: String) {
        state = Mutex((ProgressBar(label), nil, 0))
    }

    var last: JSONView? { state.withLock { $0.last } }
    var cancelled: Int64 { state.withLock { $0.cancelled } }

    func take(_ line: [UInt8]) {
        guard let view = JSONView(line) else { return }
        state.withLock { state in
            state.last = view
            state.cancelled = view.member("cancelled")?.integer ?? state.cancelled
            state.bar.show(
                done: Int(view.member("looked")?.integer ?? 0), total: Int(view.member("unfinished")?.integer ?? 0))
        }
    }

    func end() {
        state.withLock { $0.bar.end() }
    }
}

/// What came of a bulk cancel, from the last line of the server's answer.
func cancelText(_ result: JSONView) -> String {
    let isDryRun = result.member("dryRun")?.bool == true
    let (matched, unfinished) = (result.member("matched")?.integer ?? 0, result.member("unfinished")?.integer ?? 0)
    let cancelled = result.member("cancelled")?.integer ?? 0
    let function = result.text("function")
    var lines: [String] = []
    if matched == 0 {
        lines.append("There are no such runs; \(function) has \(unfinished) that were queued in that time.")
    } else if isDryRun {
        lines.append("\(matched) of \(unfinished) unfinished runs of \(function) would be cancelled.")
    } else {
        lines.append("cancelled \(cancelled) of \(unfinished) unfinished runs of \(function)")
        if matched > cancelled { lines.append("\(matched - cancelled) had ended by themselves meanwhile") }
    }
    if isDryRun {
        var ids: [String] = []
        result.member("runs")?.forEachElement { id in
            ids.append(harmless(id.string ?? ""))
            return true
        }
        lines += ids.map { "  \($0)" }
        if matched > ids.count, !ids.isEmpty { lines.append("  … and \(matched - Int64(ids.count)) more") }
    }
    for (name, what) in [
        ("unreadable", "whose event cannot be read"), ("undecided", "for whose event the expression failed"),
    ] {
        guard let part = result.member(name), let count = part.member("count")?.integer, count > 0 else { continue }
        lines.append(
            "\(count) \(count == 1 ? "run" : "runs") \(what) \(count == 1 ? "was" : "were") left alone, such as \(part.text("run")): \(part.text("error"))"
        )
    }
    return lines.joined(separator: "\n")
}
