import DaybookValues
import Synchronization

/// The text of the `Date` header, made once a second.
final class HTTPDates: Sendable {
    private let last = Mutex<(second: Int64, text: String)>((-1, ""))

    /// Such as `Sat, 21 Nov 2026 08:00:00 GMT`.
    func text(at instant: Timestamp) -> String {
        let second = instant.milliseconds / 1_000
        return last.withLock { last in
            if last.second != second { last = (second, Self.text(second: second)) }
            return last.text
        }
    }

    private static func text(second: Int64) -> String {
        let instant = Timestamp(milliseconds: second * 1_000)
        let date = CivilDate(day: instant.day)
        let ofDay = second - Int64(instant.day) * 86_400
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let weekday = days[Int((Int64(instant.day) % 7 + 7) % 7)]
        return
            "\(weekday), \(two(date.day)) \(months[Int(date.month) - 1]) \(date.year) "
            + "\(two(ofDay / 3_600)):\(two(ofDay / 60 % 60)):\(two(ofDay % 60)) GMT"
    }
}
