package import DaybookValues

// How clock changes are treated, in one place:
//
// 1. A schedule that names hours (its hour field leaves at least one hour out) belongs to the wall clock. Each local
//    time it names runs exactly once: at the first instant at which the local clock shows that time *or a later one*.
//    So a time that a change skips runs right after the change, all times skipped together run as one tick there, and
//    a time that comes twice runs the first time.
// 2. A schedule that runs at every hour (`*`, `*/1`, `0-23`) follows real elapsed time: it runs at every instant whose
//    local time fits. So `0 * * * *` runs in both of two repeated hours, `*/15 * * * *` runs every 15 real minutes, and
//    nothing is added after a gap.
//
// It is the set of hours that decides, not how it was written, and not the minutes: `*/10 2 * * *` names an hour, so it
// runs once, after the gap, on the day that has no two o'clock, and six times, not twelve, on the day that has two.
// The same holds for every other change of offset, such as a country that moves its standard time or skips a date.

extension CronSchedule {
    /// The first tick strictly later than an instant, on a whole second; nil when there is none until the end of 9999.
    ///
    /// A schedule that names hours runs each local time once: one skipped by the clock runs right after the gap,
    /// together with all others of that gap, and one that comes twice runs the first time. A schedule that runs at
    /// every hour runs whenever the local time fits, so at equal real distances through both changes.
    package func nextTick(after instant: Timestamp, in zone: ZoneRules) -> Timestamp? {
        guard instant < .distantFuture else { return nil }
        let second = floorDivide(max(instant.milliseconds, Self.earliestMilliseconds), 1_000)
        guard let next = nextSecond(after: second, in: zone) else { return nil }
        let tick = Timestamp(milliseconds: next * 1_000)
        return tick <= .distantFuture ? tick : nil
    }

    /// The last tick at or before an instant, unless that lies before `earliest`. Costs the same whatever the distance.
    package func latestTick(atOrBefore instant: Timestamp, notBefore earliest: Timestamp, in zone: ZoneRules)
        -> Timestamp?
    {
        let instant = min(instant, .distantFuture)
        let earliest = max(earliest.milliseconds, Self.earliestMilliseconds)
        guard earliest <= instant.milliseconds else { return nil }
        // The first whole second that is not before `earliest`.
        let bound = -floorDivide(-earliest, 1_000)
        let second = floorDivide(instant.milliseconds, 1_000)
        guard let latest = latestSecond(through: second, notBefore: bound, in: zone) else { return nil }
        return Timestamp(milliseconds: latest * 1_000)
    }

    /// The newest ticks between two instants, both included, at most `limit` of them, in order of time. Costs what it
    /// returns, however many more there were.
    package func ticks(from first: Timestamp, through last: Timestamp, limit: Int, in zone: ZoneRules) -> [Timestamp] {
        var newestFirst: [Timestamp] = []
        var through = last
        while newestFirst.count < limit,
            let tick = latestTick(atOrBefore: through, notBefore: first, in: zone)
        {
            newestFirst.append(tick)
            through = tick + -1
        }
        return newestFirst.reversed()
    }

    /// The start of the year 1: nothing earlier is computed, which keeps the calendar arithmetic far from its ends.
    private static let earliestMilliseconds: Int64 = -62_135_596_800_000

    // MARK: - Instants, in seconds since 1970

    private func nextSecond(after second: Int64, in zone: ZoneRules) -> Int64? {
        guard followsElapsedTime else {
            guard let local = nextLocal(after: zone.latestLocal(through: second)) else { return nil }
            return zone.firstSecond(reaching: local)
        }
        var second = second
        while true {
            let span = zone.span(at: second)
            let offset = Int64(span.offset)
            guard let local = nextLocal(after: second + offset) else { return nil }
            if local - offset < span.end { return local - offset }
            // The first second of the next stretch may itself be a tick.
            let next = zone.span(at: span.end)
            if matches(local: span.end + Int64(next.offset)) { return span.end }
            second = span.end
        }
    }

    private func latestSecond(through second: Int64, notBefore bound: Int64, in zone: ZoneRules) -> Int64? {
        guard followsElapsedTime else {
            guard let local = latestLocal(through: zone.latestLocal(through: second)) else { return nil }
            let latest = zone.firstSecond(reaching: local)
            return latest >= bound ? latest : nil
        }
        var second = second
        while second >= bound {
            let span = zone.span(at: second)
            let offset = Int64(span.offset)
            guard let local = latestLocal(through: second + offset) else { return nil }
            if local - offset >= span.start { return local - offset >= bound ? local - offset : nil }
            second = span.start - 1
        }
        return nil
    }

