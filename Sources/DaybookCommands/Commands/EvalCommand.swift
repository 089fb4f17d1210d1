import ArgumentParser
import DaybookCEL
import DaybookSystem
import DaybookValues

/// Where an expression is meant to stand.
enum EvalPlace: String, ExpressibleByArgument, CaseIterable, Sendable {
    case any
    case trigger
    case wait
    case cancel
    case key
    case priority

    var use: Expression.Use {
        switch self {
        case .any: .any
        case .trigger, .wait: .condition
        case .cancel: .cancelCondition
        case .key: .key
        case .priority: .priority
        }
    }
}

struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval", abstract: "Evaluate an expression.",
        discussion: """
            Prints the expression's value and its type, and what would come of it: in the filter of a trigger, in the \
            condition of a wait or a cancel (with --async), as the key of a limit, as a priority. Without --event every \
            field of the event is missing. docs/EXPRESSIONS.md describes the language.

            Examples:
              eval "event.data.plan == 'pro'" --event order.json
              eval "event.data.id == async.data.id" --event order.json --async paid.json
              eval "event.data.user + '-' + event.data.region" --use key --event order.json
              jq -c '.[0]' events.json | eval "size(event.data.items)" --event -
              eval -- "-1 < 0"                  (what begins with a hyphen stands behind --)
            """)

    @OptionGroup var output: OutputOptions

    @Argument(help: ArgumentHelp("The expression, in quotes.", valueName: "expr"))
    var expression: String

    @Option(
        help: ArgumentHelp("The event, a file with one JSON object; - is standard input.", valueName: "file"),
        completion: .file())
    var event: String?

    @Option(
        help: ArgumentHelp(
            "The incoming event that a wait or a cancel sees as async; --event is then the run's own.",
            valueName: "file"),
        completion: .file())
    var async: String?

    @Option(help: "Check it as registration would for this place alone.")
    var use = EvalPlace.any

    @Option(help: ArgumentHelp("The instant now() is. (default: now)", valueName: "instant"))
    var now: InstantArgument?

    func validate() throws {
        if event == "-", async == "-" { throw ValidationError("only one of --event and --async can be standard input") }
        if async != nil, use == .trigger || use == .key || use == .priority {
            throw ValidationError("--async goes with a wait or a cancel; a \(use.rawValue) sees only the event")
        }
    }

    func run() throws {
        // What is wrong with the expression shows without reading any file.
        let compiled = try compile()
        let report = EvalReport(
            compiled, place: use, event: try event.map { try read($0, option: "--event") },
            async: try async.map { try read($0, option: "--async") },
            now: Moment(milliseconds: (now?.timestamp ?? SystemWallClock().now).milliseconds))
        if output.json { Console.print(line: report.json) } else { Console.print(report.text) }
        if let failure = report.failure {
            throw CommandFailure("the expression fails for this event: \(harmless(failure))")
        }
    }

    private func compile() throws(CommandFailure) -> Expression {
        do throws(ExpressionError) {
            return try Expression(expression, for: use.use)
        } catch {
            let lines = error.excerpt.split(separator: "\n", omittingEmptySubsequences: false).map { "\n  " + $0 }
            throw CommandFailure(.usage, "the expression is refused: \(harmless("\(error)"))\(lines.joined())")
        }
    }

    private func read(_ path: String, option: String) throws(CommandFailure) -> [UInt8] {
        let bytesMax = 32 << 20
        let name = path == "-" ? "standard input" : path
        let bytes =
            path == "-" ? try Console.readInput(bytesMax: bytesMax) : try Console.readFile(path, bytesMax: bytesMax)
        do throws(JSONError) {
            try JSONText.check(bytes)
        } catch {
            throw CommandFailure(.usage, "\(option): \(name) is not JSON: \(error)")
        }
        guard let view = JSONView(bytes), view.kind == .object else {
            throw CommandFailure(
                .usage,
                "\(option): \(name) holds no JSON object. One event is wanted, such as {\"name\":\"shop/order\",\"data\":{}}."
            )
        }
        if view.member("data") == nil {
            Console.printError(
                "note: the event in \(name) has no member 'data'; fields of its data are missing. Events are written {\"name\":…,\"data\":{…}}."
            )
        }
        return bytes
    }
}
