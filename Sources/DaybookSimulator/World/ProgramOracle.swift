import DaybookCore
import DaybookValues

/// What must come of a run, told from its program and the results that are on record, without the product's help.
extension Program {
    enum ExpectedEnd: Equatable {
        case completed(String)
        /// With an error of that name.
        case failed(String)
        /// A result is missing: the run cannot have ended by itself.
        case unfinished(missing: String)
    }

    /// - Parameter attemptsMax: of the code between steps.
    func expectedEnd(_ facts: Ledger.RunFacts, attemptsMax: Int) -> ExpectedEnd {
        var digest = Digest()
        var uses: [String: Int] = [:]
        /// The key of the next step of that id.
        func key(_ id: String) -> String {
            let count = uses[id, default: 0]
            uses[id] = count + 1
            return count == 0 ? id : "\(id):\(count)"
        }
        /// Nil when the step has succeeded, and its value is in the digest.
        func take(_ key: String, isCaught: Bool, _ value: (StepOutcome) -> String) -> ExpectedEnd? {
            if let step = facts.completed[key] {
                digest.mix(value(step))
                return nil
            }
            guard let failure = facts.failed[key] else { return .unfinished(missing: key) }
            let name = JSONView(failure.error)?.member("name")?.string ?? "?"
            guard isCaught else { return .failed(name) }
            digest.mix("!" + name)
            return nil
        }
        func text(_ step: StepOutcome) -> String { JSONView(step.output)?.string ?? "?" }
        for action in actions {
            var end: ExpectedEnd?
            switch action {
            case .step(let plan): end = take(key(plan.id), isCaught: plan.isCaught, text)
            case .parallel(let plans):
                let keys = plans.map { key($0.id) }
                if let missing = keys.first(where: { facts.completed[$0] == nil && facts.failed[$0] == nil }) {
                    return .unfinished(missing: missing)
                }
                for (plan, key) in zip(plans, keys) where end == nil { end = take(key, isCaught: plan.isCaught, text) }
            case .sleep(let id, _): end = take(key(id), isCaught: false) { _ in id }
            case .wait(let id, _, _, _, _):
                digest.mix(id)
                end = take(key(id), isCaught: false) { step in
                    JSONView(step.output)?.member("id")?.string ?? "nothing"
                }
            case .invoke(let id, _, _, let isCaught): end = take(key(id), isCaught: isCaught, text)
            case .send(let id, let events): end = take(key(id), isCaught: false) { _ in "\(events.count)" }
            case .stumbles(let attempt): end = attempt > attemptsMax ? .failed("Boom") : nil
            }
            if let end { return end }
        }
        return .completed(digest.text)
    }
}
