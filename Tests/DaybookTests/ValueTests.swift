import Daybook
import FoundationEssentials
import Testing

/// Values go through a step and back: hot by what was encoded, then cold from the record.
struct ValueTests {
    private func roundTrip<Value: Codable & Equatable & Sendable>(_ value: Value, _ json: String) {
        let code: @Sendable (Received<Ping>, Step) async throws -> Bool = { _, step in
            try await step.run("value") { value } == value
        }
        let hot = ManualRun(options: .init(decodesOwnResults: true), code: code)
        #expect(hot.driver.journal == [.output(StepKey("value"), json)])
        #expect(hot.outcome == "true")
        #expect(ManualRun(memo: hot.driver.memo(), code: code).outcome == "true")
    }

    struct Pair: Codable, Equatable, Sendable {
        var a: Int
        var b: String?
    }
    enum Shade: String, Codable, Sendable { case light, dark }

    @Test
    func `scalars are written as JSON scalars`() {
        roundTrip("", #""""#)
        roundTrip("é \"\\/\n\u{1}", #""é \"\\/\n\u0001""#)
        roundTrip(0, "0")
        roundTrip(Int.min, "-9223372036854775808")
        roundTrip(Int.max, "9223372036854775807")
        roundTrip(true, "true")
        roundTrip(0.1, "0.1")
        roundTrip(-0.0, "-0.0")
        roundTrip(1e300, "1e+300")
        roundTrip(3.0, "3")
        roundTrip(String?.none, "null")
        roundTrip(Int?.some(7), "7")
        roundTrip(Bool?.none, "null")
        roundTrip(Double?.some(1.5), "1.5")
        roundTrip(UInt8(200), "200")
        roundTrip(Shade.dark, #""dark""#)
    }

    @Test
    func `other values are written without white space and read back`() {
        roundTrip([1, 2, 3], "[1,2,3]")
        roundTrip([Pair](), "[]")
        roundTrip(Pair?.none, "null")
        roundTrip([Pair(a: 1, b: nil)], #"[{"a":1}]"#)
        roundTrip(["url": "https://a/b"], #"{"url":"https://a/b"}"#)
        roundTrip(Data([1, 2]), #""AQI=""#)
    }

    @Test
    func `a whole number may be recorded with a point or an exponent`() {
        for json in ["2.0", "2e0", "2"] {
            let memo = Memo(entries: [.init(StepKey("n"), .output(Array(json.utf8)))])
            #expect(ManualRun(memo: memo) { _, step in try await step.run("n") { 1 } }.outcome == "2")
        }
    }

    @Test(arguments: [
        ("Int", #""x""#), ("String", "true"), ("Int", "null"), ("Int", "1.5"), ("Bool", "[1]"),
        ("Pair", #"{"a":"x"}"#),
    ])
    func `a recorded value of another type is told with both`(wanted: String, json: String) {
        let memo = Memo(entries: [.init(StepKey("v"), .output(Array(json.utf8)))])
        let run = ManualRun(memo: memo) { _, step in
            switch wanted {
            case "Int": _ = try await step.run("v") { 1 }
            case "Bool": _ = try await step.run("v") { true }
            case "Pair": _ = try await step.run("v") { Pair(a: 1) }
            default: _ = try await step.run("v") { "" }
            }
        }
        #expect(run.outcome?.contains("does not decode as \(wanted):") == true, "\(run.outcome ?? "")")
        #expect(run.outcome?.hasSuffix("recorded was \(json)") == true)
    }

    @Test
    func `a value that cannot be encoded names the field`() {
        struct Odd: Codable, Sendable { var ratio = Double.nan }
        let run = ManualRun { _, step in try await step.run("odd") { [Odd()] } }
        #expect(run.outcome?.hasPrefix("threw EncodingError: Array<Odd> cannot be encoded as JSON: 0.ratio") == true)
    }
}
