/// One JSON value inside a larger text, looked at without decoding what is not asked for.
///
/// Meant for text that was checked when it came in. On anything else the accessors answer nil; they never trap.
package struct JSONView: Sendable {
    package enum Kind: Sendable { case object, array, string, number, bool, null }

    /// The text the value lies in; shared, not copied.
    package let text: [UInt8]
    /// Where in `text`; no white space at its ends.
    package let range: Range<Int>

    /// The value that `text` holds in `range`, white space around it left out; nil when nothing is there.
    package init?(_ text: [UInt8], in range: Range<Int>? = nil) {
        var range = range ?? 0..<text.count
        guard range.lowerBound >= 0, range.upperBound <= text.count else { return nil }
        while let first = range.first, text[first] <= 0x20 { range = first + 1..<range.upperBound }
        while let last = range.last, text[last] <= 0x20 { range = range.lowerBound..<last }
        guard !range.isEmpty else { return nil }
        self.text = text
        self.range = range
    }

    package init?(_ text: ArraySlice<UInt8>) {
        self.init(Array(text))
    }

    private init(unchecked text: [UInt8], _ range: Range<Int>) {
        self.text = text
        self.range = range
    }

    package var kind: Kind? {
        switch text[range.lowerBound] {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "n"): .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
        default: nil
        }
    }

    /// The value's own text.
    package var slice: ArraySlice<UInt8> { text[range] }
    package var bytes: [UInt8] { range == 0..<text.count ? text : Array(text[range]) }
    package var isNull: Bool { kind == .null }

    /// Calls `body` with every member of an object, in order, until it answers false. The name is given raw, still
    /// escaped and without its quotes.
    package func forEachMember(_ body: (_ rawName: ArraySlice<UInt8>, _ value: JSONView) throws -> Bool) rethrows {
        guard kind == .object else { return }
        var position = range.lowerBound + 1
        while true {
            guard let name = next(from: &position), text[name.lowerBound] == UInt8(ascii: "\""), name.count >= 2,
                skip(UInt8(ascii: ":"), &position), let value = next(from: &position)
            else { return }
            guard try body(text[name.lowerBound + 1..<name.upperBound - 1], JSONView(unchecked: text, value)) else {
                return
            }
            guard skip(UInt8(ascii: ","), &position) else { return }
        }
    }

    /// Calls `body` with every element of an array, in order, until it answers false.
    package func forEachElement(_ body: (JSONView) throws -> Bool) rethrows {
        guard kind == .array else { return }
        var position = range.lowerBound + 1
        while let value = next(from: &position) {
            guard try body(JSONView(unchecked: text, value)), skip(UInt8(ascii: ","), &position) else { return }
        }
    }

    /// The member of that name; the last one, when a name is given twice, as most decoders have it.
    package func member(_ name: String) -> JSONView? {
        var found: JSONView?
        forEachMember { rawName, value in
            if rawName.elementsEqual(name.utf8)
                || (rawName.contains(UInt8(ascii: "\\")) && unescape(rawName).utf8.elementsEqual(name.utf8))
            {
                found = value
            }
            return true
        }
        return found
    }

    /// The value at a path of member names and array indexes joined by dots: `data.items.0.id`. The empty path is
    /// the value itself.
    package func at(path: String) -> JSONView? {
        var view = self
        for part in path.split(separator: ".", omittingEmptySubsequences: true) {
            let next: JSONView?
            if view.kind == .array, let index = Int(part) {
                next = view.element(index)
            } else {
                next = view.member(String(part))
            }
            guard let next else { return nil }
            view = next
        }
        return view
    }

    package func element(_ index: Int) -> JSONView? {
        var remaining = index
        var found: JSONView?
        forEachElement { value in
            if remaining == 0 { found = value }
            remaining -= 1
            return remaining >= 0
        }
        return found
    }

    package var string: String? {
        guard kind == .string, range.count >= 2 else { return nil }
        return unescape(text[range.lowerBound + 1..<range.upperBound - 1])
    }

    package var bool: Bool? {
        switch text[range.lowerBound] {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// The value of a number written without point and exponent, if it fits.
    package var integer: Int64? {
        guard kind == .number else { return nil }
        var value: Int64 = 0
        let negative = text[range.lowerBound] == UInt8(ascii: "-")
        guard range.count > (negative ? 1 : 0) else { return nil }
        for index in (negative ? range.lowerBound + 1 : range.lowerBound)..<range.upperBound {
            let digit = Int64(text[index]) - 48
            guard (0...9).contains(digit) else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) =
                negative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
            guard !overflow, !overflow2 else { return nil }
            value = sum
        }
        return value
    }

    package var double: Double? {
        guard kind == .number else { return nil }
        return Double(String(decoding: slice, as: UTF8.self))
    }

    /// Equal as JSON values: numbers by value, objects whatever the order of their members, strings unescaped and
    /// byte by byte.
    package func equals(_ other: JSONView) -> Bool {
        guard let kind, kind == other.kind else { return false }
        if slice == other.slice { return true }
        switch kind {
        case .null: return true
        case .bool: return bool == other.bool
        case .string:
            guard let a = string, let b = other.string else { return false }
            return a.utf8.elementsEqual(b.utf8)
        case .number:
            if let a = integer, let b = other.integer { return a == b }
            return double == other.double
        case .array:
            var mine: [JSONView] = []
            var theirs: [JSONView] = []
            forEachElement {
                mine.append($0); return true
            }
            other.forEachElement {
                theirs.append($0); return true
            }
            return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.equals($1) }
        case .object:
            // By bytes: `String` takes a letter with an accent and the same letter followed by the accent for equal.
            var mine: [[UInt8]: JSONView] = [:]
            var theirs: [[UInt8]: JSONView] = [:]
            forEachMember {
                mine[Array(unescape($0).utf8)] = $1; return true
            }
            other.forEachMember {
                theirs[Array(unescape($0).utf8)] = $1; return true
            }
            guard mine.count == theirs.count else { return false }
            return mine.allSatisfy { name, value in theirs[name].map(value.equals) ?? false }
        }
    }

    // MARK: - Walking

    private func skip(_ byte: UInt8, _ position: inout Int) -> Bool {
        while position < range.upperBound, text[position] <= 0x20 { position += 1 }
        guard position < range.upperBound, text[position] == byte else { return false }
        position += 1
        return true
    }

    /// The value that starts at `position`, which is moved behind it. Only brackets and strings are told apart: the
    /// text has been checked before.
    private func next(from position: inout Int) -> Range<Int>? {
        text.withUnsafeBufferPointer { text -> Range<Int>? in
            let end = range.upperBound
            while position < end, text[position] <= 0x20 { position += 1 }
            guard position < end else { return nil }
            let start = position
            var depth = 0
            while position < end {
                switch text[position] {
                case UInt8(ascii: "\""):
                    position += 1
                    while position < end, text[position] != UInt8(ascii: "\"") {
                        position += text[position] == UInt8(ascii: "\\") ? 2 : 1
                    }
                    guard position < end else { return nil }
                    position += 1
                    if depth == 0 { return start..<position }
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    position += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return start < position ? start..<position : nil }
                    depth -= 1
                    position += 1
                    if depth == 0 { return start..<position }
                case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x0A, 0x0D, 0x09:
                    if depth == 0 { return start < position ? start..<position : nil }
                    position += 1
                default:
                    position += 1
                }
            }
            return depth == 0 && start < position ? start..<position : nil
        }
    }
}

