import DaybookValues

/// The rule of a time zone for all years, as POSIX writes it in the variable `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// The grammar is that of POSIX.1-2024, chapter 8.3 ("TZ"), with the wider hours of RFC 9636, section 3.3.1: a time of
/// day from -167 to 167. Offsets are kept east of Greenwich positive, the other way round than POSIX writes them.
/// A summer offset below the standard one is allowed (Europe/Dublin). A summer name without its two dates is refused,
/// because POSIX leaves their meaning open.
package struct PosixZone: Hashable, Sendable {
    /// The text as it was read.
    package let text: String
    let standardOffset: Int
    let daylight: Daylight?

    struct Daylight: Hashable {
        var offset: Int
        var start: YearlyMoment
        var end: YearlyMoment
    }

    /// - Throws: `ZoneError.badPosixText` for text outside the grammar.
    package init(_ text: String) throws(ZoneError) {
        var reader = PosixReader(rest: Array(text.utf8.prefix(256))[...])
        guard text.utf8.count <= 255, let rule = reader.zone(), reader.rest.isEmpty else {
            throw ZoneError.badPosixText(printable(text.utf8))
        }
        self.text = text
        (standardOffset, daylight) = rule
    }

    /// The stretch of constant offset around an instant, in seconds since 1970.
    func span(at second: Int64) -> ZoneSpan {
        guard let daylight else { return ZoneSpan(start: .min, end: .max, offset: standardOffset) }
        // The year in UTC is at most one off the local year, and a moment is at most a week outside its own year.
        let day = floorDivide(second, 86_400)
        let year = CivilDate(day: Int32(truncatingIfNeeded: day)).year
        var span = ZoneSpan(start: .min, end: .max, offset: standardOffset)
        for year in year - 1...year + 1 {
            // The end comes first: where it falls on the start of the next summer time, summer never ends.
            let ends = daylight.end.localSecond(year: year) - Int64(daylight.offset)
            span.narrow(around: second, change: ends, offset: standardOffset)
            let starts = daylight.start.localSecond(year: year) - Int64(standardOffset)
            span.narrow(around: second, change: starts, offset: daylight.offset)
        }
        return span
    }
}

/// A stretch of time in which a zone keeps one offset: from `start` up to, but not including, `end`.
struct ZoneSpan: Hashable {
    /// Seconds since 1970; `Int64.min` without a start.
    var start: Int64
    /// Seconds since 1970; `Int64.max` without an end.
    var end: Int64
    /// Seconds east of Greenwich.
    var offset: Int

    /// Takes a change of offset into account, in whatever order changes come; of two at one instant the later call wins.
    fileprivate mutating func narrow(around second: Int64, change: Int64, offset: Int) {
        if change > second {
            end = min(end, change)
        } else if change >= start {
            start = change
            self.offset = offset
        }
    }
}

/// A moment that comes once a year, on the local clock.
struct YearlyMoment: Hashable {
    enum Day: Hashable {
        /// `Mm.w.d`: the w-th weekday d of the month m; the fifth is the last one.
        case weekday(month: Int, week: Int, weekday: Int)
        /// `Jn`: the n-th day, 1…365, of a year in which 29 February is never counted.
        case dayWithoutLeapDay(Int)
        /// `n`: the day after n others, 0…365, leap days counted.
        case dayFromZero(Int)
    }

    var day: Day
    /// Seconds after midnight, possibly negative or beyond the day.
    var secondOfDay: Int

    /// Seconds since 1970 on the local clock.
    func localSecond(year: Int) -> Int64 {
        let date: Int64
        switch day {
        case .weekday(let month, let week, let wanted):
            let first = CivilDate(year: year, month: month, day: 1).daysSince1970
            var offset = (wanted - weekday(ofDay: first) + 7) % 7 + (week - 1) * 7
            if offset >= daysInMonth(year: year, month: month) { offset -= 7 }
            date = Int64(first) + Int64(offset)
        case .dayWithoutLeapDay(let number):
            let leapDay = number >= 60 && isLeapYear(year) ? 1 : 0
            date = Int64(CivilDate(year: year, month: 1, day: 1).daysSince1970) + Int64(number - 1 + leapDay)
        case .dayFromZero(let number):
            date = Int64(CivilDate(year: year, month: 1, day: 1).daysSince1970) + Int64(number)
        }
        return date * 86_400 + Int64(secondOfDay)
    }
}

/// Reads the POSIX grammar; every function takes what it reads off the front and gives nil when it is not there.
private struct PosixReader {
    var rest: ArraySlice<UInt8>

    mutating func zone() -> (standardOffset: Int, daylight: PosixZone.Daylight?)? {
        guard name(), let offset = time(hoursMax: 24) else { return nil }
        guard !rest.isEmpty else { return (-offset, nil) }
        guard name() else { return nil }
        var daylightOffset = -offset + 3_600
        if rest.first != UInt8(ascii: ",") {
            guard let written = time(hoursMax: 24) else { return nil }
            daylightOffset = -written
        }
        guard let start = moment(), let end = moment() else { return nil }
        return (-offset, PosixZone.Daylight(offset: daylightOffset, start: start, end: end))
    }

    /// At least three letters, or three of letters, digits and signs in `<>`.
    private mutating func name() -> Bool {
        let quoted = take("<")
        let name = rest.prefix { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"): quoted
            default: false
            }
        }
        rest = rest.dropFirst(name.count)
        return name.count >= 3 && (!quoted || take(">"))
    }

    /// `[+-]h[h[h]][:mm[:ss]]` in seconds.
    private mutating func time(hoursMax: Int) -> Int? {
        let sign = take("-") ? -1 : 1
        if sign == 1 { _ = take("+") }
        guard let hours = number(digitsMax: 3), hours <= hoursMax else { return nil }
        var seconds = hours * 3_600
        if take(":") {
            guard let minutes = number(digitsMax: 2), minutes < 60 else { return nil }
            seconds += minutes * 60
            if take(":") {
                guard let rest = number(digitsMax: 2), rest < 60 else { return nil }
                seconds += rest
            }
        }
        return sign * seconds
    }

    /// `,date[/time]`; the time is 02:00 unless it is written.
    private mutating func moment() -> YearlyMoment? {
        guard take(",") else { return nil }
        let day: YearlyMoment.Day
        if take("M") {
            guard let month = number(digitsMax: 2), (1...12).contains(month), take("."),
                let week = number(digitsMax: 1), (1...5).contains(week), take("."),
                let weekday = number(digitsMax: 1), weekday <= 6
            else { return nil }
            day = .weekday(month: month, week: week, weekday: weekday)
        } else if take("J") {
            guard let number = number(digitsMax: 3), (1...365).contains(number) else { return nil }
            day = .dayWithoutLeapDay(number)
        } else {
            guard let number = number(digitsMax: 3), number <= 365 else { return nil }
            day = .dayFromZero(number)
        }
        guard take("/") else { return YearlyMoment(day: day, secondOfDay: 7_200) }
        guard let time = time(hoursMax: 167) else { return nil }
        return YearlyMoment(day: day, secondOfDay: time)
    }

    private mutating func number(digitsMax: Int) -> Int? {
        var value: Int?
        for _ in 0..<digitsMax {
            guard let digit = rest.first, digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { break }
            value = (value ?? 0) * 10 + Int(digit - UInt8(ascii: "0"))
            rest.removeFirst()
        }
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }
}
