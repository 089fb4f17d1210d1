extension Moment {
    /// The instant a date text names, tried in the order in which `sleepUntil` and `date()` try their layouts: RFC 3339,
    /// `2006-01-02T15:04:05`, RFC 1123, RFC 822 (named or numeric zone), RFC 850, Ruby's, Unix', ANSI C's,
    /// `Jan _2 15:04:05` (with and without milliseconds), `2006-01-02`, `2006-01-02 15:04:05.999999999 -0700 MST`.
    ///
    /// No zone means UTC. So does a zone given by letters alone, as in Go's library: `EST` has no offset there. A
    /// layout without a year means the year 0.
    package static func parse(dateText: String) -> Moment? {
        let bytes = Array(dateText.utf8)
        for layout in DateLayout.dateTexts {
            if let moment = layout.parse(bytes) { return moment }
        }
        return nil
    }

    /// An RFC 3339 text of the years 1…9999, as `timestamp()` takes it.
    package static func parse(rfc3339: String) -> Moment? {
        guard let moment = DateLayout.rfc3339.parse(Array(rfc3339.utf8)), moment >= earliest, moment <= latest else {
            return nil
        }
        return moment
    }
}

/// How a date is written, as a list of its parts. The parts read as Go's layouts do: a blank stands for any number of
/// blanks, hours and days of some layouts may have one digit, and a fraction may follow the seconds.
private struct DateLayout: Sendable {
    enum Part {
        case literal(UInt8)
        case year, shortYear
        /// `Jan`, in any case.
        case monthName
        /// Two digits.
        case month
        /// One or two digits, with a blank before it if allowed.
        case day(padded: Bool)
        /// Two digits.
        case zeroDay
        /// `Mon` or `Monday`, in any case; not compared with the date.
        case weekday(long: Bool)
        /// One or two digits.
        case hour
        case minute
        /// With a fraction if one follows, unless the layout has its own.
        case second
        case exactMilliseconds, optionalFraction
        /// `MST`, `UTC`, `GMT+3`
        case zoneName
        /// `-0700`
        case zoneDigits
        /// `Z` or `-07:00`
        case zoneColon
    }

    let parts: [Part]

    static let rfc3339 = DateLayout([.year, "-", .month, "-", .zeroDay, "T"], time, [.zoneColon])
    static let dateTexts = [
        rfc3339,
        DateLayout([.year, "-", .month, "-", .zeroDay, "T"], time),
        // RFC 1123, RFC 822 twice, RFC 850
        DateLayout(
            [.weekday(long: false), ",", " ", .zeroDay, " ", .monthName, " ", .year, " "], time, [" ", .zoneName]),
        DateLayout([.zeroDay, " ", .monthName, " ", .shortYear, " ", .hour, ":", .minute, " ", .zoneName]),
        DateLayout([.zeroDay, " ", .monthName, " ", .shortYear, " ", .hour, ":", .minute, " ", .zoneDigits]),
        DateLayout(
            [.weekday(long: true), ",", " ", .zeroDay, "-", .monthName, "-", .shortYear, " "], time, [" ", .zoneName]),
        // Ruby, Unix, ANSI C
        DateLayout(
            [.weekday(long: false), " ", .monthName, " ", .zeroDay, " "], time, [" ", .zoneDigits, " ", .year]),
        DateLayout(
            [.weekday(long: false), " ", .monthName, " ", .day(padded: true), " "], time, [" ", .zoneName, " ", .year]),
        DateLayout([.weekday(long: false), " ", .monthName, " ", .day(padded: true), " "], time, [" ", .year]),
        // Stamps without a year
        DateLayout([.monthName, " ", .day(padded: true), " "], time),
        DateLayout([.monthName, " ", .day(padded: true), " "], time, [.exactMilliseconds]),
        DateLayout([.year, "-", .month, "-", .zeroDay]),
        DateLayout(
            [.year, "-", .month, "-", .zeroDay, " "], time, [.optionalFraction, " ", .zoneDigits, " ", .zoneName]),
    ]
    private static let time: [Part] = [.hour, ":", .minute, ":", .second]

    private init(_ parts: [Part]...) { self.parts = parts.flatMap { $0 } }

    /// Nil if the text is not wholly of this layout or names a date that does not exist.
    func parse(_ bytes: [UInt8]) -> Moment? {
        var reader = DateReader(bytes: bytes[...])
        for (index, part) in parts.enumerated() {
            let next = index + 1 < parts.count ? parts[index + 1] : nil
            guard reader.read(part, before: next) else { return nil }
        }
        return reader.bytes.isEmpty ? reader.moment : nil
    }
}

extension DateLayout.Part: ExpressibleByUnicodeScalarLiteral {
    init(unicodeScalarLiteral scalar: Unicode.Scalar) { self = .literal(UInt8(ascii: scalar)) }
}

/// The text not read yet and the numbers read so far.
private struct DateReader {
    var bytes: ArraySlice<UInt8>
    private var year = 0
    private var month = 1
    private var day = 1
    private var hour = 0
    private var minute = 0
    private var second = 0
    private var nanoseconds: Int32 = 0
    private var offsetSeconds: Int64 = 0

    init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var moment: Moment? {
        guard day >= 1, day <= CivilDate.days(inMonth: month, of: year) else { return nil }
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        let ofDay = Int64(hour * 3_600 + minute * 60 + second)
        return Moment(seconds: days * 86_400 + ofDay - offsetSeconds, nanoseconds: nanoseconds)
    }

