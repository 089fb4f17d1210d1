import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues

extension World {
    /// Lets one entry of the agenda happen.
    func play(_ happening: Agenda.Happening) {
        switch happening {
        case .send(let events):
            send(events)
            linger(random.below(12))
        case .drop(let name, let kind, let events): drop(name, kind, events)
        case .pass(let milliseconds):
            note("\(milliseconds) ms pass")
            pass(milliseconds: milliseconds)
            checkTicks()
            checkDeadlines()
        case .linger(let steps): linger(steps)
        case .cancel(let nth): cancel(nth)
        case .kill(let operations, let tearing, let isPowerLoss):
            note("the disk dies after \(operations) operations\(tearing == nil ? "" : ", within a write")")
            if tearing != nil { counts.add(.killedWithinWrite) }
            disk.die(after: operations, tearingWrite: tearing)
            linger(60)
            guard process != nil, !disk.isDead else { return }
            // It had not so much to do; it dies here.
            endProcess(isPowerLoss ? .powerLost : .processKilled)
            start()
        case .fail(let operation, let errno, let after, let times):
            note("\(operation) fails with \(errno), after \(after) more, \(times) times")
            disk.fail(operation, after: after, errno: errno, times: times)
        case .interrupt(let every):
            disk.interrupt(every: every)
            counts.add(.callsInterrupted)
        case .cutShort(let every):
            disk.shorten(every: every)
            counts.add(.callsCutShort)
        case .fill(let bytes):
            note("the disk has \(bytes) bytes left")
            counts.add(.diskFull)
            disk.setCapacity(bytesLeft: bytes)
            isDiskFull = true
            settle(limit: 400)
            isDiskFull = false
            disk.setCapacity(bytes: .max)
        case .setClock(let milliseconds):
            note("the clock is set by \(milliseconds) ms")
            clockWasSet = true
            counts.add(milliseconds < 0 ? .clockSetBack : .clockSetForward)
            clock.setWall(clock.now + milliseconds)
        case .suspend(let milliseconds):
            note("the machine sleeps for \(milliseconds) ms")
            counts.add(.suspended)
            clock.advance(milliseconds: milliseconds)
        case .openTwice: openTwice()
        case .copy(let opens): copyHot(opens)
        case .stop: stop()
        case .redeploy(let without, let retries):
            note("other functions: without \(without.map(String.init) ?? "none"), \(retries) retries")
            counts.add(.functionsChanged)
            wasRedeployed = true
            missingFunction = without
            changedRetries = retries
            endProcess(.processKilled)
            start()
        case .changeLimits(let variant):
            note("other limits, variant \(variant)")
            ledger.flow.count(.limitsChanged)
            limitVariant = variant
            endProcess(.processKilled)
            start()
        case .changeLimitsWhileUp(let variant): changeLimits(variant)
        case .pause(let function): pause(function)
        case .resume(let function): resume(agenda.programs[function].wholeID)
        case .cancelAll(let function): cancelAll(function)
        case .cancelBusy(let events):
            send(events)
            linger(60)
            cancelBusy()
            linger(60)
        case .addFollowUp(let nth, let function, let key): addFollowUp(nth, function, key)
        case .abortFollowUp(let nth, let key): abortFollowUp(nth, key)
        case .invoke(let function, let event): invoke(function, event)
        case .verify: verifyLive()
        case .damage(let kind, let file, let place, let bit): doDamage(kind, file: file, place: place, bit: bit)
        }
    }

