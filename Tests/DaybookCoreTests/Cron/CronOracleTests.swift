import DaybookCore
import DaybookValues
import Testing

/// Ticks against a second reading of the policy that walks every minute and knows nothing of bit sets, spans or jumps.
struct CronOracleTests {
    /// A schedule made at random, as text and as plain sets that were not parsed from it.
    struct Random: Sendable {
        var fields: [(text: String, values: Set<Int>, isStar: Bool)]

        var text: String { fields.map(\.text).joined(separator: " ") }
        var followsElapsedTime: Bool { fields[1].values.count == 24 }

        init(using random: inout CronFixtures.Random) {
            fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)].enumerated().map { index, bounds in
                let (low, high) = bounds
                let value = Int.random(in: low...high, using: &random)
                let other = Int.random(in: value...high, using: &random)
                let step = Int.random(in: 2...max(2, (high - low) / 2), using: &random)
                // Days and months are mostly left open, so that something happens near every clock change.
                switch Int.random(in: 0..<(index >= 2 ? 14 : 8), using: &random) {
                case 0: return ("\(value)", [value], false)
                case 1: return ("\(value)-\(other)", Set(value...other), false)
                case 2: return ("\(value)-\(other)/\(step)", Set(stride(from: value, through: other, by: step)), false)
                case 3: return ("\(value)/\(step)", Set(stride(from: value, through: high, by: step)), false)
                case 4: return ("*/\(step)", Set(stride(from: low, through: high, by: step)), false)
                case 5: return ("\(value),\(other)", [value, other], false)
                case 6: return ("\(low),\(value)-\(other)", Set(value...other).union([low]), false)
                default: return (Bool.random(using: &random) ? "*" : "?", Set(low...high), true)
                }
            }
        }

        func matches(_ local: LocalMinute) -> Bool {
            guard fields[0].values.contains(local.minute), fields[1].values.contains(local.hour),
                fields[3].values.contains(local.month)
            else { return false }
            let (date, weekday) = (fields[2], fields[4])
            let (isDate, isWeekday) = (date.values.contains(local.day), weekday.values.contains(local.weekday))
            return date.isStar || weekday.isStar ? isDate && isWeekday : isDate || isWeekday
        }
    }

    struct LocalMinute {
        var minute: Int
        var hour: Int
        var day: Int
        var month: Int
        var weekday: Int

        init(_ minutesSince1970: Int64) {
            let days = Int32(floorDivide(minutesSince1970, 1_440))
            let ofDay = Int(minutesSince1970 - Int64(days) * 1_440)
            let date = CivilDate(day: days)
            (minute, hour, day, month) = (ofDay % 60, ofDay / 60, date.day, date.month)
            weekday = Int(floorDivide(Int64(days) + 4, 7) * -7) + Int(days) + 4
        }
    }

    /// A stretch of a zone's time, minute by minute, and the ticks that the policy gives in it.
    struct Walk {
        let zone: CronFixtures.Zone
        /// Minutes since 1970.
        let first: Int64
        let last: Int64
        /// What the local clock shows, in minutes, at each minute of the stretch.
        private let shown: [Int64]
        /// The latest that it showed before.
        private let shownBefore: Int64
        /// All local times of the stretch, taken apart.
        private let localMinutes: [LocalMinute]
        private let firstLocal: Int64

        init(zone: CronFixtures.Zone, first: Int64, last: Int64) {
            func local(_ minute: Int64) -> Int64 { minute + Int64(zone.offset(at: minute * 60) / 60) }
            (self.zone, self.first, self.last) = (zone, first, last)
            shown = (first...last).map(local)
            shownBefore = (first - 3_000..<first).map(local).max() ?? .min
            firstLocal = first - 3_000
            localMinutes = (first - 3_000...last + 3_000).map(LocalMinute.init)
        }

        /// Every minute asks what the clock shows now, and which local times it shows, or has passed, for the first time.
        func ticks(followsElapsedTime: Bool, matches: (LocalMinute) -> Bool) -> [Int64] {
            var latest = shownBefore
            var ticks: [Int64] = []
            for (index, now) in shown.enumerated() {
                if followsElapsedTime {
                    if matches(localMinutes[Int(now - firstLocal)]) { ticks.append(first + Int64(index)) }
                } else if now > latest {
                    if localMinutes[Int(latest + 1 - firstLocal)...Int(now - firstLocal)].contains(where: matches) {
                        ticks.append(first + Int64(index))
                    }
                    latest = now
                }
            }
            return ticks
        }

        /// Compares the ticks found going forward and going backward.
        func check(_ schedule: CronSchedule, rules: ZoneRules, expected: [Int64]) throws {
            var found: [Int64] = []
            var instant = Timestamp(milliseconds: first * 60_000 - 1)
            while let next = schedule.nextTick(after: instant, in: rules), next.milliseconds <= last * 60_000 {
                if next <= instant { break }
                found.append(next.milliseconds / 60_000)
                instant = next
            }
            try #require(found == expected, "\(schedule) in \(zone.name)")
            let backwards = schedule.ticks(
                from: Timestamp(milliseconds: first * 60_000), through: Timestamp(milliseconds: last * 60_000 + 59_999),
                limit: .max, in: rules)
            try #require(backwards.map { $0.milliseconds / 60_000 } == expected, "\(schedule) in \(zone.name)")
        }

        /// Compares what follows and what precedes single instants, among them many that are no ticks themselves.
        func checkNeighbours(_ schedule: CronSchedule, rules: ZoneRules, around minute: Int64, expected: [Int64]) throws
        {
            for minute in stride(from: minute - 300, through: minute + 300, by: 13) {
                // Half a minute on, so that the ticks of the minute itself lie behind.
                let instant = Timestamp(milliseconds: minute * 60_000 + 30_000)
                let next = schedule.nextTick(after: instant, in: rules).map { $0.milliseconds / 60_000 }
                let latest = schedule.latestTick(
                    atOrBefore: instant, notBefore: Timestamp(milliseconds: first * 60_000), in: rules)
                let place = "\(schedule) in \(zone.name) at \(instant.rfc3339Short)"
                if let later = expected.first(where: { $0 > minute }) { try #require(next == later, "\(place)") }
                try #require(latest?.milliseconds == expected.last { $0 <= minute }.map { $0 * 60_000 }, "\(place)")
            }
        }
    }

    @Test(arguments: CronFixtures.zones)
    func `around every clock change the ticks are those of the oracle`(zone: CronFixtures.Zone) throws {
        var random = CronFixtures.Random(state: 7)
        let rules = try zone.rules()
        let fixed = [
            "30 2", "0 2,3", "*/15 1-3", "* 2", "0 */2", "*/7 23", "0 0", "59 23,0", "*/30 *", "0 *", "17 */5", "1 0",
        ]
        for change in zone.changes.isEmpty ? [1_711_846_800] : zone.changes.map(\.at) {
            let walk = Walk(zone: zone, first: change / 60 - 1_600, last: change / 60 + 1_600)
            for text in fixed {
                let time = text.split(separator: " ").map(String.init)
                let (minutes, hours) = try (values(time[0], 0...59), values(time[1], 0...23))
                let expected = walk.ticks(followsElapsedTime: hours.count == 24) {
                    hours.contains($0.hour) && minutes.contains($0.minute)
                }
                let schedule = try CronSchedule("\(text) * * *")
                try walk.check(schedule, rules: rules, expected: expected)
                try walk.checkNeighbours(schedule, rules: rules, around: change / 60, expected: expected)
            }
            for _ in 0..<12 {
                let other = Random(using: &random)
                // Random dates may be impossible ones.
                guard let schedule = try? CronSchedule(other.text) else { continue }
                let expected = walk.ticks(followsElapsedTime: other.followsElapsedTime, matches: other.matches)
                try walk.check(schedule, rules: rules, expected: expected)
            }
        }
    }

    @Test(arguments: ["Europe/Paris", "Africa/Casablanca"])
    func `through a whole year the ticks are those of the oracle`(name: String) throws {
        let zone = try #require(CronFixtures.zones.first { $0.name == name })
        let rules = try zone.rules()
        let first = (zone.changes[2].at - 90 * 86_400) / 60
        let walk = Walk(zone: zone, first: first, last: first + 366 * 1_440)
        var random = CronFixtures.Random(state: 11)
        for _ in 0..<3 {
            let other = Random(using: &random)
            guard let schedule = try? CronSchedule(other.text) else { continue }
            let expected = walk.ticks(followsElapsedTime: other.followsElapsedTime, matches: other.matches)
            try walk.check(schedule, rules: rules, expected: expected)
        }
    }

    private func values(_ text: String, _ all: ClosedRange<Int>) throws -> Set<Int> {
        if text == "*" { return Set(all) }
        if text.hasPrefix("*/") {
            return Set(stride(from: all.lowerBound, through: all.upperBound, by: try #require(Int(text.dropFirst(2)))))
        }
        if text.contains("-") {
            let ends = text.split(separator: "-").compactMap { Int($0) }
            return Set(ends[0]...ends[1])
        }
        return Set(text.split(separator: ",").compactMap { Int($0) })
    }

    /// A date with what is around it, each found by counting days.
    struct Day {
        var day: Int
        var weekday: Int
        var length: Int
        var weekdayOfFirst: Int

        init(_ days: Int32) {
            let date = CivilDate(day: days)
            day = date.day
            weekday = LocalMinute(Int64(days) * 1_440).weekday
            weekdayOfFirst = LocalMinute(Int64(days - Int32(date.day) + 1) * 1_440).weekday
            length =
                (0...31).first { CivilDate(day: days + $0).month != date.month }.map { date.day + Int($0) - 1 } ?? 0
        }

        /// The Monday-to-Friday day of this month that is nearest to a date; nil when the month has no such date.
        func workday(nearestTo wanted: Int) -> Int? {
            guard wanted <= length else { return nil }
            return (1...length).filter { (1...5).contains((weekdayOfFirst + $0 - 1) % 7) }
                .min { abs($0 - wanted) < abs($1 - wanted) }
        }
    }

    static let dayRules: [(text: String, matches: @Sendable (Day) -> Bool)] = [
        ("L * *", { $0.day == $0.length }),
        ("L-3 * *", { $0.day == $0.length - 3 }),
        ("L-29 * *", { $0.day == $0.length - 29 }),
        ("LW * *", { $0.day == $0.workday(nearestTo: $0.length) }),
        ("1W * *", { $0.day == $0.workday(nearestTo: 1) }),
        ("15W * *", { $0.day == $0.workday(nearestTo: 15) }),
        ("28W,30W * ?", { $0.day == $0.workday(nearestTo: 28) || $0.day == $0.workday(nearestTo: 30) }),
        ("31W * *", { $0.day == $0.workday(nearestTo: 31) }),
        ("* * 5L", { $0.weekday == 5 && $0.day + 7 > $0.length }),
        ("? * 7L,MONL", { ($0.weekday == 0 || $0.weekday == 1) && $0.day + 7 > $0.length }),
        ("* * 5#3", { $0.weekday == 5 && ($0.day - 1) / 7 == 2 }),
        ("* * 0#1,6#5", { ($0.weekday == 0 && $0.day <= 7) || ($0.weekday == 6 && $0.day >= 29) }),
        ("31 * *", { $0.day == 31 }),
        ("13 * FRI", { $0.day == 13 || $0.weekday == 5 }),
        ("L * 1#1", { $0.day == $0.length || ($0.weekday == 1 && $0.day <= 7) }),
        ("*/7 * 2-4/2", { ($0.day - 1) % 7 == 0 || $0.weekday == 2 || $0.weekday == 4 }),
        ("* * 1-5", { (1...5).contains($0.weekday) }),
    ]

    @Test func `the days of a month are those of the oracle, over 60 years`() throws {
        let days = (0..<21_915).map { Day(Int32($0)) }
        for (text, matches) in Self.dayRules {
            let schedule = try CronSchedule("0 0 \(text)")
            let last = Timestamp(milliseconds: Int64(days.count - 1) * 86_400_000)
            let found = schedule.ticks(from: .zero, through: last, limit: .max, in: .utc)
            #expect(found.map { Int($0.day) } == days.indices.filter { matches(days[$0]) }, "\(text)")
            for (earlier, later) in zip(found, found.dropFirst()) {
                #expect(schedule.nextTick(after: earlier, in: .utc) == later, "\(text)")
            }
        }
    }

    @Test
    func `in every zone the next tick is later, fits its local time or ends a gap, and is found again from behind`()
        throws
    {
        var random = CronFixtures.Random(state: 5)
        for name in EmbeddedZones.names {
            let zone = try #require(EmbeddedZones.rules(named: name))
            let other = Random(using: &random)
            guard let schedule = try? CronSchedule(other.text) else { continue }
            var instant = Timestamp(milliseconds: Int64.random(in: 0...4_000_000_000_000, using: &random))
            for _ in 0..<20 {
                let next = try #require(schedule.nextTick(after: instant, in: zone), "\(other.text) in \(name)")
                #expect(next > instant)
                #expect(schedule.latestTick(atOrBefore: next, notBefore: instant + 1, in: zone) == next)
                #expect(schedule.latestTick(atOrBefore: next + -1, notBefore: instant + 1, in: zone) == nil)
                let offset = zone.utcOffsetSeconds(at: next)
                let local = LocalMinute(floorDivide(next.milliseconds / 1_000 + Int64(offset), 60))
                let endsGap = offset > zone.utcOffsetSeconds(at: next + -1)
                #expect(other.matches(local) || (endsGap && !schedule.followsElapsedTime), "\(other.text) in \(name)")
                instant = next
            }
        }
    }
}
