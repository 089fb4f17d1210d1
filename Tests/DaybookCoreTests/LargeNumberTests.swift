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
        #expect(Array(state.prefix(5)) == [3, 0, 0, 0, 0])
        state.replaceSubrange(4..<5, with: Array(repeating: 0xFF, count: 9) + [0x01])
        #expect(throws: SnapshotError.self) { try Core().restore(snapshot: state[...]) }
        state.replaceSubrange(4..<14, with: [0x7F])
        try Core().restore(snapshot: state[...])
    }

    @Test func `a step that is said to have lasted less than nothing is read as it is written again`() throws {
        let payload = Array(#","step":"a","attempt":1,"us":-5,"out":1"#.utf8)
        let record = try payload.withUnsafeBufferPointer { payload in
            try Array("step.completed".utf8).withUnsafeBufferPointer { try Record(kind: $0, payload: payload) }
        }
        #expect(record == .stepCompleted(StepOutcome(key: "a", output: Array("1".utf8))))
    }

    @Test func `a snapshot whose functions are no JSON is refused`() throws {
        var state = Core().encodedState
        let name = Array("\"claims\":[]".utf8)
        let at = try #require(state.indices.first { state[$0...].starts(with: name) })
        state[at + name.count - 1] = UInt8(ascii: "}")
        #expect(throws: SnapshotError.self) { try Core().restore(snapshot: state[...]) }
    }
}
