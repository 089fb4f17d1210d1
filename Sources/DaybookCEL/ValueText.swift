/// Values as text: what keys are and `+` joins, in the form in which Go prints them; and as JSON.
extension Evaluator {
    mutating func text(of value: Value) throws(EvaluationError) -> [UInt8] {
        try text(of: value, depth: 0)
    }

    private mutating func text(of value: Value, depth: Int) throws(EvaluationError) -> [UInt8] {
        switch value {
        case .text(let text):
            try charge(bytes: text.count)
            return Array(text)
        case .ownText(let text): return text
        case .bytes(let bytes): return bytes
        case .list, .jsonList:
            if depth >= Limits.valueDepth { throw .tooDeep }
            var parts: [String] = []
            var elements = try elements(of: value)
            while let element = elements.next() {
                try charge(1)
                parts.append(String(decoding: try text(of: element, depth: depth + 1), as: UTF8.self))
            }
            return Array(GoText.list(parts).utf8)
        case .map, .jsonMap:
            if depth >= Limits.valueDepth { throw .tooDeep }
            var entries: [(key: String, value: String)] = []
            for (key, member) in try mapValue(of: value).entries {
                try charge(1)
                entries.append(
                    (
                        String(decoding: try text(of: key, depth: depth + 1), as: UTF8.self),
                        String(decoding: try text(of: member, depth: depth + 1), as: UTF8.self)
                    ))
            }
            return Array(GoText.map(entries).utf8)
        default:
            try charge(4)
            return Array(value.scalarText.utf8)
        }
    }

    mutating func json(of value: Value) throws(EvaluationError) -> String {
        var output: [UInt8] = []
        try append(value, to: &output, depth: 0)
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func append(_ value: Value, to output: inout [UInt8], depth: Int) throws(EvaluationError) {
        switch value {
        case .missing, .null: output += Array("null".utf8)
        case .bool, .int, .uint: output += Array(value.scalarText.utf8)
        case .double(let number):
            if number.isFinite {
                let text = number.description
                output += Array((text.hasSuffix(".0") ? String(text.dropLast(2)) : text).utf8)
            } else {
                JSONText.appendString(value.scalarText.utf8, to: &output)
            }
        case .text(let text): JSONText.appendString(text, to: &output)
        case .ownText(let text): JSONText.appendString(text, to: &output)
        case .bytes(let bytes): JSONText.appendString(Base64.encode(bytes).utf8, to: &output)
        case .timestamp, .duration, .type: JSONText.appendString(value.scalarText.utf8, to: &output)
        case .jsonList(let json), .jsonMap(let json):
            try charge(bytes: json.count)
            JSONText.appendCompact(json, to: &output)
        case .list(let elements):
            if depth >= Limits.valueDepth { throw .tooDeep }
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                try charge(1)
                if index > 0 { output.append(UInt8(ascii: ",")) }
                try append(element, to: &output, depth: depth + 1)
            }
            output.append(UInt8(ascii: "]"))
        case .map(let map):
            if depth >= Limits.valueDepth { throw .tooDeep }
            output.append(UInt8(ascii: "{"))
            for (index, entry) in map.entries.enumerated() {
                try charge(1)
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.appendString(try text(of: entry.key), to: &output)
                output.append(UInt8(ascii: ":"))
                try append(entry.value, to: &output, depth: depth + 1)
            }
            output.append(UInt8(ascii: "}"))
        }
    }
}

extension Value {
    /// The text of a value that is neither a string nor has elements.
    var scalarText: String {
        switch self {
        case .null: "<nil>"
        case .bool(let value): value ? "true" : "false"
        case .int(let value): String(value)
        case .uint(let value): String(value)
        case .double(let value): GoText.double(value)
        case .timestamp(let moment): moment.rfc3339
        case .duration(let nanoseconds): DurationText.secondsText(nanoseconds)
        case .type(let name): name
        default: ""
        }
    }

    /// The value of a condition.
    func conditionResult() throws(EvaluationError) -> Bool {
        switch self {
        case .bool(let value): value
        case .missing: false
        default: throw unexpectedResult(wanted: "a boolean")
        }
    }

    /// `returned type string (abc)`, with what was wanted. Long texts are cut; lists and maps are not printed.
    func unexpectedResult(wanted: String) -> EvaluationError {
        let shown: String =
            switch self {
            case .text, .ownText: String((string ?? "").prefix(60))
            case .list, .jsonList, .map, .jsonMap, .bytes: "…"
            default: scalarText
            }
        return EvaluationError(.unexpectedResult, "returned type \(typeName) (\(shown)), not \(wanted)")
    }
}
