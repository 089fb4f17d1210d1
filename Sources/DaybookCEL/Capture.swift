/// One element of what is captured of a trigger event.
struct CapturedPart: Sendable {
    /// The number of its field in the program.
    let field: Int
    /// Not its value but whether it is there: true or null.
    let isPresence: Bool
}

/// A part of a condition that must be true for the whole to be true: a field of `async` equals a scalar.
struct Equality: Sendable {
    /// The path of the field below `async`, joined by dots.
    let path: String
    /// The number of the field of `event` whose value is the scalar.
    let field: Int?
    /// The key of a scalar that stands in the source.
    let key: String?

    func renumbered(_ numbers: [Int]) -> Equality {
        Equality(path: path, field: field.map { numbers[$0] }, key: key)
    }
}

/// Keys of scalars: values that are equal have equal keys.
enum EqualityKey {
    /// Nil for lists, maps and everything else that JSON's scalars do not equal.
    static func key(of value: Value) -> String? {
        switch value {
        case .missing, .null: "n"
        case .bool(let value): value ? "t" : "f"
        case .int(let value): number(Double(value))
        case .uint(let value): number(Double(value))
        case .double(let value): number(value)
        case .text(let text): "s" + String(decoding: text, as: UTF8.self)
        case .ownText(let text): "s" + String(decoding: text, as: UTF8.self)
        default: nil
        }
    }

    private static func number(_ value: Double) -> String {
        // Adding zero makes 0 of -0.
        "d" + String((value + 0).bitPattern, radix: 16)
    }
}

extension Program {
    func capture(event: [UInt8]) -> [UInt8] {
        var output: [UInt8] = [UInt8(ascii: "[")]
        withFound(event: event, async: nil) { found in
            for (index, part) in capturedParts.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                if part.isPresence {
                    output += Array((found[part.field].start != nil ? "true" : "null").utf8)
                } else if let text = found[part.field].text, !text.isEmpty {
                    JSONText.appendCompact(text, to: &output)
                } else {
                    output += Array("null".utf8)
                }
            }
        }
        output.append(UInt8(ascii: "]"))
        return output
    }

    /// Fills `found` with what `capture` wrote. What was absent stays without a place.
    func find(
        captured: UnsafeBufferPointer<UInt8>, into found: UnsafeMutableBufferPointer<FieldTree.Found>
    ) {
        guard var cursor = JSONCursor(captured) else { return }
        cursor.skipBlanks()
        guard cursor.byte == UInt8(ascii: "[") else { return }
        cursor.advance()
        for part in capturedParts {
            guard cursor.nextElement() else { return }
            let text = cursor.valueText()
            if part.isPresence {
                if !JSONText.isEqual(text, "true") {
                    found[part.field] = .init()
                } else if found[part.field].start == nil {
                    found[part.field] = .init(text)
                }
            } else {
                found[part.field] = .init(text)
            }
        }
    }

    func equality(captured: [UInt8]) -> (path: String, key: String)? {
        if equalities.isEmpty { return nil }
        return withFound(captured: captured, async: nil) { found in
            for equality in equalities {
                if let key = equality.key { return (equality.path, key) }
                guard let field = equality.field else { continue }
                let value = found[field].text.map { JSONText.value(of: $0) } ?? .null
                if let key = EqualityKey.key(of: value) { return (equality.path, key) }
            }
            return nil
        }
    }

    static func equalityKey(of event: [UInt8], at path: String) -> String? {
        event.withUnsafeBufferPointer { json in
            var value = json
            for name in path.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
                guard let member = member(of: value, named: Array(name)) else { return EqualityKey.key(of: .missing) }
                value = member
            }
            return EqualityKey.key(of: JSONText.value(of: value))
        }
    }

    private static func member(
        of json: UnsafeBufferPointer<UInt8>, named wanted: [UInt8]
    ) -> UnsafeBufferPointer<UInt8>? {
        guard var cursor = JSONCursor(json) else { return nil }
        cursor.skipBlanks()
        return wanted.withUnsafeBufferPointer { cursor.member(named: $0) }
    }
}
