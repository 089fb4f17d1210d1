import DaybookValues
import DaybookWire
import Testing

/// What comes from outside is damaged in many ways, the same ones in every run, and nothing may trap.
struct HostileInputTests {
    /// A generator of Knuth's, good enough to hit places with.
    private struct Dice {
        var state: UInt64

        mutating func next(below limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
    }

    private static let pieces =
        ["\"", "\\", "{", "}", "[", "]", ",", ":", "null", "1e999", "\u{0}", "\\u", "\\ud83d", " ", "-"]
        .map { Array($0.utf8) } + [[0xFF], [0xED, 0xA0, 0x80], [0xC3]]

    private static func damaged(_ text: String, _ dice: inout Dice) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0...dice.next(below: 4) {
            let position = dice.next(below: bytes.count + 1)
            switch dice.next(below: 4) {
            case 0: bytes.removeSubrange(position...)
            case 1: bytes.insert(contentsOf: pieces[dice.next(below: pieces.count)], at: position)
            case 2: bytes.removeSubrange(position..<min(bytes.count, position + 1 + dice.next(below: 8)))
            default: if position < bytes.count { bytes[position] = UInt8(truncatingIfNeeded: dice.next(below: 256)) }
            }
        }
        return bytes
    }

    private static let texts = [
        #"[{"op":"StepError","id":"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8","error":{"name":"E","message":"m\u00e9","#
            + #""cause":{"a":[1.5,{"b":null}]}},"userland":{"id":"a","index":1},"opts":{"parallelMode":"race"}},"#
            + #"{"op":"InvokeFunction","id":"x","opts":{"function_id":"f","payload":{"data":{"b":1,"a":2}},"timeout":"1h"}}]"#,
        #"{"status":206,"headers":{"x-inngest-sdk":"a:v1","retry-after":"2030-01-01"},"body":"[{\"op\":\"None\"}]"}"#,
        #"{"appName":"shop","functions":[{"id":"f","triggers":[{"cron":"* * * * *"}],"concurrency":[{"limit":1e3,"scope":"fn"}],"#
            + #""steps":{"step":{"runtime":{"url":"http://h"},"retries":{"attempts":3}}}}],"headers":{"env":"e"}}"#,
        #"[{"name":"a","data":{"é":"😀","z":1e21,"a":[[],{}]},"id":"1","ts":5,"meta":{"sessions":{}}},{"name":"b"}]"#,
    ]

    @Test(arguments: 0..<4)
    func `damaged bytes are answered, never trapped on`(seed: Int) {
        var dice = Dice(state: UInt64(seed))
        for number in 0..<500 {
            let bytes = Self.damaged(Self.texts[number % Self.texts.count], &dice)
            _ = Ops.decode(bytes)
            _ = try? RegisterBody(bytes)
            for status in [200, 201, 206, 500] {
                let outcome = CallCoding.outcome(
                    status: status, headers: [("x-inngest-sdk", "x:v1")], body: bytes, now: now)
                if let failure = outcome.failure {
                    #expect((try? CanonicalJSON.encode(failure.error)) == failure.error)
                    #expect((try? JSONText.compact(failure.output)) == failure.output)
                }
                if let returned = outcome.returned {
                    #expect((try? JSONText.compact(Array(returned.utf8))) == Array(returned.utf8))
                }
            }
            let canonical = try? CanonicalJSON.encode(bytes)
            if let canonical { #expect((try? CanonicalJSON.encode(canonical)) == canonical) }
            if let view = JSONView(bytes) { _ = CanonicalJSON.encode(view) }
            let text = String(decoding: bytes, as: UTF8.self)
            var request = callRequest(
                url: text, steps: [CallRequest.Step(wireID: text, memo: Array("1".utf8))],
                deferred: [CallRequest.Deferred(wireID: text)])
            request.input = canonical ?? bytes
            request.isBatch = number.isMultiple(of: 2)
            let body = CallCoding.body(of: request).bytes
            if canonical != nil { #expect((try? CanonicalJSON.encode(body)) == body) }
            _ = CallCoding.url(of: request)
            _ = EventIDSeed(text)
            _ = SigningKey(text).verify(header: text, body: bytes, now: 0)
            _ = WireTime.sleepLength(text, wall: now)
            _ = CallCoding.retryAfter(text, now: now)
            _ = GatewayCoding.inferred(status: 500, body: bytes)
            _ = GatewayCoding.fetched(url: text, status: 1, headers: [(text, text)], body: bytes)
        }
    }
}
