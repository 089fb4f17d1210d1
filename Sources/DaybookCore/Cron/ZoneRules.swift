package import DaybookValues

/// Why the rules of a time zone could not be read.
package enum ZoneError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Not the form of a zone's name.
    case badName(String)
    /// Not a rule of the POSIX variable `TZ`, or one without dates for its summer time.
    case badPosixText(String)
    /// The TZif file breaks its format; the text says where.
    case badFile(String)
    /// The JSON of a record does not hold zone rules.
    case badJSON(String)

    package var description: String {
        switch self {
        case .badName(let name): "\"\(name)\" is not the name of a time zone; write one such as Europe/Paris"
        case .badPosixText(let text): "\"\(text)\" is not a POSIX time zone rule such as CET-1CEST,M3.5.0,M10.5.0/3"
        case .badFile(let reason): "the time zone file cannot be used: \(reason)"
        case .badJSON(let reason): "the recorded time zone rules cannot be used: \(reason)"
        }
    }
}

/// The offsets of a time zone from UTC, as data: a table of changes, and a yearly rule for all time after it.
///
/// Rules are a value: what was recorded with a registration gives the same ticks for ever, whatever happens to the
/// zone files of the system. Leap seconds are not counted, as in `Timestamp`.
package struct ZoneRules: Hashable, Sendable {
    /// The IANA name, such as `Europe/Paris`.
    package let name: String
    /// The rule after the last entry of the table, or for all time when the table is empty. Without one the last
    /// offset stays.
    package let posix: PosixZone?
    /// Seconds east of Greenwich before the first change; unused when there is a rule and no change.
    let firstOffset: Int
    /// When the offset changes, in seconds since 1970, ascending.
    let changes: [Int64]
    /// The offset from each change on, in seconds east of Greenwich.
    let offsets: [Int]

    package static let utc = ZoneRules(name: "UTC", firstOffset: 0)

    private init(name: String, firstOffset: Int) {
        self.name = name
        self.posix = nil
        self.firstOffset = firstOffset
        self.changes = []
        self.offsets = []
    }

    /// A zone that follows one POSIX rule at all times.
    package init(name: String, posix: String) throws(ZoneError) {
        let rule = try PosixZone(posix)
        try self.init(name: name, posix: rule, firstOffset: rule.standardOffset, changes: [], offsets: [])
    }

    /// A zone given as a table of changes, in seconds since 1970 and seconds east of Greenwich, and the rule after it.
    /// - Throws: `ZoneError` unless the name is well formed, the changes ascend, and all offsets are under 26 hours
    ///   (RFC 9636, section 3.2).
    package init(name: String, posix: PosixZone?, firstOffset: Int, changes: [Int64], offsets: [Int]) throws(ZoneError)
    {
        guard Self.isWellFormedName(Array(name.utf8)[...]) else { throw .badName(printable(name.utf8)) }
        guard changes.count == offsets.count else { throw .badFile("it has changes without an offset") }
        for (index, change) in changes.enumerated() {
            // RFC 9636, section 3.2: nothing is earlier than the Big Bang, about -2^59; the same bound above.
            guard change.magnitude <= 1 << 59, index == 0 || changes[index - 1] < change else {
                throw .badFile("change \(index + 1) is out of order")
            }
        }
        for offset in offsets + [firstOffset] where offset.magnitude >= Self.offsetSecondsBound {
            throw .badFile("it has an offset of \(offset) seconds")
        }
        self.name = name
        self.posix = posix
        self.firstOffset = firstOffset
        self.changes = changes
        self.offsets = offsets
    }

    /// All offsets are smaller than this, 26 hours, east or west.
    static let offsetSecondsBound = 93_600

    /// Whether this can name a zone, and be part of a path: letters, digits and `_+-` in parts divided by single
    /// slashes, at most 64 bytes.
    package static func isWellFormedName(_ name: ArraySlice<UInt8>) -> Bool {
        guard name.count <= 64 else { return false }
        return name.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
        }
    }

    // MARK: - Offsets

    /// Seconds east of Greenwich at an instant.
    package func utcOffsetSeconds(at instant: Timestamp) -> Int {
        span(at: floorDivide(instant.milliseconds, 1_000)).offset
    }

    /// The stretch of constant offset around an instant, in seconds since 1970.
    func span(at second: Int64) -> ZoneSpan {
        guard let last = changes.last else {
            return posix?.span(at: second) ?? ZoneSpan(start: .min, end: .max, offset: firstOffset)
        }
        if second >= last {
            guard let posix else { return ZoneSpan(start: last, end: .max, offset: offsets[offsets.count - 1]) }
            var span = posix.span(at: second)
            span.start = max(span.start, last)
            return span
        }
        // The first change after the instant.
        var (low, high) = (0, changes.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] > second { high = middle } else { low = middle + 1 }
        }
        return low == 0
            ? ZoneSpan(start: .min, end: changes[0], offset: firstOffset)
            : ZoneSpan(start: changes[low - 1], end: changes[low], offset: offsets[low - 1])
    }

    // MARK: - Local time

    /// What a local time means.
    package enum LocalTime: Hashable, Sendable {
        /// It comes once.
        case once(Timestamp)
        /// The clock jumps over it; `gapEnd` is the first instant after the jump.
        case skipped(gapEnd: Timestamp)
        /// The clock is set back over it, so that it comes twice.
        case repeated(first: Timestamp, second: Timestamp)
    }

    /// When a date and time of day of the local clock comes.
    package func resolve(_ date: CivilDate, secondOfDay: Int) -> LocalTime {
        let local = Int64(date.daysSince1970) * 86_400 + Int64(secondOfDay)
        let first = firstSecond(reaching: local)
        let firstSpan = span(at: first)
        let firstInstant = Timestamp(milliseconds: first * 1_000)
        guard first + Int64(firstSpan.offset) == local else { return .skipped(gapEnd: firstInstant) }
        var next = firstSpan
        while next.end <= local + Int64(Self.offsetSecondsBound) {
            next = span(at: next.end)
            let second = local - Int64(next.offset)
            if second >= next.start, second < next.end {
                return .repeated(first: firstInstant, second: Timestamp(milliseconds: second * 1_000))
            }
        }
        return .once(firstInstant)
    }

    /// The first second at which the local clock shows `local` or a later time.
    func firstSecond(reaching local: Int64) -> Int64 {
        // No offset is as large as the bound, so that at this second the clock has not got there.
        var second = local - Int64(Self.offsetSecondsBound)
        while true {
            let span = span(at: second)
            let exact = local - Int64(span.offset)
            if exact < span.end { return max(exact, second) }
            second = span.end
        }
    }

    /// The latest time that the local clock has shown up to and including a second.
    func latestLocal(through second: Int64) -> Int64 {
        var span = span(at: second)
        var latest = second + Int64(span.offset)
        // What was shown earlier than this is below what is shown now, whatever the offsets were.
        let horizon = second - 2 * Int64(Self.offsetSecondsBound)
        while span.start > horizon {
            let before = span.start - 1
            span = self.span(at: before)
            latest = max(latest, before + Int64(span.offset))
        }
        return latest
    }

    // MARK: - Less of it

    /// The same rules with only those changes that lie after an instant and that the yearly rule does not express.
    ///
    /// Offsets from `instant` on stay exactly as they are; earlier ones may not. This is what a registration records:
    /// for most zones the rule alone is left.
    package func trimmed(from instant: Timestamp) -> ZoneRules {
        let second = floorDivide(instant.milliseconds, 1_000)
        let now = span(at: second).offset
        var kept = changes.count
        let firstKept = changes.firstIndex { $0 > second } ?? kept
        if let posix {
            while kept > firstKept {
                let change = changes[kept - 1]
                let (from, offset) = kept - 1 > firstKept ? (changes[kept - 2], offsets[kept - 2]) : (second, now)
                let rule = posix.span(at: from)
                guard rule.offset == offset, rule.end >= change else { break }
                kept -= 1
            }
        }
        return ZoneRules(
            name: name, posix: posix, trimmedFirstOffset: now, changes: Array(changes[firstKept..<kept]),
            offsets: Array(offsets[firstKept..<kept]))
    }

    private init(name: String, posix: PosixZone?, trimmedFirstOffset: Int, changes: [Int64], offsets: [Int]) {
        self.name = name
        self.posix = posix
        self.firstOffset = changes.isEmpty ? posix?.standardOffset ?? trimmedFirstOffset : trimmedFirstOffset
        self.changes = changes
        self.offsets = offsets
    }
}
