import DaybookSDK
import Testing

@Suite struct `Settings of the host of apps` {
    @Test func `a server without keys calls itself dev and asks every five seconds`() {
        let settings = AppHostSettings()
        #expect(settings.kind == .dev)
        #expect(settings.pollInterval == 5)
        #expect(!settings.discovers)
    }
}
