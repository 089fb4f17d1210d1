/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Time stays an integer until it is written; the text form is RFC 3339 in UTC with exactly three decimals, the
/// form every record of the journal carries.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static let zero = Timestamp(milliseconds: 0)
    /// Later than every instant that can be written as text (9999-12-31T23:59:59.999Z).
    package static let distantFuture = Timestamp(milliseconds: 253_402_300_799_999)

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }
    /// Adds a number of milliseconds; stops at the ends of `Int64` instead of trapping.
    package static func + (a: Timestamp, milliseconds: Int64) -> Timestamp {
        let (sum, overflow) = a.milliseconds.addingReportingOverflow(milliseconds)
        return Timestamp(milliseconds: overflow ? (milliseconds > 0 ? .max : .min) : sum)
    }
    /// Milliseconds from `b` to `a`; stops at the ends of `Int64` instead of trapping.
    package static func - (a: Timestamp, b: Timestamp) -> Int64 {
        let (difference, overflow) = a.milliseconds.subtractingReportingOverflow(b.milliseconds)
        return overflow ? (a.milliseconds > b.milliseconds ? .max : .min) : difference
    }

    /// Whole days since 1970-01-01, rounded down.
    package var day: Int32 { Int32(truncatingIfNeeded: floorDivide(milliseconds, 86_400_000)) }
    /// The hour of the UTC day, 0…23.
    package var hour: Int { Int(floorDivide(milliseconds, 3_600_000) - Int64(day) * 24) }
    /// Whole months since January 1970.
    package var month: Int32 {
        let date = CivilDate(day: day)
        return Int32(date.year - 1970) * 12 + Int32(date.month - 1)
    }
}

/// A date of the proleptic Gregorian calendar.
package struct CivilDate: Hashable, Sendable {
    package var year: Int
    /// 1…12
    package var month: Int
    /// 1…31
    package var day: Int

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date that many days after 1970-01-01. The arithmetic counts years from 1 March, so that the leap day is
    /// the last day of its year, in eras of 400 years, whose length is fixed at 146,097 days.
    package init(day: Int32) {
        let shifted = Int64(day) + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        self.day = Int(dayOfYear - (153 * marchMonth + 2) / 5 + 1)
        self.month = Int(marchMonth < 10 ? marchMonth + 3 : marchMonth - 9)
        self.year = Int(yearOfEra + era * 400 + (self.month <= 2 ? 1 : 0))
    }

    /// Whole days since 1970-01-01; the inverse of `init(day:)`.
    package var daysSince1970: Int32 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(shiftedYear, 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int32(truncatingIfNeeded: era * 146_097 + dayOfEra - 719_468)
    }
}

@inline(__always)
package func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let quotient = a / b
    return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient
}

// MARK: - Text

extension Timestamp {
    /// Appends `2026-11-21T08:00:00.123Z`. Instants outside the years 0…9999 are written as the nearest end.
    package func append(to bytes: inout [UInt8]) {
        let clamped = min(max(milliseconds, -62_167_219_200_000), Timestamp.distantFuture.milliseconds)
        let instant = Timestamp(milliseconds: clamped)
        let date = CivilDate(day: instant.day)
        let ofDay = Int(clamped - Int64(instant.day) * 86_400_000)
        bytes.appendDigits(date.year, width: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.month, width: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.day, width: 2)
        bytes.append(UInt8(ascii: "T"))
        bytes.appendDigits(ofDay / 3_600_000, width: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendDigits(ofDay / 60_000 % 60, width: 2)
        bytes.append(UInt8(ascii: ":"))
        bytes.appendDigits(ofDay / 1_000 % 60, width: 2)
        bytes.append(UInt8(ascii: "."))
        bytes.appendDigits(ofDay % 1_000, width: 3)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// `2026-11-21T08:00:00.123Z`
    package var rfc3339: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `2026-11-21T08:00:00Z` when the instant is on a whole second, else with milliseconds.
    package var rfc3339Short: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        if milliseconds % 1_000 == 0 { bytes.removeSubrange(bytes.count - 5..<bytes.count - 1) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads RFC 3339: date, `T` or space, time, optional decimals (cut to milliseconds), `Z` or `±hh:mm`.
    /// A second of 60 is read as the first instant of the next minute.
    package init?(rfc3339 text: some StringProtocol) {
        self.init(rfc3339: Array(text.utf8)[...])
    }

    package init?(rfc3339 bytes: ArraySlice<UInt8>) {
        var reader = DigitReader(bytes: bytes)
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2), reader.take("-"),
            let day = reader.digits(2), reader.take("T") || reader.take("t") || reader.take(" "),
            let hour = reader.digits(2), reader.take(":"), let minute = reader.digits(2), reader.take(":"),
            let second = reader.digits(2)
        else { return nil }
        var fraction = 0
        if reader.take(".") {
            guard let first = reader.digits(1) else { return nil }
            fraction = first * 100
            var scale = 10
            while let digit = reader.digits(1) {
                fraction += digit * scale
                scale /= 10
            }
        }
        var offsetMinutes = 0
        if reader.take("Z") || reader.take("z") {
        } else {
            let negative = reader.take("-")
            guard negative || reader.take("+"), let hours = reader.digits(2), reader.take(":"),
                let minutes = reader.digits(2), hours < 24, minutes < 60
            else { return nil }
            offsetMinutes = (hours * 60 + minutes) * (negative ? -1 : 1)
        }
        guard reader.isAtEnd, (1...12).contains(month), day >= 1, hour < 24, minute < 60, second <= 60 else {
            return nil
        }
        let date = CivilDate(year: year, month: month, day: day)
        let days = date.daysSince1970
        guard CivilDate(day: days) == date else { return nil }
        let seconds = Int64(days) * 86_400 + Int64(hour * 3_600 + (minute - offsetMinutes) * 60 + second)
        self.init(milliseconds: seconds * 1_000 + Int64(fraction))
    }
}

private struct DigitReader {
    var bytes: ArraySlice<UInt8>

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard bytes.first == UInt8(ascii: character) else { return false }
        bytes.removeFirst()
        return true
    }

    mutating func digits(_ count: Int) -> Int? {
        guard bytes.count >= count else { return nil }
        var value = 0
        for byte in bytes.prefix(count) {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(byte &- UInt8(ascii: "0"))
        }
        bytes.removeFirst(count)
        return value
    }
}

extension [UInt8] {
    /// Appends a non-negative number with leading zeros; digits beyond `width` are cut off at the front.
    @inline(__always)
    package mutating func appendDigits(_ value: Int, width: Int) {
        var divisor = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}
