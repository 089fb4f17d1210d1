public import FoundationEssentials

/// Dates as mail writes them: always English, always UTC.
public enum MailDate {
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Mon, 23 Nov 2026 08:00:00 +0000`
    static func rfc5322(_ date: Date) -> String {
        let parts = Parts(date)
        return "\(parts.weekday), \(parts.day) \(parts.month) \(parts.year) "
            + "\(twoDigits(parts.hour)):\(twoDigits(parts.minute)):\(twoDigits(parts.second)) +0000"
    }

    /// `Mon 23 Nov 08:00`
    static func short(_ date: Date) -> String {
        let parts = Parts(date)
        return "\(parts.weekday) \(parts.day) \(parts.month) \(twoDigits(parts.hour)):\(twoDigits(parts.minute))"
    }

    /// `23 November 2026` is left to people's languages; this is `23 Nov 2026`.
    static func day(_ date: Date) -> String {
        let parts = Parts(date)
        return "\(parts.day) \(parts.month) \(parts.year)"
    }

    static func twoDigits(_ value: Int) -> String {
        value < 10 ? "0\(value)" : "\(value)"
    }

    private struct Parts {
        let weekday: String, month: String
        let year: Int, day: Int, hour: Int, minute: Int, second: Int

        init(_ date: Date) {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            let parts = calendar.dateComponents(
                [.year, .month, .day, .hour, .minute, .second, .weekday], from: date)
            weekday = MailDate.weekdays[(parts.weekday ?? 1) - 1]
            month = MailDate.months[(parts.month ?? 1) - 1]
            year = parts.year ?? 1970
            day = parts.day ?? 1
            hour = parts.hour ?? 0
            minute = parts.minute ?? 0
            second = parts.second ?? 0
        }
    }
}

/// A week, named by its Monday (UTC): the unit in which digests are counted.
public struct Week: Hashable, Sendable, CustomStringConvertible {
    /// `2026-11-23`
    public let description: String

    /// The week that `date` lies in.
    public init(containing date: Date) {
        let day = Int((date.timeIntervalSince1970 / 86_400).rounded(.down))
        let sinceMonday = (day + 3) % 7  // 1970-01-01 was a Thursday
        let monday = Date(timeIntervalSince1970: Double(day - (sinceMonday + 7) % 7) * 86_400)
        description = monday.formatted(.iso8601.year().month().day())
    }
}
