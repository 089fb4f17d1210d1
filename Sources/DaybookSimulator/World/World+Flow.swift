import DaybookCore
import DaybookFakes
import DaybookNode
import DaybookValues

// What people do to functions with limits, and what is looked at from outside.
extension World {
    /// Registers the functions again, with other limits, in the process that is up.
    func changeLimits(_ variant: Int) {
        guard let process, let app = try? functions(variant: variant) else { return }
        note("other limits while the process is up, variant \(variant)")
        limitVariant = variant
        ledger.flow.count(.limitsChangedWhileUp)
        let (ledger, disk) = (ledger, disk)
        process.node.submit(.register(app: app.app, functions: app.configs)) { answer in
            if case .refused(let refusal) = answer, !disk.isDead {
                ledger.violate("functions with other limits were refused: \(refusal)")
            }
        }
    }

    func pause(_ index: Int) {
        guard let process else { return }
        let id = agenda.programs[index].wholeID
        note("\(id) is paused")
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        process.node.submit(.pause(function: id)) { answer in
            guard !disk.isDead, !isDamaged, case .done = answer else { return }
            // It may have been resumed in the same batch.
            if !ledger.flow.wasPaused(id) { ledger.violate("the pause of \(id) was acknowledged and is not on disk") }
        }
    }

    func resume(_ id: String) {
        guard let process else { return }
        note("\(id) is resumed")
        process.node.submit(.resume(function: id)) { _ in }
    }

    func cancelAll(_ index: Int) {
        guard let process else { return }
        let id = agenda.programs[index].wholeID
        let runs = process.node.core.unfinishedRuns(of: id, queuedBefore: clock.now)
        guard !runs.isEmpty else { return }
        note("\(runs.count) runs of \(id) are to be cancelled")
        ledger.flow.count(.cancelledInBulk, runs.count)
        requestedCancels.formUnion(runs)
        process.node.submit(.cancelRuns(runs, reason: "asked for in bulk")) { _ in }
    }

    /// Cancels runs whose bodies are under way: what they hold is free only when the bodies are done.
    func cancelBusy() {
        for id in witness.busyRuns.sorted() { cancel(id) }
    }

    /// Whoever is paused is resumed: what can finish must finish.
    func resumeAll() {
        guard let process else { return }
        for function in process.node.core.functionSummaries where function.isPaused { resume(function.config.id) }
    }

    /// The function whose code this process does not have.
    private var missing: String? { agenda.programs.first { $0.index == missingFunction }?.wholeID }

    /// Nothing is left to be done at once.
    func noteIdle() {
        guard agenda.hasFlow, let process else { return }
        ledger.flow.settlePauses()
        let core = process.node.core
        guard damage.isEmpty else { return }
        // Nobody has a place when no code moves; a batch that cannot be written keeps what is decided from everybody.
        let isFree =
            !process.node.hasActiveRuns && witness.nextWake == nil && disk.failureCounts.isEmpty && !isDiskFull
        if isFree, core.placesTaken > 0 {
            ledger.violate("\(core.placesTaken) places under limits are taken, and nothing executes")
        }
        guard core.functionSummaries.contains(where: { $0.waitingRuns > 0 }) else { return }
        for run in core.runSummaries {
            guard let waiting = run.waiting else { continue }
            count(waiting, of: run.id)
            // Without its code a run cannot begin, whatever it has got.
            if run.function == missing { continue }
            switch waiting {
            case .concurrency where isFree:
                ledger.violate(
                    "run \(run.id.text) of \(run.function) waits for a place, and nobody has one: \(waiting)")
            case .runs(let key, _, let limit) where isFree:
                let others = ledger.flow.startedCount(of: run.function, key: key)
                if others < limit {
                    ledger.violate(
                        "run \(run.id.text) of \(run.function) waits for \(waiting), and \(others) are under way")
                }
            default: break
            }
        }
    }

    private func count(_ waiting: RunSummary.Waiting, of id: ULID) {
        guard seenWaiting.insert(id).inserted else { return }
        switch waiting {
        case .concurrency: ledger.flow.count(.runsWaitedForPlace)
        case .runs: ledger.flow.count(.runsWaitedForRuns)
        case .throttle: ledger.flow.count(.runsWaitedForThrottle)
        case .singleton: ledger.flow.count(.runsWaitedForSingleton)
        case .paused: ledger.flow.count(.runsWaitedForResume)
        }
    }

    /// Holds whose time has come are not kept any longer, and runs whose time is up are cancelled, once the server has come
    /// to rest.
    func checkDeadlines() {
        guard let process, agenda.hasFlow, damage.isEmpty, !clockWasSet, isSound, !hasDied else { return }
        // A batch may be held back while the disk answers with errors, and what is due with it.
        guard disk.failureCounts.isEmpty else { return }
        let now = max(clock.now, process.startedAt)
        if let overdue = ledger.flow.overdue(at: now + -1_000, isThere: { $0 != missing }) { ledger.violate(overdue) }
        for program in agenda.programs where program.startTimeout != nil || program.finishTimeout != nil {
            let late = ledger.flow.late(program.wholeID, at: now + -1_000, program.startTimeout, program.finishTimeout)
            if let late { ledger.violate(late) }
        }
    }

    // MARK: - Who waits, and who goes first

    /// Compares who began with who goes on waiting for the same. Called after each batch.
    func observeStarts(_ core: Core) {
        let flow = ledger.flow
        let (started, admitted) = flow.takeStarts()
        guard agenda.hasFlow, flow.unstartedRuns.count > 1 || !observed.isEmpty else { return }
        var now: [ULID: RunSummary.Waiting] = [:]
        for id in flow.unstartedRuns { now[id] = core.summary(of: id)?.waiting }
        for (runs, isThrottle) in [(started, false), (admitted, true)] {
            for run in runs {
                // It waited for the same kind of thing, or was not there yet.
                if observedRuns.contains(run) {
                    guard let before = observed[run], Self.isThrottle(before) == isThrottle else { continue }
                }
                guard let facts = flow.facts(of: run) else { continue }
                for (other, waiting) in now where other != run {
                    guard let earlier = observed[other], Self.isThrottle(earlier) == isThrottle,
                        Self.isThrottle(waiting) == isThrottle, let others = flow.facts(of: other),
                        facts.waitsForTheSame(as: others, isThrottle: isThrottle)
                    else { continue }
                    if others.score < facts.score {
                        ledger.violate(
                            "run \(run.text) of \(facts.function) goes before \(other.text), which waits for the same and comes first"
                        )
                    } else if other < run, others.score > facts.score {
                        flow.count(.runsPutBefore)
                    }
                }
            }
        }
        (observed, observedRuns) = (now, flow.unstartedRuns)
        for (id, waiting) in now { count(waiting, of: id) }
    }

    private static func isThrottle(_ waiting: RunSummary.Waiting) -> Bool? {
        switch waiting {
        case .throttle: true
        case .concurrency, .runs: false
        case .singleton, .paused: nil
        }
    }
}
