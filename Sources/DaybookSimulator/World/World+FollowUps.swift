import DaybookCore
import DaybookFakes
import DaybookNode
import DaybookValues

// What starts after a run, and what is started by its name. No code of the simulated functions says so: the commands come
// from outside, as those of apps behind a URL do.
extension World {
    private func functionID(_ index: Int) -> String {
        index < agenda.programs.count ? agenda.programs[index].wholeID : "\(Program.app)-nowhere"
    }

    /// One of the newest runs that are not over.
    private func unfinishedRun(_ nth: Int) -> ULID? {
        let unfinished = ledger.runsInOrder.suffix(40).filter { ledger.runs[$0]?.end == nil }
        return unfinished.isEmpty ? nil : unfinished[unfinished.count - 1 - nth % unfinished.count]
    }

    func addFollowUp(_ nth: Int, _ function: Int, _ number: Int) {
        guard let process, let run = unfinishedRun(nth) else { return }
        let (key, id) = ("later-\(number)", functionID(function))
        note("run \(run.text) is to be followed by \(id), as \(key)")
        let input = Array(#"{"n":\#(number),"k":\#(number % 4),"g":"a"}"#.utf8)
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        process.node.submit(.addDefer(run: run, key: key, function: id, input: input)) { answer in
            guard !disk.isDead, !isDamaged, case .done = answer, let facts = ledger.runs[run] else { return }
            if facts.followUps.count < 20, !facts.followUps.contains(where: { $0.key == key }) {
                ledger.violate("follow-up \(key) of run \(run.text) was acknowledged and is not on disk")
            }
        }
    }

    func abortFollowUp(_ nth: Int, _ number: Int) {
        // One that is on disk: what comes of others depends on what else is in the batch.
        let candidates = self.ledger.runsInOrder.suffix(40).flatMap { run in
            let facts = self.ledger.runs[run]
            return (facts?.end == nil ? facts?.followUps ?? [] : []).filter { !$0.isAborted }.map { (run, $0.key) }
        }
        guard let process, !candidates.isEmpty else { return }
        let (run, key) = candidates[candidates.count - 1 - (nth * 4 + number) % candidates.count]
        note("follow-up \(key) of run \(run.text) is to be aborted")
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        process.node.submit(.abortDefer(run: run, key: key)) { answer in
            guard !disk.isDead, !isDamaged, case .done = answer, let facts = ledger.runs[run], facts.end == nil else {
                return
            }
            if facts.followUps.contains(where: { $0.key == key && !$0.isAborted }) {
                ledger.violate("follow-up \(key) of run \(run.text) was aborted and is not on disk as that")
            }
        }
    }

    func invoke(_ function: Int, _ sent: Agenda.SentEvent) {
        guard let process, let view = JSONView(Array(json(sent).utf8)), let data = view.member("data") else { return }
        let id = functionID(function)
        note("\(id) is invoked with #\(sent.number)")
        var payload = Array(data.bytes.dropLast())
        payload.append(json: #","_inngest":{"fn_id":"#)
        payload.append(jsonString: id)
        payload.append(json: "}}")
        let event = Event(
            internal: "inngest/function.invoked", id: ULID(at: clock.now, random: (random.next(), random.next())),
            key: sent.id, at: clock.now + sent.ahead, data: payload)
        self.sent.insert(sent.number)
        counts.eventsSent += 1
        let (ledger, disk, isDamaged) = (ledger, disk, !damage.isEmpty)
        let world = UncheckedBox(self)
        process.node.submit(.invokeFunction(function: id, event: event)) { answer in
            guard !disk.isDead, !isDamaged else { return }
            switch answer {
            case .published(let receipts):
                world.value.acknowledged.insert(sent.number)
                if receipts.count != 1 || ledger.events[event.id]?.started.count != receipts[0].started {
                    ledger.violate("the call of \(id) was acknowledged and is not on disk")
                }
            case .refused: world.value.counts.eventsRefused += 1
            default: ledger.violate("a call of \(id) was answered with \(answer)")
            }
        }
    }
}
