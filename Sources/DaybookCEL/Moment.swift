/// An instant with nanoseconds: what expressions call a timestamp. UTC, leap seconds not counted.
package struct Moment: Sendable, Hashable, Comparable {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    package let seconds: Int64
    /// 0…999,999,999, always forward from `seconds`.
    package let nanoseconds: Int32

    /// Nanoseconds outside 0…999,999,999 are carried into the seconds, which stop at the ends of `Int64`.
    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        let carry = floorDivide(Int64(nanoseconds), Moment.perSecond)
        let (sum, overflow) = seconds.addingReportingOverflow(carry)
        self.seconds = overflow ? (carry > 0 ? .max : .min) : sum
        self.nanoseconds = Int32(floorRemainder(Int64(nanoseconds), Moment.perSecond))
    }

    package init(milliseconds: Int64) {
        self.init(
            seconds: floorDivide(milliseconds, 1_000),
            nanoseconds: Int32(floorRemainder(milliseconds, 1_000)) * 1_000_000)
    }

    package init(nanoseconds: Int64) {
        self.init(
            seconds: floorDivide(nanoseconds, Moment.perSecond),
            nanoseconds: Int32(floorRemainder(nanoseconds, Moment.perSecond)))
    }

    /// 0001-01-01T00:00:00Z, the first timestamp of the language definition.
    package static let earliest = Moment(seconds: -62_135_596_800)
    /// 9999-12-31T23:59:59.999999999Z, the last timestamp of the language definition.
    package static let latest = Moment(seconds: 253_402_300_799, nanoseconds: 999_999_999)
    static let perSecond: Int64 = 1_000_000_000

    package static func < (a: Moment, b: Moment) -> Bool {
        a.seconds != b.seconds ? a.seconds < b.seconds : a.nanoseconds < b.nanoseconds
    }

    /// The moment that many nanoseconds later, or nil if it lies outside the years 1…9999.
    package func adding(nanoseconds added: Int64) -> Moment? {
        let wholeSeconds = floorDivide(added, Moment.perSecond)
        let (sum, overflow) = seconds.addingReportingOverflow(wholeSeconds)
        if overflow || sum == .max { return nil }
        let rest = Int32(floorRemainder(added, Moment.perSecond))
        let moment = Moment(seconds: sum, nanoseconds: nanoseconds + rest)
        return moment >= Moment.earliest && moment <= Moment.latest ? moment : nil
    }

    /// Nanoseconds from `earlier` to here, negative if it is later; nil if they do not fit (about 292 years).
    package func nanoseconds(since earlier: Moment) -> Int64? {
        let (wholeSeconds, overflow) = seconds.subtractingReportingOverflow(earlier.seconds)
        if overflow { return nil }
        let (product, overflowed) = wholeSeconds.multipliedReportingOverflow(by: Moment.perSecond)
        let rest = Int64(nanoseconds) - Int64(earlier.nanoseconds)
        if overflowed {
            // One second nearer to zero may fit where the whole does not.
            let nearer = wholeSeconds + (wholeSeconds < 0 ? 1 : -1)
            let (most, tooMuch) = nearer.multipliedReportingOverflow(by: Moment.perSecond)
            if tooMuch { return nil }
            let (sum, over) = most.addingReportingOverflow(
                rest + (wholeSeconds < 0 ? -Moment.perSecond : Moment.perSecond))
            return over ? nil : sum
        }
        let (sum, over) = product.addingReportingOverflow(rest)
        return over ? nil : sum
    }

    /// What `date()` makes of an integer, by its size: seconds, milliseconds or nanoseconds since 1970.
    ///
    /// - Returns: nil below 946,684,800 (the year 2000 in seconds), where no unit can be told.
    package static func from(integer: Int64) -> Moment? {
        switch integer {
        case ..<946_684_800: nil
        case ..<9_999_999_999: Moment(seconds: integer)
        case ..<9_999_999_999_999: Moment(milliseconds: integer)
        default: Moment(nanoseconds: integer)
        }
    }

    /// `2026-11-21T08:00:00Z`, with as many decimals as are not zero. Years outside 0…9999 are written as the nearest
    /// end.
    package var rfc3339: String {
        let clamped = min(max(seconds, -62_167_219_200), Moment.latest.seconds)
        let day = floorDivide(clamped, 86_400)
        let date = CivilDate(daysSince1970: day)
        let secondOfDay = Int(floorRemainder(clamped, 86_400))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(30)
        appendDigits(date.year, width: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(date.month, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(date.day, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        appendDigits(secondOfDay / 3_600, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(secondOfDay / 60 % 60, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(secondOfDay % 60, width: 2, to: &bytes)
        if nanoseconds != 0 && clamped == seconds {
            bytes.append(UInt8(ascii: "."))
            appendDigits(Int(nanoseconds), width: 9, to: &bytes)
            while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
        }
        bytes.append(UInt8(ascii: "Z"))
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Appends at least `width` digits of a number that is not negative.
private func appendDigits(_ number: Int, width: Int, to bytes: inout [UInt8]) {
    let digits = String(number)
    for _ in 0..<max(0, width - digits.utf8.count) { bytes.append(UInt8(ascii: "0")) }
    bytes.append(contentsOf: digits.utf8)
}
