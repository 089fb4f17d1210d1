/// Reads the text of a schedule into sets of values.
struct CronParser {
    struct Fields {
        var zoneName: String?
        var hasSeconds = false
        var seconds: UInt64 = 1
        var minutes: UInt64 = 0
        var hours: UInt64 = 0
        var months: UInt64 = 0
        var days = CronDays()
        /// From the day of the month to the end, to point at when no date can match.
        var dayFieldsText: ArraySlice<UInt8> = []
    }

    private let bytes: [UInt8]
    private var fields = Fields()

    init(text: String) {
        bytes = Array(text.utf8)
    }

    mutating func parse() throws(CronError) -> Fields {
        guard bytes.count <= CronSchedule.textBytesMax else {
            throw CronError(
                "it is \(bytes.count) bytes long; \(CronSchedule.textBytesMax) are the limit", text: bytes[...])
        }
        let rest = try takeZonePrefix()
        let words = rest.split(whereSeparator: isBlank)
        guard let first = words.first else {
            throw CronError("it is empty; write five fields, such as 0 9 * * MON, or @daily", text: rest)
        }
        if first.first == UInt8(ascii: "@") {
            try parseMacro(first)
            guard words.count == 1 else {
                throw CronError("nothing may follow a short form such as @daily", text: words[1])
            }
            return fields
        }
        switch words.count {
        case 5: fields.hasSeconds = false
        case 6: fields.hasSeconds = true
        default:
            let year = words.count == 7 ? "; there is no field for the year" : ""
            throw CronError(
                "it has \(words.count) field\(words.count == 1 ? "" : "s"); write five (minute hour day-of-month month "
                    + "day-of-week), or six with the seconds first\(year)",
                text: rest[first.startIndex..<words[words.count - 1].endIndex])
        }
        let five = words.suffix(5)
        let at = five.startIndex
        if fields.hasSeconds { fields.seconds = try parseList(words[0], .second) }
        fields.minutes = try parseList(five[at], .minute)
        fields.hours = try parseList(five[at + 1], .hour)
        fields.days.dates = try parseList(five[at + 2], .dayOfMonth)
        fields.months = try parseList(five[at + 3], .month)
        fields.days.weekdays = try parseList(five[at + 4], .dayOfWeek)
        fields.dayFieldsText = bytes[five[at + 2].startIndex..<five[at + 4].endIndex]
        return fields
    }

    // MARK: - In front of and instead of the fields

    /// Takes `TZ=Area/City ` off the front. An empty zone is UTC.
    private mutating func takeZonePrefix() throws(CronError) -> ArraySlice<UInt8> {
        let text = bytes.drop(while: isBlank)
        var rest = text
        guard take("CRON_TZ=", from: &rest) || take("TZ=", from: &rest) else { return text }
        let name = rest.prefix { !isBlank($0) }
        guard name.isEmpty || ZoneRules.isWellFormedName(name) else {
            throw CronError("this is not the name of a time zone; write one such as Europe/Paris", text: name)
        }
        fields.zoneName = name.isEmpty ? "UTC" : String(decoding: name, as: UTF8.self)
        return rest.dropFirst(name.count)
    }

    private func take(_ prefix: StaticString, from text: inout ArraySlice<UInt8>) -> Bool {
        let matches = prefix.withUTF8Buffer { text.starts(with: $0) }
        if matches { text = text.dropFirst(prefix.utf8CodeUnitCount) }
        return matches
    }

    private mutating func parseMacro(_ word: ArraySlice<UInt8>) throws(CronError) {
        fields.minutes = 1
        fields.hours = 1
        fields.months = 0x1FFE
        fields.days.anyDate = true
        fields.days.anyWeekday = true
        fields.dayFieldsText = word
        switch String(decoding: word.map(capital), as: UTF8.self) {
        case "@HOURLY": fields.hours = 0xFF_FFFF
        case "@DAILY", "@MIDNIGHT": break
        case "@WEEKLY":
            fields.days.anyWeekday = false
            fields.days.weekdays = 1
        case "@MONTHLY":
            fields.days.anyDate = false
            fields.days.dates = 2
        case "@YEARLY", "@ANNUALLY":
            fields.months = 2
            fields.days.anyDate = false
            fields.days.dates = 2
        case "@EVERY":
            throw CronError(
                "intervals are not schedules, because they would depend on when the process started; write */5 * * * * "
                    + "for every five minutes, 0 */2 * * * for every two hours, */10 * * * * * for every ten seconds",
                text: word)
        case "@REBOOT":
            throw CronError("starting is not a time; send an event when the process starts", text: word)
        default:
            throw CronError(
                "there is no such short form; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight and "
                    + "@hourly",
                text: word)
        }
    }

    // MARK: - Fields

