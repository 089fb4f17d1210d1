import DaybookValues

/// The two day fields together: which days of a given month are meant.
struct CronDays: Hashable, Sendable {
    /// Bit n: the day n of the month.
    var dates: UInt64 = 0
    /// Bit n: n days before the last day of the month (`L-n`).
    var fromEnd: UInt64 = 0
    /// Bit n: the Monday-to-Friday day nearest to the day n (`nW`).
    var nearestWeekdayTo: UInt64 = 0
    /// The last Monday-to-Friday day of the month (`LW`).
    var lastWorkday = false
    /// The field has a plain `*` or `?`, so that the weekday alone decides.
    var anyDate = false

    /// Bit n: the weekday n, Sunday is 0.
    var weekdays: UInt64 = 0
    /// Bit n: the last such weekday of the month (`nL`).
    var lastWeekdays: UInt64 = 0
    /// Bit `8 * k + n`: the k-th weekday n of the month, k from 1 (`n#k`).
    var numberedWeekdays: UInt64 = 0
    /// The field has a plain `*` or `?`, so that the date alone decides.
    var anyWeekday = false

    /// The days of the month that match; bit n stands for the day n.
    func bits(year: Int, month: Int) -> UInt64 {
        let length = daysInMonth(year: year, month: month)
        let wholeMonth = (UInt64(1) << UInt64(length + 1)) - 2
        if anyDate, anyWeekday { return wholeMonth }
        if anyWeekday, fromEnd | nearestWeekdayTo == 0, !lastWorkday { return dates & wholeMonth }
        let firstWeekday = weekday(ofDay: CivilDate(year: year, month: month, day: 1).daysSince1970)
        switch (anyDate, anyWeekday) {
        case (_, true): return dateBits(length: length, firstWeekday: firstWeekday)
        case (true, false): return weekdayBits(length: length, firstWeekday: firstWeekday)
        case (false, false):
            return dateBits(length: length, firstWeekday: firstWeekday)
                | weekdayBits(length: length, firstWeekday: firstWeekday)
        }
    }

    private func dateBits(length: Int, firstWeekday: Int) -> UInt64 {
        let wholeMonth = (UInt64(1) << UInt64(length + 1)) - 2
        if anyDate { return wholeMonth }
        var result = dates & wholeMonth
        var bit = -1
        while let next = firstBit(of: fromEnd, from: bit + 1) {
            bit = next
            if length - next >= 1 { result |= 1 << UInt64(length - next) }
        }
        bit = 0
        while let day = firstBit(of: nearestWeekdayTo, from: bit + 1), day <= length {
            bit = day
            result |= 1 << UInt64(workday(nearestTo: day, length: length, firstWeekday: firstWeekday))
        }
        if lastWorkday { result |= 1 << UInt64(workday(nearestTo: length, length: length, firstWeekday: firstWeekday)) }
        return result
    }

    /// Saturday moves to Friday and Sunday to Monday, but never into another month.
    private func workday(nearestTo day: Int, length: Int, firstWeekday: Int) -> Int {
        switch (firstWeekday + day - 1) % 7 {
        case 6: day == 1 ? 3 : day - 1
        case 0: day == length ? day - 2 : day + 1
        default: day
        }
    }

    private func weekdayBits(length: Int, firstWeekday: Int) -> UInt64 {
        let wholeMonth = (UInt64(1) << UInt64(length + 1)) - 2
        // The week as it starts with the first of the month, five times over, the first of the month at bit 1.
        let week = (weekdays >> UInt64(firstWeekday) | weekdays << UInt64(7 - firstWeekday)) & 0x7F
        var result = (week &* 0x1020_4081) << 1
        var bit = -1
        while let weekday = firstBit(of: lastWeekdays, from: bit + 1) {
            bit = weekday
            let lastOfMonth = (firstWeekday + length - 1) % 7
            result |= 1 << UInt64(length - (lastOfMonth - weekday + 7) % 7)
        }
        bit = -1
        while let next = firstBit(of: numberedWeekdays, from: bit + 1) {
            bit = next
            let day = 1 + (next % 8 - firstWeekday + 7) % 7 + (next / 8 - 1) * 7
            result |= 1 << UInt64(day)
        }
        return result & wholeMonth
    }
}

/// The number of days in a month, 28…31.
func daysInMonth(year: Int, month: Int) -> Int {
    switch month {
    case 2: isLeapYear(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

func isLeapYear(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The weekday of a day since 1970-01-01, which was a Thursday; Sunday is 0.
func weekday(ofDay day: Int32) -> Int {
    Int((Int64(day) % 7 + 11) % 7)
}
