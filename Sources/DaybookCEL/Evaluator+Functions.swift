/// Functions and methods. Of a missing argument most make a missing value.
extension Evaluator {
    mutating func call(_ function: Function, _ operands: Operation.Operands) throws(EvaluationError) -> Value {
        let first = operands.count > 0 ? try argument(0, operands) : .missing
        let second = operands.count > 1 ? try argument(1, operands) : .missing
        switch function {
        case .size: return try size(first)
        case .contains, .startsWith, .endsWith: return try search(function, first, second)
        case .matches: return try matches(first, pattern: second)
        case .int, .uint, .double, .string, .bytes, .bool, .timestamp, .duration:
            return try converted(first, to: function)
        case .type: return first.isMissing ? .missing : .type(first.typeName)
        case .dyn: return first
        case .getFullYear, .getMonth, .getDate, .getDayOfMonth, .getDayOfWeek, .getDayOfYear, .getHours,
            .getMinutes, .getSeconds, .getMilliseconds:
            return try component(function, of: first, zone: operands.count > 1 ? second : nil)
        case .lowercase, .uppercase: return try changedCase(first, isUpper: function == .uppercase)
        case .b64decode: return try decodedBase64(first)
        case .jsonParse: return try parsedJSON(first)
        case .date:
            // A dozen layouts may be tried.
            try charge(10)
            return .timestamp(try date(first))
        case .now: return .timestamp(now)
        case .nowPlus, .nowMinus: return .timestamp(try shiftedNow(function, by: first))
        }
    }

    private mutating func argument(
        _ offset: Int32, _ operands: Operation.Operands
    ) throws(EvaluationError) -> Value {
        try evaluate(self.operands[Int(operands.first + offset)])
    }

    // MARK: Strings and lists

