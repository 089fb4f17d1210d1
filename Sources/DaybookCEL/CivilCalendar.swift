/// A date of the proleptic Gregorian calendar.
struct CivilDate: Hashable, Sendable {
    var year: Int
    /// 1…12
    var month: Int
    /// 1…31
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The date that many days after 1970-01-01. Years are counted from 1 March, so that a leap day is the last of its
    /// year, in eras of 400 years, which all have 146,097 days.
    init(daysSince1970: Int64) {
        let shifted = daysSince1970 + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * marchMonth + 2) / 5 + 1)
        month = Int(marchMonth < 10 ? marchMonth + 3 : marchMonth - 9)
        year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    }

    /// The inverse of `init(daysSince1970:)`.
    var daysSince1970: Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(shiftedYear, 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    /// 28…31. The month is 1…12.
    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// What a timestamp can be asked for: `getFullYear()` and its siblings.
package enum CalendarComponent: Sendable {
    case year
    /// 0 is January.
    case month
    /// From 1.
    case date
    /// From 0.
    case dayOfMonth
    /// 0 is Sunday.
    case dayOfWeek
    /// From 0.
    case dayOfYear
    case hours, minutes, seconds, milliseconds

    /// The component a method of that name returns.
    package init?(method: String) {
        switch method {
        case "getFullYear": self = .year
        case "getMonth": self = .month
        case "getDate": self = .date
        case "getDayOfMonth": self = .dayOfMonth
        case "getDayOfWeek": self = .dayOfWeek
        case "getDayOfYear": self = .dayOfYear
        case "getHours": self = .hours
        case "getMinutes": self = .minutes
        case "getSeconds": self = .seconds
        case "getMilliseconds": self = .milliseconds
        default: return nil
        }
    }
}

extension Moment {
    /// A component as a clock shows it that far east of UTC.
    package func component(_ component: CalendarComponent, offsetSeconds: Int = 0) -> Int64 {
        let (sum, overflow) = seconds.addingReportingOverflow(Int64(offsetSeconds))
        let local = overflow ? seconds : sum
        let day = floorDivide(local, 86_400)
        let secondOfDay = floorRemainder(local, 86_400)
        switch component {
        case .year: return Int64(CivilDate(daysSince1970: day).year)
        case .month: return Int64(CivilDate(daysSince1970: day).month - 1)
        case .date: return Int64(CivilDate(daysSince1970: day).day)
        case .dayOfMonth: return Int64(CivilDate(daysSince1970: day).day - 1)
        // 1970-01-01 was a Thursday.
        case .dayOfWeek: return floorRemainder(day + 4, 7)
        case .dayOfYear:
            let year = CivilDate(daysSince1970: day).year
            return day - CivilDate(year: year, month: 1, day: 1).daysSince1970
        case .hours: return secondOfDay / 3_600
        case .minutes: return secondOfDay / 60 % 60
        case .seconds: return secondOfDay % 60
        case .milliseconds: return Int64(nanoseconds / 1_000_000)
        }
    }

    /// The offset from UTC in seconds that the zone argument of `getHours('+02:00')` names: `UTC`, or hours and minutes
    /// with an optional sign. Nil for anything else: names such as `Europe/Berlin` have no fixed offset, and
    /// expressions read no zone files.
    package static func zoneOffsetSeconds(_ zone: String) -> Int? {
        if zone == "UTC" { return 0 }
        var bytes = Array(zone.utf8)[...]
        var sign = 1
        if let first = bytes.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            sign = first == UInt8(ascii: "-") ? -1 : 1
            bytes.removeFirst()
        }
        let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...2).contains(parts[0].count), parts[1].count == 2,
            let hours = decimal(parts[0]), let minutes = decimal(parts[1]), hours < 24, minutes < 60
        else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }
}

/// The value of a few digits; nil if there is anything else or nothing.
private func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    var value = 0
    for byte in digits {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return digits.isEmpty ? nil : value
}

@inline(__always)
func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let quotient = a / b
    return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient
}

/// What `floorDivide` leaves over, 0..<b; also where the quotient times `b` would not fit. `b` is positive.
@inline(__always)
func floorRemainder(_ a: Int64, _ b: Int64) -> Int64 {
    let remainder = a % b
    return remainder < 0 ? remainder + b : remainder
}
