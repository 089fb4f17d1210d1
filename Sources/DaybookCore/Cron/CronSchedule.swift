/// A schedule of the crontab kind: which local dates and times of day it names.
///
/// Five fields, `minute hour day-of-month month day-of-week`, or six with the seconds first:
///
/// | written                        | means                                                        |
/// |--------------------------------|--------------------------------------------------------------|
/// | `*` or `?`                     | every value                                                  |
/// | `5`, `1-5`, `1,15`, `MON-FRI`  | a value, a range, a list; months and weekdays have names     |
/// | `*/15`, `1-30/5`, `5/10`       | steps; `5/10` goes to the end of the field                   |
/// | `L`, `L-3`, `LW`               | last day of the month, three days before it, last weekday    |
/// | `15W`                          | the Monday-to-Friday day nearest to the 15th, same month     |
/// | `5L`, `FRIL`                   | the last Friday of the month                                 |
/// | `5#3`, `FRI#3`                 | the third Friday                                             |
/// | `@hourly` … `@yearly`          | the usual short forms                                        |
/// | `TZ=Area/City ` in front       | the zone in which it is computed; `CRON_TZ=` is the same     |
///
/// Weekdays count from Sunday as 0, and 7 is Sunday too. When both day fields are restricted, a date that fits either
/// is taken; when one of them is `*` or `?`, the other decides. `*/2` restricts, `*/1` does not.
///
/// What a clock change does to the ticks is said at `nextTick(after:in:)`.
package struct CronSchedule: Hashable, Sendable, CustomStringConvertible {
    /// The longest text that is read, in bytes.
    package static let textBytesMax = 255

    /// The text as it was written, zone prefix included.
    package let text: String
    /// The zone of the prefix; nil without one, when the schedule is in UTC. `Local` stands for the server's zone.
    ///
    /// Only the form of the name was checked, so that it is safe as part of a path: whether there is such a zone is
    /// known to whoever has the zone rules.
    package let zoneName: String?
    /// Whether the seconds were written.
    package let hasSeconds: Bool

    /// Bit n stands for the value n; never empty.
    let seconds: UInt64
    let minutes: UInt64
    let hours: UInt64
    let months: UInt64
    let days: CronDays

    /// Reads a schedule.
    /// - Throws: `CronError` for text that is no schedule, and for one that no date can ever match.
    package init(_ text: String) throws(CronError) {
        var parser = CronParser(text: text)
        let fields = try parser.parse()
        self.text = text
        self.zoneName = fields.zoneName
        self.hasSeconds = fields.hasSeconds
        self.seconds = fields.seconds
        self.minutes = fields.minutes
        self.hours = fields.hours
        self.months = fields.months
        self.days = fields.days
        guard hasPossibleDate else {
            throw CronError(
                "no date ever matches these days in these months, so it would never run", field: .dayOfMonth,
                text: fields.dayFieldsText)
        }
    }

    package var description: String { text }

    /// Whether the schedule runs at every hour of the day, so that it follows real elapsed time through clock changes.
    package var followsElapsedTime: Bool { hours == 0xFF_FFFF }

    /// Dates and weekdays repeat exactly after 400 years (146,097 days are 20,871 weeks), so that one such cycle
    /// without a match proves that there is none.
    private var hasPossibleDate: Bool {
        for year in 2000..<2400 {
            var month = 0
            while let next = firstBit(of: months, from: month + 1) {
                month = next
                if days.bits(year: year, month: month) != 0 { return true }
            }
        }
        return false
    }
}

/// The lowest bit that is set at `position` or above.
@inline(__always)
func firstBit(of bits: UInt64, from position: Int) -> Int? {
    guard position < 64 else { return nil }
    let rest = bits >> UInt64(position)
    return rest == 0 ? nil : position + rest.trailingZeroBitCount
}

/// The highest bit that is set at `position` or below.
@inline(__always)
func lastBit(of bits: UInt64, through position: Int) -> Int? {
    guard position >= 0 else { return nil }
    let rest = position >= 63 ? bits : bits & ((1 << UInt64(position + 1)) - 1)
    return rest == 0 ? nil : 63 - rest.leadingZeroBitCount
}