    mutating func read(_ part: DateLayout.Part, before next: DateLayout.Part?) -> Bool {
        switch part {
        case .literal(UInt8(ascii: " ")):
            if let byte = bytes.first, byte != UInt8(ascii: " ") { return false }
            bytes = bytes.drop { $0 == UInt8(ascii: " ") }
            return true
        case .literal(let expected):
            guard bytes.first == expected else { return false }
            bytes.removeFirst()
            return true
        case .year: return number(\.year, digits: 4...4, in: 0...9_999)
        case .shortYear:
            guard number(\.year, digits: 2...2, in: 0...99) else { return false }
            year += year >= 69 ? 1_900 : 2_000
            return true
        case .month: return number(\.month, digits: 2...2, in: 1...12)
        case .monthName:
            guard let index = name(among: monthNames) else { return false }
            month = index + 1
            return true
        case .day(let padded):
            if padded && bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
            return number(\.day, digits: 1...2, in: 0...99)
        case .zeroDay: return number(\.day, digits: 2...2, in: 0...99)
        case .weekday(let long): return name(among: long ? longWeekdayNames : weekdayNames) != nil
        case .hour: return number(\.hour, digits: 1...2, in: 0...23)
        case .minute: return number(\.minute, digits: 2...2, in: 0...59)
        case .second:
            guard number(\.second, digits: 2...2, in: 0...59) else { return false }
            if case .exactMilliseconds = next { return true }
            return fraction(digits: 1...Int.max, optional: true)
        case .exactMilliseconds: return fraction(digits: 3...3, optional: false)
        // Seconds have taken it, if there was one.
        case .optionalFraction: return true
        case .zoneName: return zoneName()
        case .zoneDigits: return zoneOffset(withColon: false)
        case .zoneColon:
            if bytes.first == UInt8(ascii: "Z") {
                bytes.removeFirst()
                return true
            }
            return zoneOffset(withColon: true)
        }
    }

    /// Reads as many digits as there are, up to the upper bound.
    private mutating func number(
        _ field: WritableKeyPath<DateReader, Int>, digits: ClosedRange<Int>, in range: ClosedRange<Int>
    ) -> Bool {
        guard let value = number(digits: digits), range.contains(value) else { return false }
        self[keyPath: field] = value
        return true
    }

    private mutating func number(digits: ClosedRange<Int>) -> Int? {
        let run = bytes.prefix(digits.upperBound).prefix(while: isDigit)
        guard run.count >= digits.lowerBound else { return nil }
        bytes = bytes.dropFirst(run.count)
        return run.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private mutating func name(among names: [[UInt8]]) -> Int? {
        for (index, name) in names.enumerated() where bytes.count >= name.count {
            // Names are ASCII in lower case; the bit is what tells the cases of a letter apart.
            if zip(bytes, name).allSatisfy({ $0 | 0x20 == $1 }) {
                bytes = bytes.dropFirst(name.count)
                return index
            }
        }
        return nil
    }

    /// A point or comma and its digits; those after the ninth are dropped.
    private mutating func fraction(digits: ClosedRange<Int>, optional: Bool) -> Bool {
        guard let mark = bytes.first, mark == UInt8(ascii: ".") || mark == UInt8(ascii: ","),
            let first = bytes.dropFirst().first, isDigit(first)
        else { return optional }
        let run = bytes.dropFirst().prefix(digits.upperBound).prefix(while: isDigit)
        guard run.count >= digits.lowerBound else { return false }
        bytes = bytes.dropFirst(run.count + 1)
        var value: Int32 = 0
        for index in 0..<9 {
            let digit = index < run.count ? run[run.startIndex + index] - UInt8(ascii: "0") : 0
            value = value * 10 + Int32(digit)
        }
        nanoseconds = value
        return true
    }

    /// Letters as abbreviations of zones have them; only `GMT` may carry an offset, in hours.
    private mutating func zoneName() -> Bool {
        if bytes.starts(with: Array("UTC".utf8)) {
            bytes = bytes.dropFirst(3)
            return true
        }
        if bytes.starts(with: Array("GMT".utf8)) {
            bytes = bytes.dropFirst(3)
            guard let sign = bytes.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return true }
            let digits = bytes.dropFirst().prefix(2).prefix(while: isDigit)
            let hours = digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
            guard !digits.isEmpty, hours < 24 else { return false }
            bytes = bytes.dropFirst(1 + digits.count)
            offsetSeconds = (sign == UInt8(ascii: "-") ? -1 : 1) * hours * 3_600
            return true
        }
        let letters = bytes.prefix { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 }
        switch letters.count {
        case 3: break
        case 4, 5:
            guard letters.last == UInt8(ascii: "T") || letters.elementsEqual("WITA".utf8) else { return false }
        default: return false
        }
        bytes = bytes.dropFirst(letters.count)
        return true
    }

    private mutating func zoneOffset(withColon: Bool) -> Bool {
        guard let sign = bytes.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return false }
        bytes.removeFirst()
        guard let hours = number(digits: 2...2), hours <= 24 else { return false }
        if withColon {
            guard bytes.first == UInt8(ascii: ":") else { return false }
            bytes.removeFirst()
        }
        guard let minutes = number(digits: 2...2), minutes < 60 else { return false }
        offsetSeconds = Int64((sign == UInt8(ascii: "-") ? -1 : 1) * (hours * 3_600 + minutes * 60))
        return true
    }
}

private func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

private let monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    .map { Array($0.utf8) }
private let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"].map { Array($0.utf8) }
private let longWeekdayNames = [
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
].map { Array($0.utf8) }
