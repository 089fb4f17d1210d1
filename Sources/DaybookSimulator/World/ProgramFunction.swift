import Daybook

/// A program as the function of a user would do it.
extension Program {
    struct Boom: Error, CustomStringConvertible {
        var description: String
    }

    private struct Payload: Codable {
        var n: Int
        var k: Int
        var g: String?
        var w: Int?
    }

    /// - Parameters:
    ///   - withSchedules: whether it runs by the clock, if that is how it starts.
    ///   - retries: in place of its own, where a later version of the program is wanted.
    ///   - variant: of its flow control, likewise.
    func function(
        witness: Witness, withSchedules: Bool, retries changedRetries: Int? = nil, variant: Int = 0
    ) -> any FunctionDefinition {
        let retries = changedRetries ?? self.retries
        let flow = self.flow.variant(variant)
        let options = flow.options
        /// What a function that takes some options one by one is given in place of more.
        let nothing = FunctionOption.timeouts()
        func option(_ index: Int) -> FunctionOption { index < options.count ? options[index] : nothing }
        precondition(options.count <= 10, "there are more options than are passed on")
        let timeouts = FunctionOption.timeouts(
            start: startTimeout.map { .milliseconds($0) }, finish: finishTimeout.map { .milliseconds($0) })
        let triggers: [Trigger] =
            switch start {
            case .events(let names): names.map { .event($0, if: flow.condition?.source) }
            case .failures: [.event("inngest/function.failed", if: flow.condition?.source)]
            case .minutes(let minutes) where withSchedules:
                [.cron(minutes == 60 ? "0 * * * *" : "*/\(minutes) * * * *")]
            case .minutes, .invokedOnly: []
            }
        if let batch = flow.batch {
            return DurableFunction(
                id, batchesOf: triggers, max: batch.maxSize, within: .milliseconds(batch.timeout),
                key: batch.key?.flowKey, if: batch.condition?.source, retries: retries, timeouts, option(0), option(1),
                option(2), option(3)
            ) { _, step in
                try await perform(step, witness)
            }
        }
        if case .minutes(let minutes) = start, withSchedules {
            let catchUp: CatchUp = [.latest, .skip, .all(limit: 3)][self.catchUp]
            return DurableFunction(
                id, cron: minutes == 60 ? "0 * * * *" : "*/\(minutes) * * * *", catchUp: catchUp, retries: retries,
                timeouts, option(0), option(1), option(2), option(3), option(4), option(5), option(6), option(7),
                option(8), option(9)
            ) { _, step in
                try await perform(step, witness)
            }
        }
        return DurableFunction(
            id, on: triggers, retries: retries, timeouts, option(0), option(1), option(2), option(3), option(4),
            option(5), option(6), option(7), option(8), option(9)
        ) { _, step in
            try await perform(step, witness)
        }
    }

    private func perform(_ step: Step, _ witness: Witness) async throws -> String {
        var digest = Digest()
        for action in actions {
            switch action {
            case .step(let plan):
                let end = try await perform(plan, step, witness)
                try Self.note(end, of: plan, &digest)
            case .parallel(let plans):
                let ends = try await withThrowingTaskGroup(of: (Int, StepEnd).self) { group in
                    for (position, plan) in plans.enumerated() {
                        group.addTask { (position, try await perform(plan, step, witness)) }
                    }
                    var ends: [StepEnd?] = plans.map { _ in nil }
                    for try await (position, end) in group { ends[position] = end }
                    return ends
                }
                for (plan, end) in zip(plans, ends) {
                    if let end { try Self.note(end, of: plan, &digest) }
                }
            case .sleep(let id, let milliseconds):
                try await step.sleep(id, for: .milliseconds(milliseconds))
                digest.mix(id)
            case .wait(let id, let event, let key, let milliseconds, let condition):
                let found: AnyEvent? =
                    if let key {
                        try await step.waitForEvent(
                            id, name: event, where: .field("k", equals: key), if: condition?.source,
                            timeout: .milliseconds(milliseconds))
                    } else {
                        try await step.waitForEvent(
                            id, name: event, if: condition?.source, timeout: .milliseconds(milliseconds))
                    }
                digest.mix(id)
                digest.mix(found?.id ?? "nothing")
            case .invoke(let id, let function, let milliseconds, let isCaught):
                do {
                    let output = try await step.invoke(
                        id, functionID: "\(Program.app)-f\(function)", data: ["from": index], as: String.self,
                        timeout: .milliseconds(milliseconds))
                    digest.mix(output)
                } catch let error as StepError where isCaught {
                    digest.mix("!" + error.name)
                }
            case .send(let id, let events):
                let sent = try await step.sendEvents(
                    id,
                    events.enumerated().map { position, event in
                        let payload = Payload(
                            n: index, k: index % 4, g: sendsGroups ? ["a", "b", nil][position % 3] : nil,
                            w: sendsGroups ? 100 * position : nil)
                        return OutgoingEvent(name: event.name, data: payload, id: event.id)
                    })
                digest.mix("\(sent.count)")
            case .stumbles(let attempt):
                if step.attempt < attempt { throw Boom(description: "stumbled") }
            }
        }
        return digest.text
    }

    private enum StepEnd: Sendable {
        case value(String)
        case failed(StepError)
    }

    private static func note(_ end: StepEnd, of plan: StepPlan, _ digest: inout Digest) throws {
        switch end {
        case .value(let value): digest.mix(value)
        case .failed(let error):
            guard plan.isCaught else { throw error }
            digest.mix("!" + error.name)
        }
    }

    private func perform(_ plan: StepPlan, _ step: Step, _ witness: Witness) async throws -> StepEnd {
        do {
            let runID = step.runID
            let value = try await step.run(plan.id) { attempt -> String in
                let key = String(attempt.idempotencyKey.dropFirst(runID.utf8.count + 1))
                let body = witness.bodyBegins(run: runID, step: key, attempt: attempt.number)
                defer { witness.bodyEnds(body) }
                for _ in 0..<plan.yields { await Task.yield() }
                if plan.takes > 0 { await witness.wait(milliseconds: plan.takes) }
                switch plan.body {
                case .failsBefore(let enough) where attempt.number < enough:
                    throw Boom(description: "attempt \(attempt.number)")
                case .asksForLater(let enough, let milliseconds) where attempt.number < enough:
                    throw RetryAfterError("later", after: .milliseconds(milliseconds))
                case .givesUp: throw NonRetriableError("pointless")
                case .killsBefore(let enough) where attempt.number < enough:
                    witness.killProcess()
                    throw CancellationError()
                default: break
                }
                let value = "\(key)#\(attempt.number)" + String(repeating: "x", count: plan.padding)
                witness.bodyReturns(run: runID, step: key, attempt: attempt.number, value: value)
                return value
            }
            witness.sees(run: runID, value: value)
            return .value(value)
        } catch let error as StepError {
            return .failed(error)
        }
    }
}