    func json(_ event: Agenda.SentEvent) -> String {
        var text = #"{"name":"\#(event.name)","data":{"n":\#(event.number),"k":\#(event.key)"#
        text += event.values
        if event.padding > 0 { text += #","p":"\#(String(repeating: "p", count: event.padding))""# }
        text += "}"
        if let id = event.id { text += #","id":"\#(id)""# }
        if event.ahead != 0 { text += #","ts":\#((clock.now + event.ahead).milliseconds)"# }
        return text + "}"
    }

    private func send(_ events: [Agenda.SentEvent]) {
        guard let process else { return }
        var checked: [DaybookCore.Event] = []
        for event in events {
            guard let view = JSONView(Array(json(event).utf8)),
                let made = try? DaybookCore.Event(
                    view, id: ULID(at: clock.now, random: (random.next(), random.next())), now: clock.now)
            else {
                ledger.violate("an event of the simulator's own is not one")
                return
            }
            checked.append(made)
            sent.insert(event.number)
        }
        note("\(events.count) events sent: \(events.map { "\($0.name)#\($0.number)" }.joined(separator: " "))")
        counts.eventsSent += events.count
        let numbers = events.map(\.number)
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        let world = UncheckedBox(self)
        process.node.submit(.publish(checked, claim: nil)) { answer in
            guard !disk.isDead, !isDamaged else { return }
            switch answer {
            case .published(let receipts):
                for (receipt, number) in zip(receipts, numbers) {
                    world.value.acknowledged.insert(number)
                    if ledger.events[receipt.id]?.started.count != receipt.started {
                        ledger.violate("event \(receipt.id.text) was acknowledged and is not on disk")
                    }
                }
            case .refused: world.value.counts.eventsRefused += numbers.count
            default: ledger.violate("events were answered with \(answer)")
            }
        }
    }

    private func drop(_ name: String, _ kind: Agenda.FileKind, _ events: [Agenda.SentEvent]) {
        let texts = events.map(json)
        let content: String
        var isGood = true
        switch kind {
        case .object: content = texts[0] + "\n"
        case .array: content = "[" + texts.joined(separator: ",\n") + "]"
        case .lines: content = texts.joined(separator: "\n") + "\n"
        case .linesWithBadOne: (content, isGood) = (texts.joined(separator: "\n") + "\n{\"name\":7}\n", false)
        case .torn: (content, isGood) = (String(texts[0].dropLast(3)), false)
        case .notJSON: (content, isGood) = ("hello \(events.count)", false)
        case .empty: (content, isGood) = ("", false)
        }
        note("file \(name) is dropped, \(kind)")
        if !isGood { counts.add(.brokenInboxFile) }
        counts.filesDropped += 1
        disk.plant("inbox/" + name, Array(content.utf8))
        // A file without a byte may be one that is about to be written.
        files.append(DroppedFile(name: name, isGood: isGood, numbers: isGood ? events.map(\.number) : []))
        sent.formUnion(events.map(\.number))
    }

    private func cancel(_ nth: Int) {
        guard !ledger.runsInOrder.isEmpty else { return }
        cancel(ledger.runsInOrder[ledger.runsInOrder.count - 1 - nth % ledger.runsInOrder.count])
    }

    func cancel(_ id: ULID) {
        guard let process else { return }
        note("run \(id.text) is to be cancelled")
        counts.add(.runCancelled)
        requestedCancels.insert(id)
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        process.node.requestCancel(id, reason: "asked for") { answer in
            guard !disk.isDead, !isDamaged, case .ended = answer else { return }
            if ledger.runs[id]?.end == nil {
                ledger.violate("the end of run \(id.text) was acknowledged and is not on disk")
            }
        }
    }

    private func openTwice() {
        guard process != nil else { return }
        counts.add(.secondProcess)
        disk.clearFailures()
        do {
            _ = try ManualNode(ManualNode.Surroundings(disk: disk, clock: clock, random: random), configuration)
            ledger.violate("a second server could open the directory")
        } catch {
            guard case .locked = error else {
                if !disk.isDead { ledger.violate("a second server was refused for the wrong reason: \(error)") }
                return
            }
        }
    }

    /// What `cp -r` of the live directory makes.
    private func copyHot(_ opens: Bool) {
        guard process != nil, damage.isEmpty, !disk.isDead else { return }
        counts.add(.hotCopy)
        let copy = disk.copy()
        check(copy, "a hot copy", isLive: false)
        guard opens, isSound else { return }
        do {
            let machine = try ManualNode(
                ManualNode.Surroundings(disk: copy, clock: clock, random: SeededRandom(seed: 1)), configuration)
            counts.statesCompared += 1
            if machine.node.journal.flushedQ < ledger.lastQ {
                ledger.violate("a hot copy lacks records \(machine.node.journal.flushedQ + 1) to \(ledger.lastQ)")
            } else if machine.node.journal.report.lastQ == ledger.lastQ,
                machine.node.core.encodedState != ledger.shadow.encodedState
            {
                ledger.violate("the state of a hot copy differs: \(difference(machine.node.core))")
            }
        } catch {
            ledger.violate("a hot copy cannot be opened: \(error)")
        }
    }

    /// SIGTERM.
    private func stop() {
        guard let running = process else { return }
        note("the server is asked to stop")
        if running.node.hasLoadedRuns { counts.add(.stopWithWorkUnderWay) }
        disk.clearFailures()
        running.node.requestDrain()
        witness.wakeBodies(all: true)
        for round in 0..<400 {
            guard process === running, !hasDied else { break }
            while running.machine.pool.step() {}
            _ = running.node.step()
            if !running.node.hasLoadedRuns, round > 2 { break }
            if round == 300 { running.node.closeLoadedRuns() }
        }
        guard process === running, !hasDied else {
            restartIfDead()
            return
        }
        if running.node.hasLoadedRuns { ledger.violate("the server does not stop") }
        do throws(FileError) {
            try running.node.journal.follower.catchUp(to: running.node.journal.flushedQ)
            _ = try running.node.journal.follower.checkpoint()
        } catch {
            note("not brought up to date: \(error)")
        }
        running.node.journal.unlock()
        counts.cleanStops += 1
        endProcess(nil)
        start()
    }

    private func verifyLive() {
        guard process != nil, damage.isEmpty, !disk.isDead else { return }
        let reader = disk.fork()
        reader.clearFailures()
        check(reader, "the live directory", isLive: true)
    }

    /// Every schedule's newest tick is on record once the server has come to rest.
    private func checkTicks() {
        guard let process, damage.isEmpty, !clockWasSet, isSound, !hasDied, changedRetries == nil else { return }
        // A batch may be held while the disk answers with errors, and its ticks with it.
        guard disk.failureCounts.isEmpty else { return }
        if let late = ledger.lateTick(at: clock.now + -1_000, since: process.startedAt) { ledger.violate(late) }
    }

    func check(_ disk: MemoryDisk, _ what: String, isLive: Bool) {
        do throws(JournalOpenError) {
            let report = try Verifier.verify(disk)
            counts.verifications += 1
            if let finding = report.findings.first(where: { $0.severity == .damage }) {
                ledger.violate("verify of \(what) finds damage: \(finding)")
            }
        } catch {
            ledger.violate("verify of \(what) fails: \(error)")
        }
    }
}

/// For closures that are called on the one thread of the simulation and must be `Sendable`.
struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
