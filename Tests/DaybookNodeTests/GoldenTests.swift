import Daybook
import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSystem
import DaybookTesting
import DaybookValues
import Testing

/// Every version opens what every released version wrote.
struct GoldenTests {
    private let clock = ManualClock()

    @Test func `the format of today has a golden directory`() {
        #expect(
            GoldenDirectory.all.contains { $0.name.hasPrefix("format-\(journalFormatVersion)-") },
            """
            The journal's format is version \(journalFormatVersion), and Tests/Golden has no directory of it. Make one with \
            `scripts/golden .build/debug/KillTarget Tests/Golden/format-\(journalFormatVersion)-daybook-RELEASE` and keep \
            the older ones: they must open too.
            """)
    }

    @Test(arguments: GoldenDirectory.all)
    func `every run is as it was`(golden: GoldenDirectory) throws {
        let disk = try golden.copy(clock: clock)
        let directory = try StoppedDirectory(disk: disk)
        #expect(directory.report.damage.isEmpty)
        #expect(directory.report.quarantined.isEmpty)
        #expect(directory.report.snapshotsRefused.isEmpty)
        let expected = try golden.expected()
        #expect(expected.count > 30)
        try compare(expected, disk)
        // From the log alone, too: a snapshot is a cache.
        for path in disk.allPaths where path.hasSuffix(".snap") { try disk.unlink(path) }
        try compare(expected, disk)
    }

    @Test(arguments: GoldenDirectory.all)
    func `the state can be rebuilt from the run files`(golden: GoldenDirectory) throws {
        let disk = try golden.copy(clock: clock)
        for path in disk.allPaths where path.hasSuffix(".snap") { try disk.unlink(path) }
        let segments = disk.allPaths.filter { $0.hasPrefix("journal/0") }.sorted()
        for path in segments.dropLast() { try disk.unlink(path) }
        let directory = try StoppedDirectory(disk: disk)
        #expect(directory.report.wasRebuilt)
        // The file of a run that was set aside is left without its end, and that it was is in the log only.
        let expected = try golden.expected().filter { $0.member("status")?.string != "quarantined" }
        try compare(expected, disk)
    }

    @Test(arguments: GoldenDirectory.all)
    func `verify finds nothing`(golden: GoldenDirectory) throws {
        let disk = try golden.copy(clock: clock)
        let report = try Verifier.verify(disk)
        #expect(report.isSound, "\(report.findings)")
        #expect(report.segments >= 2)
        #expect(report.snapshots == 2)
        #expect(report.logRecords > 200)
        #expect(report.streamFiles > 30)
        #expect(report.indexLines > 20)
    }

    @Test(arguments: GoldenDirectory.all)
    func `unfinished runs finish, finished ones stay as they are`(golden: GoldenDirectory) throws {
        let disk = try golden.copy(clock: clock)
        let machine = try open(disk)
        #expect(machine.node.journal.report.wasCopied)
        #expect(machine.node.journal.report.quarantined.isEmpty)
        // A file whose events are in the journal, but whose removal is not.
        #expect(machine.node.core.openClaims.map(\.name).contains { $0.hasSuffix("-late.json") })
        machine.advance(milliseconds: 3 * 86_400_000)
        let after = try machine.readModel()
        for before in try golden.expected() {
            let id = try #require(before.member("id")?.string)
            let run = try detail(try #require(ULID(id)), after)
            if before.member("endedAt") != nil {
                #expect(run.includes(before), "\(id)")
                continue
            }
            let function = try #require(before.member("function")?.string)
            #expect(run.member("status")?.string == "completed", "\(id) of \(function)")
            let output = run.member("output").map { String(decoding: $0.slice, as: UTF8.self) }
            #expect(Self.outputs[function]?.contains(output ?? "") == true, "\(id) of \(function): \(output ?? "")")
        }
        #expect(machine.node.core.runCount == 0)
        #expect(machine.failureMessages.isEmpty)
        #expect(try Verifier.verify(disk).isSound)
        disk.crash()
        #expect(try open(disk).node.core.runCount == 0)
    }

    /// What the runs return that were under way.
    private static let outputs: [String: [String]] = [
        "kill-steps": [#""LATER pays 13""#, #""FROM A FILE THAT IS NOT REMOVED YET pays 9""#],
        "kill-night": [#""lights out, up""#],
        "kill-payment": [#""bob owes""#],
        "kill-invoices": ["303"],
        "kill-invoice": ["201"],
        "kill-retried": [#""sent at attempt 3""#],
        "kill-stuck": ["2"],
        "kill-nap": [#""rested""#],
    ]

    private func open(_ disk: MemoryDisk) throws -> ManualNode {
        let machine = try ManualNode(
            ManualNode.Surroundings(disk: disk, clock: clock, random: SeededRandom(seed: 1)),
            ManualNode.configuration())
        try machine.launch(AppFunctions(app: "kill", functions: GoldenFunctions().all, now: clock.now))
        _ = machine.settle()
        return machine
    }

    private func compare(_ expected: [JSONView], _ disk: MemoryDisk) throws {
        for run in expected {
            let id = try #require(run.member("id")?.string)
            // The records that are in the log only are kept of the run that is asked for.
            let model = try StoppedDirectory(disk: disk, runIDPart: id).readModel
            let now = try detail(try #require(ULID(id)), model)
            #expect(
                now.includes(run),
                """
                run \(id) was \(String(decoding: run.slice, as: UTF8.self)) \
                and is \(String(decoding: now.slice, as: UTF8.self))
                """)
        }
    }

    private func detail(_ id: ULID, _ model: ReadModel) throws -> JSONView {
        var json: [UInt8] = []
        try model.detail(of: id).append(to: &json)
        return try #require(JSONView(json))
    }
}
