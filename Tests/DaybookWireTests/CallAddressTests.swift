import DaybookValues
import DaybookWire
import Testing

struct CallAddressTests {
    @Test(
        arguments: [
            ("http://h/x?fnId=shop-charge&stepId=old", nil, "http://h/x?fnId=shop-charge&stepId=step"),
            ("http://h/x?stepId=step&fnId=f", "86f7", "http://h/x?fnId=f&stepId=86f7"),
            ("http://h/x", nil, "http://h/x?stepId=step"),
            ("http://h/x?", nil, "http://h/x?stepId=step"),
            ("http://h/x?z=1&step=step&a=2&z=0", nil, "http://h/x?a=2&step=step&stepId=step&z=1&z=0"),
            ("http://h/x?a=b%20c+d&e=%zz&f", nil, "http://h/x?a=b+c+d&e=%25zz&f=&stepId=step"),
            ("http://h/x?a=1#part", nil, "http://h/x?a=1&stepId=step"),
            ("http://h/x?fnId=a%26b", nil, "http://h/x?fnId=a%26b&stepId=step"),
            ("http://h/x?fnId=f", "a b&c", "http://h/x?fnId=f&stepId=a+b%26c"),
            ("http://h/x?a=%C3%A9", nil, "http://h/x?a=%C3%A9&stepId=step"),
            ("", nil, "?stepId=step"),
        ] as [(String, String?, String)])
    func `the address names the step and keeps what else it had`(url: String, target: String?, expected: String) {
        #expect(CallCoding.url(of: callRequest(url: url, target: target)) == expected)
    }

    @Test func `headers say which call it is`() {
        let request = callRequest(target: "86f7", version: 2)
        let headers = CallCoding.headers(of: request, signature: "t=1&s=2")
        let byName = Dictionary(uniqueKeysWithValues: headers.map { ($0.name.lowercased(), $0.value) })
        #expect(
            byName == [
                "content-type": "application/json", "accept-encoding": "gzip", "user-agent": "Daybook",
                "account-id": "00000000-0000-4000-a000-000000000000", "x-run-id": request.run.text,
                "x-request-id": request.callID.text, "x-inngest-job-id": request.callID.text,
                "x-inngest-generation-id": "1", "x-inngest-req-version": "2", "x-inngest-step-id": "86f7",
                "traceparent": "00-018bcfe5680000000000000000000001-0000000000000002-01",
                "x-inngest-signature": "t=1&s=2",
            ])
    }

    @Test func `an unsigned first call says so by what it lacks`() {
        let headers = CallCoding.headers(of: callRequest(), signature: nil)
        #expect(!headers.contains { $0.name == "X-Inngest-Signature" })
        #expect(headers.contains { $0.name == "X-Inngest-Req-Version" && $0.value == "-1" })
        #expect(headers.contains { $0.name == "X-Inngest-Step-ID" && $0.value == "step" })
    }
}
