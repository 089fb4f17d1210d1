import DaybookCore
import DaybookValues
import Testing

/// Numbers from disk at which arithmetic would end the process: found by fuzzing.
struct LargeNumberTests {
    @Test(arguments: ["9223372036854775807", "2147483648", "-1"])
    func `a recorded function whose retries cannot be counted is refused`(retries: String) {
        let payload = Array(#","config":{"id":"a","app":"a","name":"a","retries":\#(retries),"triggers":[]}"#.utf8)
        #expect(throws: RecordError.missingField(kind: "function.registered", field: "config")) {
            try payload.withUnsafeBufferPointer { payload in
                try Array("function.registered".utf8).withUnsafeBufferPointer { kind in
                    try Record(kind: kind, payload: payload)
                }
            }
        }
    }

    @Test func `an attempt below the first waits as the first does`() {
        for attempt in [Int.min, -1, 0, 1] { #expect(RetryPolicy().wait(afterAttempt: attempt, random: 0) == 15_000) }
        #expect(RetryPolicy().wait(afterAttempt: .max, random: 0) == 7_200_000)
    }

    @Test func `a snapshot whose counter is at its end is refused`() throws {
        var state = Core().encodedState
        // Version, newest time, no month, and then the counter: each one byte in a new core.
        #expect(Array(state.prefix(5)) == [1, 0, 0, 0, 0])
        state.replaceSubrange(4..<5, with: Array(repeating: 0xFF, count: 9) + [0x01])
        #expect(throws: SnapshotError.self) { try Core().restore(snapshot: state[...]) }
        state.replaceSubrange(4..<14, with: [0x7F])
        try Core().restore(snapshot: state[...])
    }
}
