import DaybookFakes
import DaybookJournal
import DaybookSystem
import DaybookValues
import Testing

struct FormatTests {
    /// The lines of the format page that claim to be lines of a journal.
    private func samples() throws -> [String] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let page = try #require(try RealDisk(root: "/" + root + "/docs").contents(of: "JOURNAL_FORMAT.md"))
        return String(decoding: page, as: UTF8.self).split(separator: "\n").map(String.init).filter { line in
            line.hasPrefix("{\"") && line.hasSuffix("\"}")
        }
    }

    /// Writes the journal that the samples of the page are taken from.
    private func sampleJournal() throws -> (world: World, lines: [String]) {
        let world = World()
        let id = try #require(ULID("01KAJS9V00A1B2C3D4E5F6G7H8"))
        let journal = try world.open()
        journal.log.begin(.events(day: noon.day), "event.received", at: noon)
        journal.log.bytes.append(
            contentsOf: ",\"id\":\"01KAJS9TZZ0000000000000000\",\"name\":\"auth/user.created\"".utf8)
        journal.log.end()
        journal.log.begin(.run(id), "run.started", at: noon)
        journal.log.bytes.append(contentsOf: ",\"function\":\"app-welcome-email\"".utf8)
        journal.log.end()
        try journal.log.commit()
        journal.log.begin(.run(id), "run.completed", at: noon + 250)
        journal.log.bytes.append(contentsOf: ",\"output\":\"sent\"".utf8)
        journal.log.end(final: true, index: Array("{\"function\":\"app-welcome-email\"}".utf8))
        try journal.log.commit()
        try journal.snapshot()
        let log = try world.disk.text(world.disk.segments[0]).split(separator: "\n").map(String.init)
        let index = try world.disk.text(RunPath.index(hour: RunPath.hour(of: id))).split(separator: "\n").map(
            String.init)
        let snapshot = try #require(try world.disk.contents(of: "snapshot/00000000000000000003.snap"))
        let snapshotHeader = String(decoding: snapshot.prefix { $0 != 10 }, as: UTF8.self)
        return (world, [log[1], log[2], log[4], log[3], log[0], index[0], snapshotHeader])
    }

    @Test func `the samples of the format page are what a journal writes`() throws {
        let (world, lines) = try sampleJournal()
        #expect(try samples() == lines)
        withExtendedLifetime(world) {}
    }
}
