internal import DaybookValues
public import FoundationEssentials

/// One tick of a schedule, the input of functions that run by cron. Sendable.
public struct CronTick: Sendable {
    /// The instant the schedule names. Work that covers a period counts from here, so that a late run reports the
    /// same period.
    public let scheduledAt: Date
    /// When the tick was taken up; later than `scheduledAt` when the server was away.
    public let firedAt: Date
    /// The schedule's text, as the function has it.
    public let cron: String

    init(raw: [UInt8]) throws(EventDecodingError) {
        let envelope = try EventEnvelope(raw)
        func text(_ field: String) throws(EventDecodingError) -> String {
            guard let text = envelope.view.at(path: "data.\(field)")?.string else {
                throw envelope.error(field: "data.\(field)", "is missing or not a string")
            }
            return text
        }
        func instant(_ field: String) throws(EventDecodingError) -> Date {
            guard let instant = Timestamp(rfc3339: try text(field)) else {
                throw envelope.error(field: "data.\(field)", "is not an RFC 3339 time")
            }
            return Date(instant)
        }
        self.cron = try text("cron")
        self.scheduledAt = try instant("scheduledAt")
        self.firedAt = try instant("fireAt")
    }
}
