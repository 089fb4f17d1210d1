import Daybook
import DaybookCore
import DaybookValues

/// What has become known of the slots under concurrency limits, for the core to hear at the start of the next batch.
enum SlotNews {
    /// Nothing in the run can move.
    case quiet(LiveRun, report: Int)
    /// So many bodies more wait for a slot.
    case wanted(LiveRun, Int)
    case returned(LiveRun, Int)
    /// A further slot came for the run that it cannot take any more.
    case surplus(ULID)
    /// No code of the run is loaded, whatever slot it may have got.
    case unused(ULID)
    /// The node wants to load the run, once it has a slot.
    case activate(ULID)
    // The same of runs behind a URL.
    case remoteActivate(RemoteRun)
    case remoteWants(RemoteRun, Int)
    case remoteSurplus(RemoteRun)
    case remoteIdle(RemoteRun)
}

// Functions with limits: their runs move only while they hold a slot. The core says who holds how many; a run's own
// execution keeps its bodies within that. Both counts change in the same order here, so that they are always the same: the
// core's at the decision, the execution's at the release. Nothing of it concerns functions without limits.
extension Node {
    // MARK: - What the core hears

    /// The first thing in a batch, when all that the core has decided so far is released: a run that is quiet now has been
    /// handed everything there is for it. Writer.
    func settleSlots(at time: Instant) {
        guard !slotNews.isEmpty else { return }
        var allNews: [SlotNews] = []
        swap(&allNews, &slotNews)
        // Nothing begins any more that could use a slot.
        if isDraining { return }
        /// Runs that get a further slot by what is decided here, and do not know it yet.
        var granted: Set<ULID> = []
        for news in allNews {
            switch news {
            case .quiet(let run, let report):
                // When it is not so any more, another report follows.
                guard run.isLive, !run.isClosing, !granted.contains(run.id),
                    run.execution?.yieldIfQuiet(report: report) ?? false
                else { continue }
                run.hasYielded = true
                run.slotsOwed = 0
                noteQuiet(run)
                decide(.yield(run: run.id), at: time, releasing: false)
            case .wanted(let run, let count):
                guard run.isLive, !run.isClosing else { continue }
                if run.hasYielded {
                    // Its code went on by itself. The first slot is the run's own.
                    if run.slotsOwed == 0 { decide(.activate(run: run.id), at: time, releasing: false) }
                    run.slotsOwed += count
                } else {
                    decide(.wantSlots(run: run.id, count: count), at: time, releasing: false)
                }
            case .returned(let run, let count):
                guard run.isLive else { continue }
                decide(.returnSlots(run: run.id, count: count), at: time, releasing: false)
            case .surplus(let id): decide(.returnSlots(run: id, count: 1), at: time, releasing: false)
            case .unused(let id):
                // It may have come to life since.
                guard live[id] == nil, remotes[id] == nil, remotesLeaving[id] == nil, !waitingRuns.contains(id),
                    !core.isGated(id) || !isWaitingToCall(id)
                else { continue }
                decide(.yield(run: id), at: time, releasing: false)
            case .activate(let id):
                guard live[id] == nil, remotes[id] == nil, !waitingRuns.contains(id), !postponed.isWaiting(id) else {
                    continue
                }
                decide(.activate(run: id), at: time, releasing: false)
            case .remoteActivate(let run):
                guard run.isLive, run.slots == 0 else { continue }
                decide(.activate(run: run.id), at: time, releasing: false)
            case .remoteWants(let run, let count):
                guard run.isLive, run.slots > 0 else { continue }
                decide(.wantSlots(run: run.id, count: count), at: time, releasing: false)
            case .remoteSurplus(let run):
                let surplus = run.slots - max(1, run.calls.count + run.readyCount)
                guard run.isLive, run.slots > 0, surplus > 0 else { continue }
                run.slots -= surplus
                decide(.returnSlots(run: run.id, count: surplus), at: time, releasing: false)
            case .remoteIdle(let run):
                // When it is not so any more, it says so again.
                guard run.isLive, run.slots > 0, run.isIdle, !granted.contains(run.id) else { continue }
                run.slots = 0
                run.slotsWanted = 0
                decide(.yield(run: run.id), at: time, releasing: false)
            }
            for case .grantSlot(let id) in core.effects { granted.insert(id) }
            releaseEffects()
        }
    }

    private func isWaitingToCall(_ id: ULID) -> Bool {
        guard let summary = core.summary(of: id), let app = core.function(summary.function)?.app else { return false }
        return remoteCalls.isWaiting(id, app)
    }

    /// No code of the run is going to use the slot that it may hold.
    func leaveSlot(_ id: ULID) {
        guard !isDraining, core.isGated(id) else { return }
        slotNews.append(.unused(id))
    }

    // MARK: - What runs are handed

    /// The run has its first slot again.
    func giveSlot(to run: LiveRun) {
        guard let execution = run.execution else { return }
        run.hasYielded = false
        if run.slotsOwed > 1 { slotNews.append(.wanted(run, run.slotsOwed - 1)) }
        run.slotsOwed = 0
        noteAwake(run)
        if execution.grantSlot() { turns.append(execution) }
    }

    /// One body more may run.
    func grantSlot(_ id: ULID) {
        if let run = remotes[id] { return grantRemoteSlot(run) }
        guard let run = live[id], let execution = run.execution, !run.isClosing, !run.hasEnded else {
            slotNews.append(.surplus(id))
            return leaveSlot(id)
        }
        noteAwake(run)
        if execution.grantSlot() { turns.append(execution) }
    }

    // MARK: - Pause

    /// The function was paused: its runs are put aside as soon as none of their bodies runs. They come back by what
    /// `resume` says.
    func hold(_ function: String) {
        holdRemotes(function)
        for id in waitingRuns.ids.filter({ core.isPaused(run: $0) }).sorted() {
            waitingRuns.remove(id)
            leaveSlot(id)
        }
        for run in live.values.filter({ $0.functionID == function }).sorted(by: { $0.id < $1.id }) {
            run.mustReload = true
            if let execution = run.execution { execution.close(.afterBodies) } else { forget(run) }
        }
    }
}
