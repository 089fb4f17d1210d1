import DaybookCEL
import DaybookValues

/// What starts a function.
package enum Trigger: Sendable, Equatable {
    /// Events of that name (`order/*` and `order.*` stand for every name below), if all of `matches` hold.
    ///
    /// `condition` is an expression that must be true of the event too.
    case event(name: String, matches: [FieldMatch], condition: String? = nil)
    /// A cron text, with the rules of the zone it is meant in; the rules travel with it, so that the state stays a
    /// function of the journal. `jitter`: ticks fire up to that many milliseconds later, each always by the same delay; 0
    /// for none, else 1,000…300,000.
    case cron(text: String, zone: ZoneRules, jitter: Int64 = 0)

    package static let jitterMin: Int64 = 1_000
    package static let jitterMax: Int64 = 300_000
}

/// What happens to ticks that were missed while nothing ran.
package enum CatchUp: Sendable, Equatable {
    /// One run, for the newest missed tick.
    case latest
    /// None.
    case skip
    /// One run for every missed tick, the newest `limit` of them: 1…10,000.
    case all(limit: Int)

    /// All those runs are decided at once, and a schedule may come every minute for years.
    package static let limitMax = 10_000
}

/// A function as it is registered.
package struct FunctionConfig: Sendable, Equatable {
    /// `<app id>-<function id>`; unique in a data directory.
    package var id: String
    package var app: String
    /// What people read; the id when none was given.
    package var name: String
    package var triggers: [Trigger]
    /// Retries after the first attempt, for every step and for the code between steps: 0…20.
    package var retries: Int
    /// A run that has not started that long after it was queued is cancelled. Milliseconds.
    package var startTimeout: Int64?
    /// A run that has not ended that long after it started is cancelled. Milliseconds.
    package var finishTimeout: Int64?
    package var catchUp: CatchUp
    package var flow: FlowConfig
    /// The step URL of a function that an app behind HTTP runs; nil for one of this program.
    package var url: String?

    package init(
        id: String, app: String, name: String? = nil, triggers: [Trigger], retries: Int = 4, startTimeout: Int64? = nil,
        finishTimeout: Int64? = nil, catchUp: CatchUp = .latest, flow: FlowConfig = FlowConfig(), url: String? = nil
    ) {
        self.id = id
        self.app = app
        self.name = name ?? id
        self.triggers = triggers
        self.retries = retries
        self.startTimeout = startTimeout
        self.finishTimeout = finishTimeout
        self.catchUp = catchUp
        self.flow = flow
        self.url = url
    }

    package var attemptsMax: Int { retries + 1 }
    package var isRemote: Bool { url != nil }

    /// Why the configuration cannot be used, or nil.
    package var problem: String? {
        if id.isEmpty { return "a function needs an id" }
        if id.utf8.count > 255 { return "function id '\(id)' is longer than 255 bytes" }
        if !(0...20).contains(retries) { return "function '\(id)': retries must be 0…20, not \(retries)" }
        if triggers.count > 10 { return "function '\(id)': at most 10 triggers, not \(triggers.count)" }
        for (index, trigger) in triggers.enumerated() {
            if triggers[..<index].contains(trigger) { return "function '\(id)': the same trigger is given twice" }
            switch trigger {
            case .event(let name, _, let condition):
                if name.isEmpty { return "function '\(id)': a trigger has an empty event name" }
                if name.utf8.count > 255 {
                    return "function '\(id)': event name '\(name)' is longer than 255 bytes"
                }
                if let condition {
                    do throws(ExpressionError) {
                        _ = try Expression(condition, for: .condition)
                    } catch {
                        return "function '\(id)': trigger '\(name)': if: \(error)"
                    }
                }
            case .cron(let text, let zone, let jitter):
                for case .cron(text, zone, _) in triggers[..<index] {
                    return "function '\(id)': cron '\(text)' is given twice"
                }
                do throws(CronError) {
                    _ = try CronSchedule(text)
                } catch {
                    return "function '\(id)': \(error)"
                }
                if jitter != 0, !(Trigger.jitterMin...Trigger.jitterMax).contains(jitter) {
                    return """
                        function '\(id)': cron jitter must be at least 1s and less than or equal to 5m0s, not \(jitter) ms
                        """
                }
            }
        }
        for (name, value) in [("start", startTimeout), ("finish", finishTimeout)] {
            if let value, value <= 0 { return "function '\(id)': the \(name) timeout must be longer than 0" }
        }
        if case .all(let limit) = catchUp, !(1...CatchUp.limitMax).contains(limit) {
            return "function '\(id)': the limit of catchUp .all(limit:) must be 1…10,000, not \(limit)"
        }
        if let problem = flow.problem { return "function '\(id)': \(problem)" }
        return nil
    }
}
