import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import DaybookWire

/// Turns functions as apps write them into functions as the core has them, and says which of them cannot be used.
struct FunctionMapping {
    /// Of addresses of functions. Those of WebSockets are taken and cannot be called.
    static let schemes: Set<String> = ["http", "https", "ws", "wss"]
    /// Retries of functions that do not say.
    static let retriesDefault: Int64 = 4
    static let retriesMax: Int64 = 20

    let app: String
    let zones: any ZoneSource
    let now: Timestamp
    /// What was passed over, for people.
    var notes: [String] = []

    init(app: String, zones: any ZoneSource, now: Timestamp) {
        self.app = app
        self.zones = zones
        self.now = now
    }

    /// - Parameter number: of the function in its registration, from 1.
    mutating func config(of function: WireFunction, number: Int) throws(RegistrationFailure) -> FunctionConfig {
        let name = function.name ?? ""
        let id = function.id ?? Self.slug(name)
        let label = id.isEmpty ? "function \(number)" : "function '\(id)'"
        let config: FunctionConfig
        do throws(FieldProblem) {
            config = try self.config(of: function, id: id, name: name, label: label)
        } catch {
            throw RegistrationFailure(
                .invalidFunction, reason: "\(label): \(error.text)", function: id.isEmpty ? nil : id, app: app)
        }
        if let problem = config.problem {
            throw RegistrationFailure(.invalidFunction, reason: problem, function: id, app: app)
        }
        return config
    }

    private mutating func config(
        of function: WireFunction, id: String, name: String, label: String
    ) throws(FieldProblem) -> FunctionConfig {
        if name.isEmpty { throw FieldProblem("a name is required") }
        let (url, retries) = try Self.step(of: function)
        if function.triggers.count > 10 {
            throw FieldProblem("at most 10 triggers, not \(function.triggers.count)")
        }
        var triggers: [Trigger] = []
        for trigger in function.triggers {
            if let trigger = try self.trigger(trigger, label) { triggers.append(trigger) }
        }
        var flow = FlowMapping(label: label, now: now)
        let config = FunctionConfig(
            id: id, app: app, name: name, triggers: triggers, retries: retries,
            startTimeout: try flow.timeout(function.startTimeout, "timeouts.start"),
            finishTimeout: try flow.timeout(function.finishTimeout, "timeouts.finish"), catchUp: .skip,
            flow: try flow.config(of: function), url: url)
        notes += flow.notes
        return config
    }

    // MARK: - Id and entry point

    /// An id made of a name: lower case, and everything that is neither letter nor digit becomes a hyphen.
    static func slug(_ name: String) -> String {
        let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "_") }
        return words.joined(separator: "-")
    }

    private static func step(of function: WireFunction) throws(FieldProblem) -> (url: String, retries: Int) {
        guard let step = function.steps.first else { throw FieldProblem("steps: there must be one, and there is none") }
        guard function.steps.count == 1 else {
            throw FieldProblem("steps: there must be exactly one, and there are \(function.steps.count)")
        }
        guard let name = step.name, !name.isEmpty else { throw FieldProblem("steps: a name is required") }
        guard let url = step.url, !url.isEmpty else { throw FieldProblem("steps: runtime.url is missing") }
        guard let address = WebAddress(url) else {
            throw FieldProblem("steps: runtime.url '\(url.prefix(200))' is no address that could be called")
        }
        guard schemes.contains(address.scheme) else {
            throw FieldProblem("steps: runtime.url must begin with http or https, not \(address.scheme)")
        }
        let retries = step.retries ?? function.retries ?? retriesDefault
        return (url, Int(min(max(retries, 0), retriesMax)))
    }

    // MARK: - Triggers

    private mutating func trigger(_ trigger: WireTrigger, _ label: String) throws(FieldProblem) -> Trigger? {
        switch (trigger.event, trigger.cron) {
        case (nil, nil): throw FieldProblem("a trigger must have an event or a cron, and one has neither")
        case (.some(let event), .some(let cron)):
            throw FieldProblem("a trigger must have either an event or a cron, and one has '\(event)' and '\(cron)'")
        case (.some(let event), nil): return .event(name: event, matches: [], condition: trigger.condition)
        case (nil, .some(let text)):
            let jitter = try Self.jitter(trigger.jitter)
            let schedule: CronSchedule
            do throws(CronError) {
                schedule = try CronSchedule(text)
            } catch {
                // Days that no month has are a way of writing "never".
                if error.isImpossibleDate {
                    notes.append("\(label): cron '\(text)' never comes, so it was left out")
                    return nil
                }
                throw FieldProblem("'\(text)' isn't a valid cron schedule: \(error)")
            }
            let fields = text.split { $0 == " " || $0 == "\t" }.drop { $0.hasPrefix("TZ=") || $0.hasPrefix("CRON_TZ=") }
            if schedule.hasSeconds || fields.first?.hasPrefix("@") == true {
                throw FieldProblem(
                    "'\(text)' isn't a valid cron schedule: it must have five fields: minute, hour, day of month, month, day of week"
                )
            }
            guard let name = schedule.zoneName else { return .cron(text: text, zone: .utc, jitter: jitter) }
            do throws(ZoneLookupError) {
                return .cron(text: text, zone: try lookUpZone(name, in: zones).trimmed(from: now), jitter: jitter)
            } catch {
                throw FieldProblem("'\(text)' isn't a valid cron schedule: \(error)")
            }
        }
    }

    private static func jitter(_ text: String?) throws(FieldProblem) -> Int64 {
        guard let text, !text.isEmpty else { return 0 }
        guard let jitter = WireTime.duration(text) else { throw FieldProblem("cron jitter: '\(text)' is no duration") }
        if jitter == 0 { return 0 }
        if jitter < Trigger.jitterMin { throw FieldProblem("cron jitter must be at least 1s, not \(text)") }
        if jitter > Trigger.jitterMax {
            throw FieldProblem("cron jitter must be less than or equal to 5m0s, not \(text)")
        }
        return jitter
    }
}

/// What is wrong with a field of a function.
struct FieldProblem: Error {
    var text: String

    init(_ text: String) {
        self.text = text
    }
}

extension CronError {
    /// The schedule is well written, and no date ever fits it: 30 February.
    fileprivate var isImpossibleDate: Bool { field == .dayOfMonth && reason.hasPrefix("no date ever matches") }
}