    // MARK: - Local time, in seconds since 1970 on the local clock

    /// Whether a local time fits all fields.
    private func matches(local: Int64) -> Bool {
        latestLocal(through: local) == local
    }

    /// The first local time after `local` that fits all fields.
    private func nextLocal(after local: Int64) -> Int64? {
        let start = local + 1
        let day = floorDivide(start, 86_400)
        let today = Int32(truncatingIfNeeded: day)
        if let date = nextDay(from: today) {
            if date == today, let time = nextTimeOfDay(from: Int(start - day * 86_400)) {
                return day * 86_400 + Int64(time)
            }
            if let date = date == today ? nextDay(from: today + 1) : date {
                return Int64(date) * 86_400 + Int64(nextTimeOfDay(from: 0)!)
            }
        }
        return nil
    }

    /// The last local time up to and including `local` that fits all fields.
    private func latestLocal(through local: Int64) -> Int64? {
        let day = floorDivide(local, 86_400)
        let today = Int32(truncatingIfNeeded: day)
        guard let date = latestDay(through: today) else { return nil }
        if date == today, let time = latestTimeOfDay(through: Int(local - day * 86_400)) {
            return day * 86_400 + Int64(time)
        }
        guard let date = date == today ? latestDay(through: today - 1) : date else { return nil }
        return Int64(date) * 86_400 + Int64(latestTimeOfDay(through: 86_399)!)
    }

    private func nextDay(from day: Int32) -> Int32? {
        let date = CivilDate(day: day)
        var (month, from) = (date.month, date.day)
        for year in date.year...max(date.year, 10_000) {
            while let next = firstBit(of: months, from: month) {
                if next != month { from = 1 }
                if let match = firstBit(of: days.bits(year: year, month: next), from: from) {
                    return CivilDate(year: year, month: next, day: match).daysSince1970
                }
                (month, from) = (next + 1, 1)
            }
            (month, from) = (1, 1)
        }
        return nil
    }

    private func latestDay(through day: Int32) -> Int32? {
        let date = CivilDate(day: day)
        var (year, month, through) = (date.year, date.month, date.day)
        while year >= 0 {
            while let next = lastBit(of: months, through: month) {
                if next != month { through = 31 }
                if let match = lastBit(of: days.bits(year: year, month: next), through: through) {
                    return CivilDate(year: year, month: next, day: match).daysSince1970
                }
                (month, through) = (next - 1, 31)
            }
            (year, month, through) = (year - 1, 12, 31)
        }
        return nil
    }

    private func nextTimeOfDay(from second: Int) -> Int? {
        let (hour, minute) = (second / 3_600, second / 60 % 60)
        let (firstMinute, firstSecond) = (minutes.trailingZeroBitCount, seconds.trailingZeroBitCount)
        if hours >> UInt64(hour) & 1 == 1 {
            if minutes >> UInt64(minute) & 1 == 1, let match = firstBit(of: seconds, from: second % 60) {
                return hour * 3_600 + minute * 60 + match
            }
            if let match = firstBit(of: minutes, from: minute + 1) { return hour * 3_600 + match * 60 + firstSecond }
        }
        return firstBit(of: hours, from: hour + 1).map { $0 * 3_600 + firstMinute * 60 + firstSecond }
    }

    private func latestTimeOfDay(through second: Int) -> Int? {
        let (hour, minute) = (second / 3_600, second / 60 % 60)
        let (lastMinute, lastSecond) = (63 - minutes.leadingZeroBitCount, 63 - seconds.leadingZeroBitCount)
        if hours >> UInt64(hour) & 1 == 1 {
            if minutes >> UInt64(minute) & 1 == 1, let match = lastBit(of: seconds, through: second % 60) {
                return hour * 3_600 + minute * 60 + match
            }
            if let match = lastBit(of: minutes, through: minute - 1) { return hour * 3_600 + match * 60 + lastSecond }
        }
        return lastBit(of: hours, through: hour - 1).map { $0 * 3_600 + lastMinute * 60 + lastSecond }
    }
}