    private mutating func parseList(_ text: ArraySlice<UInt8>, _ field: CronField) throws(CronError) -> UInt64 {
        var bits: UInt64 = 0
        for item in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard !item.isEmpty else {
                throw CronError("the list has an empty item", field: field, text: text, at: item.startIndex)
            }
            bits |= try parseItem(item, field)
        }
        return bits
    }

    /// One item of a list: a set of values, or a rule that is kept in `fields.days` and adds no values.
    private mutating func parseItem(_ item: ArraySlice<UInt8>, _ field: CronField) throws(CronError) -> UInt64 {
        if field == .dayOfMonth, try parseMonthEnd(item) { return 0 }
        var rest = item
        let start = rest[rest.startIndex]
        if start == UInt8(ascii: "*") || start == UInt8(ascii: "?") {
            rest.removeFirst()
            let step = try parseStep(&rest, item, field)
            if step ?? 1 == 1 { markUnrestricted(field) }
            return bits(field.everything, step: step ?? 1, field)
        }
        let lower = try parseValue(&rest, item, field, isUpperBound: false)
        if rest.first.map(capital) == UInt8(ascii: "L"), field == .dayOfWeek, rest.count == 1 {
            fields.days.lastWeekdays |= 1 << UInt64(lower % 7)
            return 0
        }
        if rest.first.map(capital) == UInt8(ascii: "W"), field == .dayOfMonth, rest.count == 1 {
            fields.days.nearestWeekdayTo |= 1 << UInt64(lower)
            return 0
        }
        if rest.first == UInt8(ascii: "#"), field == .dayOfWeek {
            rest.removeFirst()
            guard let number = takeNumber(&rest), (1...5).contains(number), rest.isEmpty else {
                throw CronError("after # stands which one of the month, 1-5, as in 5#3", field: field, text: item)
            }
            fields.days.numberedWeekdays |= 1 << UInt64(number * 8 + lower % 7)
            return 0
        }
        var range = lower...lower
        var isRange = false
        if rest.first == UInt8(ascii: "-") {
            rest.removeFirst()
            let upper = try parseValue(&rest, item, field, isUpperBound: true)
            guard lower <= upper else {
                throw CronError(
                    "the range runs backwards; write the part up to \(field.everything.upperBound) and the part from "
                        + "\(field.everything.lowerBound) as a list",
                    field: field, text: item)
            }
            range = lower...upper
            isRange = true
        }
        let step = try parseStep(&rest, item, field)
        if step != nil, !isRange { range = lower...max(lower, field.everything.upperBound) }
        return bits(range, step: step ?? 1, field)
    }

    /// `L`, `L-3` and `LW` in the day of the month; false when the item is none of them.
    private mutating func parseMonthEnd(_ item: ArraySlice<UInt8>) throws(CronError) -> Bool {
        var rest = item
        guard rest.first.map(capital) == UInt8(ascii: "L") else { return false }
        rest.removeFirst()
        if rest.isEmpty {
            fields.days.fromEnd |= 1
            return true
        }
        if rest.count == 1, rest.first.map(capital) == UInt8(ascii: "W") {
            fields.days.lastWorkday = true
            return true
        }
        guard rest.removeFirst() == UInt8(ascii: "-"), let before = takeNumber(&rest), (1...30).contains(before),
            rest.isEmpty
        else {
            throw CronError(
                "L stands for the last day; write L, LW, or L-1 to L-30", field: .dayOfMonth, text: item)
        }
        fields.days.fromEnd |= 1 << UInt64(before)
        return true
    }

    private mutating func markUnrestricted(_ field: CronField) {
        switch field {
        case .dayOfMonth: fields.days.anyDate = true
        case .dayOfWeek: fields.days.anyWeekday = true
        default: break
        }
    }

    /// A number or a name. `SUN` at the end of a range is 7, so that `SAT-SUN` is a weekend.
    private func parseValue(
        _ rest: inout ArraySlice<UInt8>, _ item: ArraySlice<UInt8>, _ field: CronField, isUpperBound: Bool
    ) throws(CronError) -> Int {
        let start = rest.startIndex
        if let number = takeNumber(&rest) {
            guard field.allowed.contains(number) else {
                throw CronError(
                    "\(printable(item[start..<rest.startIndex])) is out of range; allowed is \(field.allowedText)",
                    field: field, text: item, at: start)
            }
            return number
        }
        let letters = rest.prefix(3).map(capital)
        if let value = field.value(named: letters) {
            rest = rest.dropFirst(3)
            return isUpperBound && field == .dayOfWeek && value == 0 ? 7 : value
        }
        if field == .dayOfWeek, letters == [UInt8(ascii: "L")] {
            throw CronError(
                "L needs the weekday in front of it: 5L is the last Friday of the month", field: field, text: item)
        }
        throw CronError("this is not a value; allowed is \(field.allowedText)", field: field, text: item, at: start)
    }

    /// `/n` and the end of the item; nil without a step.
    private func parseStep(
        _ rest: inout ArraySlice<UInt8>, _ item: ArraySlice<UInt8>, _ field: CronField
    ) throws(CronError) -> Int? {
        guard let character = rest.first else { return nil }
        guard character == UInt8(ascii: "/") else {
            throw CronError(
                "\"\(printable(rest))\" is not understood here; allowed is \(field.allowedText), with ranges 1-5, "
                    + "steps */5 and lists 1,5",
                field: field, text: item, at: rest.startIndex)
        }
        rest.removeFirst()
        let start = rest.startIndex
        guard let step = takeNumber(&rest), (1...9_999).contains(step), rest.isEmpty else {
            throw CronError("after / stands the step, a number of 1-9999", field: field, text: item, at: start)
        }
        return step
    }

    /// Takes the digits at the front; what is larger than any field allows stays just as wrong and cannot overflow.
    private func takeNumber(_ rest: inout ArraySlice<UInt8>) -> Int? {
        var value: Int?
        while let digit = rest.first, digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") {
            value = min((value ?? 0) * 10 + Int(digit - UInt8(ascii: "0")), 1_000_000)
            rest.removeFirst()
        }
        return value
    }

    private func bits(_ range: ClosedRange<Int>, step: Int, _ field: CronField) -> UInt64 {
        var bits: UInt64 = 0
        for value in stride(from: range.lowerBound, through: range.upperBound, by: step) {
            bits |= 1 << UInt64(field == .dayOfWeek ? value % 7 : value)
        }
        return bits
    }
}

/// Spaces, tabs and line ends separate fields.
private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (0x09...0x0D).contains(byte)
}

private func capital(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte - 32 : byte
}
