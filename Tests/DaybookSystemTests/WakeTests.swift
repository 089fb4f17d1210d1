import DaybookSystem
import Synchronization
import Testing

struct WakeTests {
    @Test func `a signal before the wait is remembered, once`() {
        let wake = Wake()
        wake.signal()
        wake.signal()
        #expect(wake.wait())
        #expect(!wake.wait(timeoutNanoseconds: 0))
        #expect(!wake.wait(timeoutNanoseconds: 1))
    }

    @Test func `no signal between two threads is lost`() {
        let (there, back) = (Wake(), Wake())
        let count = Atomic<Int>(0)
        let thread = DedicatedThread(name: "daybook-test-of-wake") {
            for _ in 0..<10_000 {
                there.wait()
                count.add(1, ordering: .relaxed)
                back.signal()
            }
        }
        for _ in 0..<10_000 {
            there.signal()
            back.wait()
        }
        thread.join()
        #expect(count.load(ordering: .relaxed) == 10_000)
    }
}

struct ZoneFilesTests {
    @Test func `zone names cannot leave the directory`() {
        for name in ["../etc/passwd", "/etc/passwd", "Europe/../../x", "", "a//b", "Europe/./Berlin", "a\0b"] {
            #expect(!SystemZoneFiles.isZoneName(name))
        }
        #expect(SystemZoneFiles.isZoneName("America/Argentina/Buenos_Aires"))
        #expect(SystemZoneFiles.isZoneName("Etc/GMT+5"))
    }

    @Test func `only compiled zone files are handed out`() throws {
        let root = try TemporaryDirectory()
        let disk = try RealDisk(root: root.path)
        try disk.makeDirectory("Europe")
        try disk.replace("Europe/Berlin", with: Array("TZif2 and more".utf8))
        try disk.replace("zone.tab", with: Array("text".utf8))
        let zones = SystemZoneFiles(directory: root.path)
        #expect(zones.zoneFile(named: "Europe/Berlin") == Array("TZif2 and more".utf8))
        #expect(zones.zoneFile(named: "zone.tab") == nil)
        #expect(zones.zoneFile(named: "Europe") == nil)
        #expect(zones.zoneFile(named: "Europe/Paris") == nil)
    }
}
