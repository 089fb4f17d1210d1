import DaybookValues
import DaybookWire
import Testing

@Suite struct `Calls as values` {
    @Test func `a call looks for what comes next unless it names a step`() {
        let request = CallRequest(
            callID: ULID(high: 0, low: 1), run: ULID(high: 0, low: 2), function: "shop-charge", url: "http://localhost/x",
            attempt: 0, attemptsMax: 5, forcesPlan: false, version: -1, input: Array("{}".utf8), steps: [])
        #expect(request.target == nil)
        #expect(request.deferred.isEmpty)
    }
}
