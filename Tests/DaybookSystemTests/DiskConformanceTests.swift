import DaybookFakes
import DaybookSystem
import Testing

struct DiskConformanceTests {
    @Test func `zone names cannot leave the directory`() {
        for name in ["../etc/passwd", "/etc/passwd", "Europe/../../x", "", "a//b", "Europe/./Berlin"] {
            #expect(!SystemZoneFiles.isZoneName(name))
        }
        #expect(SystemZoneFiles.isZoneName("America/Argentina/Buenos_Aires"))
    }
}
