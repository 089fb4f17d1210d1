import Testing

@testable import DaybookCEL

/// Nothing an expression or an event contains may trap, read beyond its end, or hold up its caller.
struct LimitsTests {
    @Test func `values are compared and written to a depth of 512`() throws {
        for (depth, isAllowed) in [(500, true), (600, false)] {
            let deep = String(repeating: #"{"a":["#, count: depth / 2) + "1" + String(repeating: "]}", count: depth / 2)
            let event = Array(#"{"x":\#(deep),"y":\#(deep)}"#.utf8)
            for source in ["event.x == event.y", "event.x + '' != ''"] {
                let expression = try Expression(source, for: .condition)
                let result = try? expression.isTrue(event: event, now: referenceNow)
                #expect(result == (isAllowed ? true : nil))
            }
        }
    }

    @Test func `long strings and numbers inside of macros are paid for`() throws {
        let list = (0..<3_000).map(String.init).joined(separator: ",")
        let long = String(repeating: "ab", count: 100_000)
        let event = Array(
            #"{"l":[\#(list)],"s":"\#(long)","e":"\n\#(long)","n":1\#(String(repeating: "0", count: 100_000))}"#.utf8)
        for source in [
            "event.l.exists(x, event.e.startsWith('zz'))", "event.l.exists(x, event.n == x)",
            "event.l.exists(x, uppercase(event.s) == 'x')", "event.l.exists(x, bytes(event.s) == b'x')",
            "event.l.exists(x, 'a'.matches('(((x{30}){30}){30}' + string(x) + ')'))",
        ] {
            let error = #expect(throws: EvaluationError.self) {
                try Expression(source, for: .condition).isTrue(event: event, now: referenceNow)
            }
            #expect(error?.kind == .tooCostly, "\(source): \(error?.message ?? "")")
        }
        // A string without escapes is compared where it stands.
        let cheap = try Expression("event.l.exists(x, event.s.startsWith('zz'))", for: .condition)
        #expect(try !cheap.isTrue(event: event, now: referenceNow))
    }

    @Test(arguments: [1, 2, 3, 4])
    func `random changes to sources, events and captures never trap`(seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<1_500 {
            var source = Array(Self.sources[random.below(Self.sources.count)].utf8)
            for _ in 0..<random.below(4) { random.change(&source, Self.pieces) }
            guard let expression = try? Expression(String(decoding: source, as: UTF8.self), for: .any) else { continue }
            var event = referenceEvent
            for _ in 0..<random.below(5) { random.change(&event, Self.garbage) }
            var captured = expression.capture(event: event)
            for _ in 0..<random.below(3) { random.change(&captured, Self.garbage) }
            _ = try? expression.value(event: event, async: event, now: referenceNow)
            _ = try? expression.isTrue(captured: captured, async: event, now: referenceNow)
            _ = try? expression.key(event: event, now: referenceNow)
            if let equality = expression.equality(captured: captured) {
                _ = Expression.equalityKey(of: event, at: equality.path)
            }
        }
    }

    private static let sources = [
        "event.data.s == 'abc' && event.data.n > 4", "event.data.objs.exists(o, o.id == 2 && has(o.ok))",
        "event.data.nums.map(x, x > 1, x + 1.0) == [3.0, 4.0]",
        "async.data.id == event.data.id || async.data.n in [1, 5]",
        "event.data == async.data", "'k' in event.data.obj ? event.data.obj['k'] : string(event.data.list)",
        "json_parse(event.data.js).a.b == 1 && b64decode(event.data.b64) == 'hi'",
        "date(event.data.d) + duration('1h30m') < now_plus('2w')",
        "event.data.s.matches('^[a-c]+$') && size(event.data) > 3",
        "int(event.data.nstr) * 9223372036854775807 - -5 % 3", "{'a': [1u, .5, b'\\x00'], 2: null}['a'][1] == 0.5",
        "event.data.arr2.all(x, x.all(y, y < 1e3)) && !event.data.fl", "lowercase(event.data.cap) + event.data.n7",
    ]
    private static let pieces: [[UInt8]] =
        [
            "(", ")", "[", "]", "{", "}", "'", "\"", "\\", ".", ",", "!", "-", "1", "event", ".map(x, ", " in ", "?",
            ":", "é",
        ]
        .map { Array($0.utf8) }
    private static let garbage: [[UInt8]] =
        ["{", "}", "[", "]", "\"", ",", ":", "\\", "\\ud83d", "1e999", "-", "null", "tru", "\"data\":{"]
        .map { Array($0.utf8) } + [[0], [0xFF], [0xC3]]
}

/// SplitMix64: the same numbers everywhere.
private struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, bound)))
    }

    /// Removes, cuts, overwrites or inserts something.
    mutating func change(_ bytes: inout [UInt8], _ pieces: [[UInt8]]) {
        let place = below(bytes.count + 1)
        switch below(5) {
        case 0: bytes = Array(bytes[..<place])
        case 1: bytes.insert(contentsOf: pieces[below(pieces.count)], at: place)
        case 2 where place < bytes.count: bytes[place] = UInt8(below(256))
        case 3 where place < bytes.count: bytes.remove(at: place)
        default: bytes.insert(UInt8(below(256)), at: place)
        }
    }
}
