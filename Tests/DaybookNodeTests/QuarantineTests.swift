import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// What is shown of a run that was set aside, and what others are told of it.
struct QuarantineTests {
    private let log = BodyLog()

    private var function: DurableFunction<AnyEvent, Int> {
        DurableFunction("f", on: [.event("start")]) { _, step in
            let big = try await step.run("big") { String(repeating: "y", count: 20_000) }
            try await step.sleep("nap", for: .hours(1))
            return big.count
        }
    }

    /// What a function hears of the failures of others: the event that the failed run was given.
    private var listener: DurableFunction<AnyEvent, String> {
        DurableFunction("listener", on: [.event("inngest/function.failed")]) { event, _ in
            guard let given = JSONView(event.raw)?.at(path: "data.event") else { return "nothing" }
            return String(decoding: given.bytes, as: UTF8.self)
        }
    }

    private func heard(_ world: NodeWorld) throws -> [String] {
        try world.runs().filter { $0.function == "t-listener" }.map { try world.output($0.id) }
    }

    /// Damages a line of the run's file, and the same line in the log.
    private func damage(_ world: NodeWorld, _ run: ULID, lineWith part: String) throws {
        for path in world.disk.allPaths where path.hasPrefix("journal/") || path.hasPrefix("runs/") {
            let text = String(decoding: try world.disk.contents(of: path) ?? [], as: UTF8.self)
            for line in text.split(separator: "\n") where line.contains("run/\(run.text)") && line.contains(part) {
                world.disk.damage(path, at: text.utf8.distance(from: text.startIndex, to: line.startIndex) + 120)
            }
        }
    }

    @Test(arguments: [false, true])
    func `who listens for failures gets the event of a run that was set aside`(isRestarted: Bool) throws {
        let world = try NodeWorld([function, listener], log)
        let run = try ULID.last(try world.send("start", #"{"n":7}"#))
        world.advance(.minutes(1))
        try damage(world, run, lineWith: "step.completed")
        if isRestarted { try world.restart([function, listener]) }
        world.advance(.hours(1))
        #expect(try world.status(run) == .quarantined)
        let heard = try heard(world)
        #expect(heard.count == 1)
        #expect(heard.first?.contains(#"\"n\":7"#) == true)
    }

    @Test func `the event is null when it is in no file any more`() throws {
        let world = try NodeWorld([function, listener], log)
        let run = try ULID.last(try world.send("start", #"{"n":7}"#))
        world.advance(.minutes(1))
        try damage(world, run, lineWith: "run.queued")
        world.advance(.hours(1))
        #expect(try world.status(run) == .quarantined)
        #expect(try heard(world) == [#""null""#])
    }

    @Test(arguments: [false, true])
    func `a run whose first record is lost is shown as one that was set aside`(hasMoreRecords: Bool) throws {
        let waiting = DurableFunction<AnyEvent, Int>("f", on: [.event("start")]) { _, step in
            try await step.sleep("nap", for: .hours(1))
            return 1
        }
        let world = try NodeWorld([waiting], log)
        let run = try ULID.last(try world.send("start"))
        let other = try ULID.last(try world.send("start"))
        if hasMoreRecords { world.advance(.minutes(1)) }
        try damage(world, run, lineWith: "run.queued")
        for start in 0..<3 {
            try world.restart([waiting])
            let quarantined = world.machine.node.journal.report.quarantined.map(\.run)
            #expect(quarantined == (start == 0 ? [run] : []))
            for model in [
                try world.machine.readModel(), try StoppedDirectory(disk: world.disk, runIDPart: run.text).readModel,
            ] {
                let row = try #require(try model.runs(RunQuery()).rows.first { $0.id == run })
                #expect(row.status == .quarantined)
                #expect(row.reason?.contains("is damaged") == true)
                let detail = try model.detail(of: run)
                #expect(detail.status == .quarantined)
                #expect(detail.reason?.contains("is damaged") == true)
            }
            #expect(try Verifier.verify(world.disk).findings.filter { $0.severity == .damage } == [])
            if start == 1 {
                for _ in 0..<2 {
                    world.clock.advance(milliseconds: 600_000)
                    try world.send("other")
                    _ = world.machine.settle()
                    while try world.machine.node.journal.keeper.step() {}
                }
                #expect(try Verifier.verify(world.disk).findings.filter { $0.severity == .damage } == [])
            }
        }
        world.advance(.hours(1))
        #expect(try world.status(other) == .completed)
        #expect(try world.runs().map(\.status).sorted { $0.rawValue < $1.rawValue } == [.completed, .quarantined])
    }

    @Test(arguments: [false, true])
    func `the end of a run that was set aside is shown, also when only the list of finished runs has it`(
        fileIsGone: Bool
    ) throws {
        let world = try NodeWorld([function], log)
        let run = try ULID.last(try world.send("start"))
        world.advance(.minutes(1))
        world.disk.damage(StreamID.run(run).path, at: 10_000)
        world.advance(.hours(1))
        for _ in 0..<2 {
            world.clock.advance(milliseconds: 600_000)
            try world.send("other")
            _ = world.machine.settle()
            let writer = world.machine.node.journal.keeper
            while try writer.step() {}
        }
        if fileIsGone { try world.disk.unlink(StreamID.run(run).path) }
        let live = try world.machine.detail(of: run)
        try world.restart([function])
        let stopped = try StoppedDirectory(disk: world.disk, runIDPart: run.text)
        #expect(stopped.report.snapshotQ > 0)
        for detail in [live, try stopped.readModel.detail(of: run)] {
            #expect(detail.status == .quarantined)
            #expect(detail.endedAt != nil)
            #expect(detail.function == "t-f")
            #expect(detail.reason?.contains("cannot be read") == true)
        }
    }
}
