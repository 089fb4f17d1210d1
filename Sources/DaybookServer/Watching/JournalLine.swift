import DaybookValues

/// A record's line as taps are given it, looked at just far enough to tell who wants it.
///
/// The line's beginning is fixed: see docs/JOURNAL_FORMAT.md.
struct JournalLine {
    let text: UnsafeBufferPointer<UInt8>
    let kind: UnsafeBufferPointer<UInt8>
    private let stream: UnsafeBufferPointer<UInt8>

    /// Nil for what is no record.
    init?(_ text: UnsafeBufferPointer<UInt8>) {
        guard text.count > 100, let kindStart = Self.end(of: #""k":""#, in: text, from: 60),
            let streamStart = Self.end(of: #""s":""#, in: text, from: 35)
        else { return nil }
        self.text = text
        kind = Self.upToQuote(text, kindStart)
        stream = Self.upToQuote(text, streamStart)
    }

    /// The run it belongs to.
    var run: ULID? {
        guard stream.count == 30, stream[0] == UInt8(ascii: "r") else { return nil }
        return ULID(utf8: UnsafeBufferPointer(rebasing: stream[4...]))
    }

    /// Its number in the log.
    var q: UInt64 {
        var q: UInt64 = 0
        for byte in text.dropFirst(5) {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            q = q &* 10 &+ UInt64(digit)
        }
        return q
    }

    /// The function of a `run.queued`.
    var function: String? {
        guard let start = Self.end(of: #""fn":""#, in: text, from: 100) else { return nil }
        // Ids that need escaping are told by decoding the line as a whole.
        let name = Self.upToQuote(text, start)
        guard name.contains(UInt8(ascii: "\\")) else { return String(decoding: name, as: UTF8.self) }
        return JSONView(Array(text))?.member("fn")?.string
    }

    func isKind(_ wanted: StaticString) -> Bool {
        guard kind.count == wanted.utf8CodeUnitCount else { return false }
        for index in 0..<kind.count where kind[index] != wanted.utf8Start[index] { return false }
        return true
    }

    var endsRun: Bool {
        isKind("run.completed") || isKind("run.failed") || isKind("run.cancelled") || isKind("run.quarantined")
    }

    /// Calls `body` with every record of a batch.
    static func forEach(in lines: [UInt8], _ body: (JournalLine) -> Void) {
        lines.withUnsafeBufferPointer { lines in
            var start = 0
            while start < lines.count {
                let end = lines[start...].firstIndex(of: UInt8(ascii: "\n")) ?? lines.count
                if let line = JournalLine(UnsafeBufferPointer(rebasing: lines[start..<end])) { body(line) }
                start = end + 1
            }
        }
    }

    private static func end(
        of wanted: StaticString, in text: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> Int? {
        let count = wanted.utf8CodeUnitCount
        var position = start
        while position + count <= text.count {
            if text[position] == wanted.utf8Start[0], text[position + 1] == wanted.utf8Start[1] {
                var index = 2
                while index < count, text[position + index] == wanted.utf8Start[index] { index += 1 }
                if index == count { return position + count }
            }
            position += 1
        }
        return nil
    }

    private static func upToQuote(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> UnsafeBufferPointer<UInt8> {
        var end = start
        while end < text.count, text[end] != UInt8(ascii: "\"") { end += 1 }
        return UnsafeBufferPointer(rebasing: text[start..<end])
    }
}