/// The text of a raw JSON string body. Escapes that make no character are replaced by U+FFFD.
package func unescape(_ raw: ArraySlice<UInt8>) -> String {
    guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
    var units: [UInt8] = []
    units.reserveCapacity(raw.count)
    var index = raw.startIndex
    func codeUnit(at index: Int) -> UInt32? {
        guard index + 4 <= raw.endIndex else { return nil }
        var value: UInt32 = 0
        for byte in raw[index..<index + 4] {
            let digit = hexValue(byte)
            guard digit < 16 else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
    while index < raw.endIndex {
        let byte = raw[index]
        guard byte == UInt8(ascii: "\\"), index + 1 < raw.endIndex else {
            units.append(byte)
            index += 1
            continue
        }
        let escaped = raw[index + 1]
        index += 2
        switch escaped {
        case UInt8(ascii: "b"): units.append(0x08)
        case UInt8(ascii: "f"): units.append(0x0C)
        case UInt8(ascii: "n"): units.append(0x0A)
        case UInt8(ascii: "r"): units.append(0x0D)
        case UInt8(ascii: "t"): units.append(0x09)
        case UInt8(ascii: "u"):
            guard var value = codeUnit(at: index) else { continue }
            index += 4
            if value & 0xFC00 == 0xD800, index + 1 < raw.endIndex, raw[index] == UInt8(ascii: "\\"),
                raw[index + 1] == UInt8(ascii: "u"), let second = codeUnit(at: index + 2), second & 0xFC00 == 0xDC00
            {
                value = 0x10000 + (value & 0x3FF) << 10 + (second & 0x3FF)
                index += 6
            }
            units.append(contentsOf: String(Unicode.Scalar(value).map(Character.init) ?? "\u{FFFD}").utf8)
        default: units.append(escaped)
        }
    }
    return String(decoding: units, as: UTF8.self)
}
