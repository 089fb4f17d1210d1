import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

@testable import DaybookCommands

struct RepairTests {
    private let directory = TemporaryDirectory()
    private var data: String { directory.path }
    private static let list = "runs/2026-11-21/08/index.jsonl"

    /// A directory that a server has made, with a list that is none.
    private func damaged() throws -> RealDisk {
        let disk = try RealDisk(root: data)
        var state = NoState()
        let journal = try Journal.open(disk: disk, clock: SystemWallClock(), replay: &state)
        journal.unlock()
        try disk.makeDirectory("runs/2026-11-21/08")
        try disk.replace(Self.list, with: Array("no \u{1B}line of ours\"}\n".utf8))
        return disk
    }

    private struct NoState: JournalReplay {
        mutating func reset() {}
        mutating func restore(_ snapshot: inout SnapshotReader) throws {}
        mutating func apply(_ record: RecordView) throws {}
        mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {}
    }

    @Test func `without a word from anybody nothing is changed`() throws {
        let disk = try damaged()
        let result = try SpawnedProgram.run("repair", "--data", data)
        #expect(result.code == 64)
        #expect(result.errors.contains("--dry-run"))
        #expect(try disk.contents(of: Self.list)?.isEmpty == false)
    }

    @Test func `a dry run names what is damaged, and ends with code 5`() throws {
        let disk = try damaged()
        let result = try SpawnedProgram.run("repair", "--data", data, "--dry-run")
        #expect(result.code == 5)
        #expect(result.output.hasPrefix("to rewrite  \(Self.list): "))
        #expect(result.output.hasSuffix("Nothing was changed: this was a dry run.\n"))
        #expect(try disk.stat("journal/damaged") == nil)
    }

    @Test func `a repair says what it did and where the rest is, and verify is content`() throws {
        _ = try damaged()
        let result = try SpawnedProgram.run("repair", "--data", data, "--yes")
        #expect(result.code == 0)
        #expect(result.output.hasPrefix("rewritten   \(Self.list): "))
        #expect(result.output.contains("as it was: journal/damaged/repair-"))
        #expect(result.output.hasSuffix("\nok\n"))
        #expect(try SpawnedProgram.run("verify", "--data", data).code == 0)
        let again = try SpawnedProgram.run("repair", "--data", data, "--yes")
        #expect(again.code == 0)
        #expect(again.output == "Nothing to repair.\n")
    }

    @Test func `as JSON there is one object an action, and one at the end`() throws {
        _ = try damaged()
        let result = try SpawnedProgram.run("repair", "--data", data, "--yes", "--json")
        let lines = result.output.split(separator: "\n").map { JSONView(Array($0.utf8)) }
        #expect(lines.count == 2)
        #expect(lines.first??.member("action")?.string == "rewritten")
        #expect(lines.first??.member("path")?.string == Self.list)
        #expect(
            result.output.contains(
                #"{"ok":true,"dryRun":false,"damagedBefore":1,"damaged":0,"runs":[],"lostRecords":[],"#))
    }

    @Test func `a directory in use is refused`() throws {
        let disk = try RealDisk(root: data)
        var state = NoState()
        let journal = try Journal.open(disk: disk, clock: SystemWallClock(), replay: &state)
        let result = try SpawnedProgram.run("repair", "--data", data, "--yes")
        #expect(result.code == 4)
        #expect(result.errors.contains("This data directory is in use: process "))
        withExtendedLifetime(journal) {}
    }
}