    /// Code points, bytes or elements; 0 for a missing value.
    private mutating func size(_ value: Value) throws(EvaluationError) -> Value {
        switch value {
        case .missing: return .int(0)
        case .bytes(let bytes): return .int(Int64(bytes.count))
        case .list(let elements): return .int(Int64(elements.count))
        case .jsonList(let json):
            try charge(bytes: json.count)
            var count: Int64 = 0
            if var cursor = JSONCursor(json) {
                cursor.advance()
                while cursor.nextElement() {
                    cursor.skipValue()
                    count += 1
                }
            }
            return .int(count)
        case .map, .jsonMap: return .int(Int64(try mapValue(of: value).entries.count))
        default:
            let count = value.withText { text in
                (codePoints: text.reduce(Int64(0)) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }, bytes: text.count)
            }
            guard let count else { return .missing }
            try charge(bytes: count.bytes)
            return .int(count.codePoints)
        }
    }

    private mutating func search(
        _ function: Function, _ text: Value, _ part: Value
    ) throws(EvaluationError) -> Value {
        if text.isMissing || part.isMissing { return .bool(false) }
        let result = text.withText { text in
            part.withText { part in
                switch function {
                case .contains: (Self.contains(text, part), text.count)
                case .startsWith: (text.starts(with: part), part.count)
                default: (text.reversed().starts(with: part.reversed()), part.count)
                }
            }
        }
        guard let result, let (isFound, bytes) = result else {
            throw .noSuchOverload("\(text.typeName).\(function.rawValue)(\(part.typeName))")
        }
        try charge(bytes: bytes)
        return .bool(isFound)
    }

    /// In time proportional to the text: where a part of a match fits the pattern's own beginning is worked out first.
    private static func contains(_ text: UnsafeBufferPointer<UInt8>, _ part: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = part.first else { return true }
        guard part.count <= text.count else { return false }
        if part.count == 1 { return text.contains(first) }
        var fallback = [0]
        var matched = 0
        for byte in part.dropFirst() {
            while matched > 0, part[matched] != byte { matched = fallback[matched - 1] }
            if part[matched] == byte { matched += 1 }
            fallback.append(matched)
        }
        matched = 0
        for byte in text {
            while matched > 0, part[matched] != byte { matched = fallback[matched - 1] }
            if part[matched] == byte { matched += 1 }
            if matched == part.count { return true }
        }
        return false
    }

    mutating func matches(_ text: Value, _ pattern: Pattern) throws(EvaluationError) -> Value {
        if text.isMissing { return .bool(false) }
        guard let bytes = text.withText({ $0.count }) else { throw .noSuchOverload("\(text.typeName).matches(string)") }
        let (work, overflow) = bytes.multipliedReportingOverflow(by: max(1, pattern.instructionCount))
        if overflow { throw .tooCostly }
        try charge(bytes: work)
        return .bool(text.withText { pattern.isFound(in: $0) } ?? false)
    }

    private mutating func matches(_ text: Value, pattern: Value) throws(EvaluationError) -> Value {
        if text.isMissing || pattern.isMissing { return .bool(false) }
        guard let source = pattern.string, text.withText({ _ in true }) != nil else {
            throw .noSuchOverload("\(text.typeName).matches(\(pattern.typeName))")
        }
        // Repetitions make programs longer than their source, and a refusal comes only after the work.
        try charge(500 + source.utf8.count)
        let compiled: Pattern
        do {
            compiled = try Pattern(source)
        } catch {
            try charge(Pattern.instructionsMax)
            throw EvaluationError(.brokenPattern, error.description)
        }
        try charge(compiled.instructionCount)
        return try matches(text, compiled)
    }

    private mutating func changedCase(_ value: Value, isUpper: Bool) throws(EvaluationError) -> Value {
        guard let string = value.string else { return .missing }
        try charge(bytes: string.utf8.count * 4)
        return .ownText(Array((isUpper ? string.uppercased() : string.lowercased()).utf8))
    }

    /// Empty for what is not base64.
    private mutating func decodedBase64(_ value: Value) throws(EvaluationError) -> Value {
        guard let decoded = value.withText({ text in (bytes: Base64.decode(text) ?? [], count: text.count) }) else {
            return .missing
        }
        try charge(bytes: decoded.count * 4)
        return .ownText(Array(String(decoding: decoded.bytes, as: UTF8.self).utf8))
    }

    // MARK: Conversions

    private mutating func converted(_ value: Value, to function: Function) throws(EvaluationError) -> Value {
        try charge(bytes: value.withText { $0.count } ?? 0)
        switch function {
        case .int: return Self.int(value)
        case .uint: return Self.uint(value)
        case .double: return Self.double(value)
        case .string:
            switch value {
            case .text, .ownText: return value
            case .bytes(let bytes):
                try charge(bytes: bytes.count)
                return String(validating: bytes, as: UTF8.self).map { .ownText(Array($0.utf8)) } ?? .missing
            case .bool, .int, .uint, .double, .timestamp, .duration: return .ownText(Array(value.scalarText.utf8))
            default: return .missing
            }
        case .bytes:
            if case .bytes = value { return value }
            guard let bytes = value.withText({ Array($0) }) else { return .missing }
            try charge(bytes: bytes.count)
            return .bytes(bytes)
        case .bool:
            if case .bool = value { return value }
            return switch value.string {
            case "1", "t", "T", "true", "TRUE", "True": .bool(true)
            case "0", "f", "F", "false", "FALSE", "False": .bool(false)
            default: .missing
            }
        case .timestamp: return Self.timestamp(value)
        default: return Self.duration(value)
        }
    }

    private static func int(_ value: Value) -> Value {
        switch value {
        case .int: value
        case .uint(let number): Int64(exactly: number).map(Value.int) ?? .missing
        case .double(let number): Int64(exactly: number.rounded(.towardZero)).map(Value.int) ?? .missing
        case .timestamp(let moment): .int(moment.seconds)
        case .duration(let nanoseconds): .int(nanoseconds)
        default: value.string.flatMap { Int64($0) }.map(Value.int) ?? .missing
        }
    }

    private static func uint(_ value: Value) -> Value {
        switch value {
        case .uint: value
        case .int(let number): UInt64(exactly: number).map(Value.uint) ?? .missing
        case .double(let number):
            number <= -1 ? .missing : UInt64(exactly: number.rounded(.towardZero)).map(Value.uint) ?? .missing
        default: value.string.flatMap { UInt64($0) }.map(Value.uint) ?? .missing
        }
    }

    private static func double(_ value: Value) -> Value {
        switch value {
        case .double: value
        case .int(let number): .double(Double(number))
        case .uint(let number): .double(Double(number))
        default: value.string.flatMap { Double($0) }.map(Value.double) ?? .missing
        }
    }

    private static func timestamp(_ value: Value) -> Value {
        switch value {
        case .timestamp: return value
        case .int(let seconds):
            let moment = Moment(seconds: seconds)
            return moment >= .earliest && moment <= .latest ? .timestamp(moment) : .missing
        default: return value.string.flatMap { Moment.parse(rfc3339: $0) }.map(Value.timestamp) ?? .missing
        }
    }

    private static func duration(_ value: Value) -> Value {
        switch value {
        case .duration: value
        case .int(let nanoseconds): .duration(nanoseconds)
        default: value.string.flatMap { DurationText.go($0) }.map(Value.duration) ?? .missing
        }
    }

    // MARK: Time

    private func component(
        _ function: Function, of value: Value, zone: Value?
    ) throws(EvaluationError) -> Value {
        if value.isMissing { return .missing }
        if case .duration(let nanoseconds) = value, zone == nil {
            switch function {
            case .getHours: return .int(nanoseconds / 3_600_000_000_000)
            case .getMinutes: return .int(nanoseconds / 60_000_000_000)
            case .getSeconds: return .int(nanoseconds / 1_000_000_000)
            case .getMilliseconds: return .int(nanoseconds / 1_000_000)
            default: break
            }
        }
        guard case .timestamp(let moment) = value, let component = CalendarComponent(method: function.rawValue) else {
            throw .noSuchOverload("\(value.typeName).\(function.rawValue)()")
        }
        var offset = 0
        if let zone {
            if zone.isMissing { return .missing }
            guard let name = zone.string else {
                throw .noSuchOverload("\(value.typeName).\(function.rawValue)(\(zone.typeName))")
            }
            guard let seconds = Moment.zoneOffsetSeconds(name) else {
                throw .functionFailed(
                    "\(function.rawValue)(): the time zone '\(name.prefix(60))' is neither `UTC` nor an offset such as `+02:00`"
                )
            }
            offset = seconds
        }
        return .int(moment.component(component, offsetSeconds: offset))
    }

    private func date(_ value: Value) throws(EvaluationError) -> Moment {
        switch value {
        case .timestamp(let moment): return moment
        case .int(let number):
            if let moment = Moment.from(integer: number) { return moment }
            throw .functionFailed("date(\(number)): numbers below 946684800 have no unit")
        case .text, .ownText:
            let text = value.string ?? ""
            if let moment = Moment.parse(dateText: text) { return moment }
            throw .functionFailed("date(\"\(text.prefix(60))\") is not a date")
        default: throw .functionFailed("date() takes a string or an int, not \(value.typeName)")
        }
    }

    private func shiftedNow(_ function: Function, by value: Value) throws(EvaluationError) -> Moment {
        guard let text = value.string else {
            throw .functionFailed("\(function.rawValue)() takes a duration such as \"1h\", not \(value.typeName)")
        }
        guard let nanoseconds = DurationText.extended(text), nanoseconds != .min,
            let moment = now.adding(nanoseconds: function == .nowPlus ? nanoseconds : -nanoseconds)
        else {
            throw .functionFailed(
                "\(function.rawValue)(\"\(text.prefix(60))\") is not a duration such as \"1h\" or \"2d\"")
        }
        return moment
    }

    // MARK: json_parse

    /// The object in a text; an empty one for any other text.
    private mutating func parsedJSON(_ value: Value) throws(EvaluationError) -> Value {
        guard let text = value.withText({ Array($0) }) else { return .missing }
        try charge(bytes: text.count)
        return try text.withUnsafeBufferPointer { text throws(EvaluationError) in
            guard let object = JSONSyntax.object(in: text) else { return .map(MapValue()) }
            return try owned(.jsonMap(object), depth: 0)
        }
    }

    /// A value without pointers into a text that is about to go away.
    private mutating func owned(_ value: Value, depth: Int) throws(EvaluationError) -> Value {
        if depth > Limits.valueDepth { throw .tooDeep }
        switch value {
        case .text(let text):
            try charge(bytes: text.count)
            return .ownText(Array(text))
        case .jsonList:
            var list: [Value] = []
            var elements = try elements(of: value)
            while let element = elements.next() {
                try charge(1)
                list.append(try owned(element, depth: depth + 1))
            }
            return .list(list)
        case .jsonMap:
            let map = MapValue()
            for (key, member) in try mapValue(of: value).entries {
                let ownKey = try owned(key, depth: depth + 1)
                if let mapKey = MapKey(ownKey) { map.insert(ownKey, as: mapKey, try owned(member, depth: depth + 1)) }
            }
            return .map(map)
        default: return value
        }
    }
}
