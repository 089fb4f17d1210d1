extension Duration {
    /// That many minutes.
    public static func minutes(_ minutes: some BinaryInteger) -> Duration { .seconds(Int64(minutes) * 60) }
    /// That many minutes, parts of one included.
    public static func minutes(_ minutes: Double) -> Duration { .seconds(minutes * 60) }
    /// That many hours.
    public static func hours(_ hours: some BinaryInteger) -> Duration { .seconds(Int64(hours) * 3_600) }
    /// That many hours, parts of one included.
    public static func hours(_ hours: Double) -> Duration { .seconds(hours * 3_600) }
    /// That many days of 24 hours.
    public static func days(_ days: some BinaryInteger) -> Duration { .seconds(Int64(days) * 86_400) }
    /// That many days of 24 hours, parts of one included.
    public static func days(_ days: Double) -> Duration { .seconds(days * 86_400) }

    /// Rounded up, so that nothing is due too early; durations beyond the range of `Int64` become its ends.
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let part = (attoseconds + (attoseconds > 0 ? 999_999_999_999_999 : 0)) / 1_000_000_000_000_000
        let (sum, overflow2) = whole.addingReportingOverflow(part)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }
}
