import DaybookValues

/// Objects written member by member; a comma comes before all but the first.
extension [UInt8] {
    mutating func begin(_ name: StaticString) {
        if last != UInt8(ascii: "{"), last != UInt8(ascii: "[") { append(UInt8(ascii: ",")) }
        append(UInt8(ascii: "\""))
        append(json: name)
        append(json: "\":")
    }

    mutating func beginElement() {
        if last != UInt8(ascii: "[") { append(UInt8(ascii: ",")) }
    }

    /// Nil is left out.
    mutating func add(_ name: StaticString, _ text: String?) {
        guard let text else { return }
        begin(name)
        append(jsonString: text)
    }

    /// Nil is left out.
    mutating func add(_ name: StaticString, _ number: Int64?) {
        guard let number else { return }
        begin(name)
        append(json: number)
    }

    /// Nil is left out.
    mutating func add(_ name: StaticString, _ id: ULID?) {
        guard let id else { return }
        begin(name)
        append(UInt8(ascii: "\""))
        id.append(to: &self)
        append(UInt8(ascii: "\""))
    }

    /// Raw JSON. Nil is left out.
    mutating func add(_ name: StaticString, json: [UInt8]?) {
        guard let json else { return }
        begin(name)
        append(contentsOf: json)
    }
}
