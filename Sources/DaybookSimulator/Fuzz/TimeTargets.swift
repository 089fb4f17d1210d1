import DaybookCore
import DaybookValues

extension FuzzTargets {
    private static let cronTokens = [
        "*", "?", "*/", "/", "-", ",", "L", "W", "LW", "#", "L-", "MON", "SUN", "JAN", "FEB", "7", "0", "59", "31",
        "@daily",
        "@every", "TZ=", "CRON_TZ=", "Europe/Paris ", " ", "\t",
    ]
    private static let posixTokens = [
        "CET-1", "CEST", ",M3.5.0", "/3", ",J60", ",0", "<+03>", ",M10.5.0/-167:59:59", "/167", "-24:59:59", "+24",
        "\n",
    ]

    /// Schedules and time zones.
    static let timeTargets: [FuzzTarget] = [
        FuzzTarget("cron", bytesMax: 300, tokens: cronTokens, run: checkCron),
        FuzzTarget("posix", bytesMax: 300, tokens: posixTokens + cronTokens, run: checkPosix),
        FuzzTarget("tzif", tokens: ["TZif", "2", "3", "\n"] + posixTokens, run: checkTZif),
        FuzzTarget(
            "zone-json", tokens: ["\"changes\":[", "\"first\":", "\"posix\":", "\"name\":", ","] + posixTokens,
            run: checkZoneJSON),
    ]

    /// Instants around which ticks are computed: ends of what can be written, and ordinary ones.
    private static let instants: [Int64] = [
        .min, -62_135_596_800_001, -1, 0, 951_782_399_999, 1_795_248_000_000, 1_774_746_000_000, 253_402_300_799_000,
        253_402_300_799_999, .max,
    ]

    private static let schedules: [CronSchedule] = ["*/7 * * * * *", "30 2 * * *", "0 0 29 2 *", "15 3 LW * FRI#5"]
        .compactMap { text in try? CronSchedule(text) }

    // MARK: - Schedules

    private static func checkCron(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let schedule: CronSchedule
        do throws(CronError) {
            schedule = try CronSchedule(text)
        } catch {
            try require(!error.reason.isEmpty && error.position >= 1, "a refused schedule says why: \(shown(bytes))")
            try require(
                !error.message.unicodeScalars.contains { $0.value < 0x20 }, "the reason has no control characters")
            return
        }
        try require(
            (try? CronSchedule(schedule.description)) == schedule, "a schedule is read as it is written: \(text)")
        if let name = schedule.zoneName {
            try require(ZoneRules.isWellFormedName(Array(name.utf8)[...]), "its zone \(name) has the form of one")
        }
        try checkTicks(of: schedule, in: .utc)
        if let zone = try? ZoneRules(name: "Europe/Paris", posix: "CET-1CEST,M3.5.0,M10.5.0/3") {
            try checkTicks(of: schedule, in: zone)
        }
    }

    /// Ticks come one after the other, and are found from both sides.
    private static func checkTicks(of schedule: CronSchedule, in zone: ZoneRules) throws {
        for milliseconds in instants {
            var last = Timestamp(milliseconds: milliseconds)
            for _ in 0..<3 {
                guard let next = schedule.nextTick(after: last, in: zone) else { break }
                try require(next > last, "'\(schedule)' in \(zone.name): \(next.rfc3339) comes after \(last.rfc3339)")
                let latest = schedule.latestTick(atOrBefore: next, notBefore: next, in: zone)
                try require(
                    latest == next, "'\(schedule)' in \(zone.name): \(next.rfc3339) is a tick from both sides")
                last = next
            }
            let from = Timestamp(milliseconds: milliseconds)
            let ticks = schedule.ticks(from: from, through: last, limit: 4, in: zone)
            try require(
                zip(ticks, ticks.dropFirst()).allSatisfy { $0 < $1 } && ticks.allSatisfy { $0 >= from && $0 <= last },
                "'\(schedule)' in \(zone.name): ticks are in order and in their bounds")
        }
    }

    // MARK: - Zones

    /// Everything that is ever asked of rules, and that they survive being recorded.
    private static func check(_ zone: ZoneRules) throws {
        var json: [UInt8] = []
        zone.append(to: &json)
        try require((try? JSONText.compact(json)) == json, "recorded rules are compact JSON: \(shown(json))")
        let again = JSONView(json).flatMap { try? ZoneRules(json: $0) }
        try require(again != nil, "recorded rules are read again: \(shown(json))")
        for milliseconds in instants {
            let instant = Timestamp(milliseconds: milliseconds)
            let offset = zone.utcOffsetSeconds(at: instant)
            try require(offset.magnitude < 93_600, "an offset is under 26 hours: \(shown(json))")
            try require(again?.utcOffsetSeconds(at: instant) == offset, "recorded rules say the same: \(shown(json))")
            let trimmed = zone.trimmed(from: instant)
            for later in [milliseconds, Int64.max, milliseconds &+ 15_552_000_000] where later >= milliseconds {
                let later = Timestamp(milliseconds: later)
                try require(
                    trimmed.utcOffsetSeconds(at: later) == zone.utcOffsetSeconds(at: later),
                    "trimmed at \(milliseconds) rules say the same of \(later.milliseconds): \(shown(json))")
            }
            switch zone.resolve(CivilDate(day: instant.day), secondOfDay: 9_000) {
            case .once(let found), .skipped(let found):
                try require(zone.utcOffsetSeconds(at: found).magnitude < 93_600, "a local time is resolved")
            case .repeated(let first, let second):
                try require(first < second, "a repeated time comes twice in order: \(shown(json))")
            }
        }
        for schedule in schedules { try checkTicks(of: schedule, in: zone) }
    }

    /// A rule, and after a line end a schedule that is computed by it.
    private static func checkPosix(_ bytes: [UInt8]) throws {
        let parts = bytes.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
        let text = String(decoding: parts[0], as: UTF8.self)
        let zone: ZoneRules
        do throws(ZoneError) {
            zone = try ZoneRules(name: "Test/Zone", posix: text)
        } catch {
            try require(!error.description.isEmpty, "a refused rule says why")
            return
        }
        try require(zone.posix?.text == text, "a rule is kept as it was written: \(text)")
        try check(zone)
        if parts.count > 1, let schedule = try? CronSchedule(String(decoding: parts[1], as: UTF8.self)) {
            try checkTicks(of: schedule, in: zone)
        }
    }

    private static func checkTZif(_ bytes: [UInt8]) throws {
        guard let zone = try? ZoneRules(name: "Test/Zone", tzif: bytes) else { return }
        try check(zone)
    }

    private static func checkZoneJSON(_ bytes: [UInt8]) throws {
        guard let json = JSONView(bytes), let zone = try? ZoneRules(json: json) else { return }
        try check(zone)
    }
}
