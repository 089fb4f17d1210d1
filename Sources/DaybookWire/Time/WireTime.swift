internal import DaybookCEL
package import DaybookValues

/// Durations and dates as SDKs write them.
package enum WireTime {
    /// The longest sleep and the longest wait: 366 days in milliseconds.
    package static let lengthMax: Int64 = 366 * 86_400_000

    /// A duration such as `1d12h`, `1.5h` or `-90s` in milliseconds, cut to whole ones: units `ns us µs ms s m h d w`. Nil
    /// for anything else, and for more than 292 years.
    package static func duration(_ text: String) -> Int64? {
        DurationText.extended(text).map { $0 / 1_000_000 }
    }

    /// The same without `d` and `w`: what the timeout of a batch may be.
    package static func goDuration(_ text: String) -> Int64? {
        DurationText.go(text).map { $0 / 1_000_000 }
    }

    /// A date in any of the forms that `sleepUntil` and `Retry-After` take: RFC 3339 and the older ones, cut to
    /// milliseconds.
    package static func date(_ text: String) -> Timestamp? {
        Moment.parse(dateText: text).map(Timestamp.init(moment:))
    }

    // MARK: - Sleeps and timeouts

    /// How long a sleep lasts.
    package enum SleepLength: Sendable, Equatable {
        /// From now on; not negative.
        case milliseconds(Int64)
        /// Later than now.
        case until(Timestamp)
    }

    /// What the text of a sleep op means: ten characters and more are a date if they can be, all else is a duration.
    /// Nothing, negative durations and the past are 0.
    ///
    /// - Returns: nil when the text is neither.
    package static func sleepLength(_ text: String, wall: Timestamp) -> SleepLength? {
        if text.isEmpty { return .milliseconds(0) }
        if text.utf8.count >= 10, let date = date(text) {
            return date > wall ? .until(date) : .milliseconds(0)
        }
        return duration(text).map { .milliseconds(max(0, $0)) }
    }

    /// Milliseconds from now until a wait times out: a duration or an RFC 3339 date. 0 or less, also for an empty text,
    /// means at once.
    package static func timeout(_ text: String, wall: Timestamp) throws(WireTimeError) -> Int64 {
        if text.isEmpty { return 0 }
        if let length = duration(text) { return length }
        if let date = Moment.parse(rfc3339: text) { return Timestamp(moment: date) - wall }
        throw WireTimeError(
            message: text.contains("T") ? "invalid RFC 3339 timestamp \"\(text)\"" : "invalid duration \"\(text)\"")
    }

    /// Why a sleep of more than `lengthMax` fails the run.
    package static func sleepTooLong(_ text: String) -> WireOp.Malformed {
        WireOp.Malformed(
            name: "InngestErrTimeoutTooLong",
            message: "The sleep \"\(text)\" ends more than one year in the future; sleeps may last at most one year.",
            failsStep: false)
    }

    /// Why a wait for an event of more than `lengthMax` fails the run.
    package static func waitTooLong(_ text: String) -> WireOp.Malformed {
        WireOp.Malformed(
            name: "InngestErrTimeoutTooLong",
            message: "The wait-for-event timeout \"\(text)\" expires more than one year in the future; "
                + "timeouts may last at most one year.",
            failsStep: false)
    }
}

/// Why a text is neither a duration nor a date.
package struct WireTimeError: Error, Sendable, Equatable, CustomStringConvertible {
    package var message: String
    package var description: String { message }

    package init(message: String) {
        self.message = message
    }
}

extension Timestamp {
    fileprivate init(moment: Moment) {
        self.init(milliseconds: moment.seconds * 1_000 + Int64(moment.nanoseconds / 1_000_000))
    }
}
