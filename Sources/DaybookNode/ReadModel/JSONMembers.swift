import DaybookValues

// Members of the objects that people read: with a comma before all but the first, and nothing where there is no value.
extension [UInt8] {
    /// `"name":"2026-11-21T08:00:00.000Z"`
    mutating func append(member name: StaticString, _ instant: Timestamp?) {
        guard let instant else { return }
        begin(member: name)
        append(UInt8(ascii: "\""))
        instant.append(to: &self)
        append(UInt8(ascii: "\""))
    }

    /// `"name":"text"`
    mutating func append(member name: StaticString, _ text: String?) {
        guard let text else { return }
        begin(member: name)
        append(jsonString: text)
    }

    /// `"name":7`
    mutating func append(member name: StaticString, _ number: Int64?) {
        guard let number else { return }
        begin(member: name)
        append(json: number)
    }

    /// `"name":7`
    mutating func append(member name: StaticString, _ number: Int) {
        begin(member: name)
        append(json: number)
    }

    /// `"name":["a","b"]`; nothing for an empty list.
    mutating func append(member name: StaticString, _ texts: [String]) {
        guard !texts.isEmpty else { return }
        append(member: name, list: texts) { $1.append(jsonString: $0) }
    }

    /// `"name":[…]`
    mutating func append<Item>(
        member name: StaticString, list: some Sequence<Item>, _ append: (Item, inout [UInt8]) -> Void
    ) {
        begin(member: name)
        self.append(UInt8(ascii: "["))
        var isFirst = true
        for element in list {
            if !isFirst { self.append(UInt8(ascii: ",")) }
            isFirst = false
            append(element, &self)
        }
        self.append(UInt8(ascii: "]"))
    }

    /// `"name":{…}`; the members come from `append`.
    mutating func append(object name: StaticString, _ append: (inout [UInt8]) -> Void) {
        begin(member: name)
        appendObject(append)
    }

    /// `{…}`
    mutating func appendObject(_ append: (inout [UInt8]) -> Void) {
        self.append(UInt8(ascii: "{"))
        append(&self)
        self.append(UInt8(ascii: "}"))
    }

    /// `"name":`, for a value that the caller appends.
    mutating func begin(member name: StaticString) {
        if last != UInt8(ascii: "{") { append(UInt8(ascii: ",")) }
        append(UInt8(ascii: "\""))
        append(json: name)
        append(json: #"":"#)
    }
}
