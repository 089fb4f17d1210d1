/// One field of a schedule, as people know it.
package enum CronField: String, Hashable, Sendable, CaseIterable {
    case second
    case minute
    case hour
    case dayOfMonth = "day-of-month"
    case month
    case dayOfWeek = "day-of-week"

    /// The numbers that may be written in the field.
    package var allowed: ClosedRange<Int> {
        switch self {
        case .second, .minute: 0...59
        case .hour: 0...23
        case .dayOfMonth: 1...31
        case .month: 1...12
        case .dayOfWeek: 0...7
        }
    }

    /// What `*` stands for. Differs from `allowed` only in the day of the week, where 7 is a second name of Sunday.
    var everything: ClosedRange<Int> {
        self == .dayOfWeek ? 0...6 : allowed
    }

    /// The allowed values in words, for messages.
    var allowedText: String {
        switch self {
        case .second: "0-59"
        case .minute: "0-59"
        case .hour: "0-23"
        case .dayOfMonth: "1-31, L, L-1 to L-30, LW or 1W to 31W"
        case .month: "1-12 or JAN-DEC"
        case .dayOfWeek: "0-7 (0 and 7 are Sunday) or SUN-SAT, also 5L and 5#3"
        }
    }

    /// The value of a three-letter name in capitals.
    func value(named name: [UInt8]) -> Int? {
        let names: [StaticString]
        switch self {
        case .month: names = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
        case .dayOfWeek: names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
        default: return nil
        }
        let index = names.firstIndex { candidate in candidate.withUTF8Buffer { $0.elementsEqual(name) } }
        return index.map { $0 + everything.lowerBound }
    }
}

/// Why a schedule was refused, in words for the person who wrote it.
package struct CronError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field at fault, or nil when the schedule as a whole is.
    package let field: CronField?
    /// The part of the schedule at fault; unprintable characters are escaped.
    package let text: String
    /// Where in the whole schedule the fault lies, counted in bytes from 1; inside `text` or at its start.
    package let position: Int
    /// What is wrong with it and what would be right.
    package let reason: String

    /// One line: the field, the text, its position, and the reason.
    package var message: String {
        let place = field.map { "the \($0.rawValue) field" } ?? "the schedule"
        return "\(place) has \"\(text)\" at position \(position): \(reason)"
    }

    package var description: String { message }

    init(_ reason: String, field: CronField? = nil, text: ArraySlice<UInt8>, at position: Int? = nil) {
        self.field = field
        self.text = printable(text)
        self.position = (position ?? text.startIndex) + 1
        self.reason = reason
    }
}

/// Untrusted text made safe for a terminal and short enough for a line.
func printable(_ bytes: some Collection<UInt8>) -> String {
    var result = ""
    for scalar in String(decoding: bytes.prefix(64), as: UTF8.self).unicodeScalars {
        if scalar.value >= 0x20, scalar.value < 0x7F {
            result.unicodeScalars.append(scalar)
        } else {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
    return bytes.count > 64 ? result + "…" : result
}
