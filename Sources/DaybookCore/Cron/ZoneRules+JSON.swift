package import DaybookValues

extension ZoneRules {
    /// Appends the rules as one line of JSON, for the record of a registration.
    ///
    /// `{"name":"Europe/Paris","posix":"CET-1CEST,M3.5.0,M10.5.0/3"}`; with a table also `"first"`, the offset before
    /// it, and `"changes"`, instants in seconds since 1970 and the offset from each on, in turn. Use `trimmed(from:)`
    /// first: whole tables are long.
    package func append(to bytes: inout [UInt8]) {
        bytes.append(json: "{\"name\":")
        bytes.append(jsonString: name)
        if let posix {
            bytes.append(json: ",\"posix\":")
            bytes.append(jsonString: posix.text)
        }
        if posix == nil || !changes.isEmpty {
            bytes.append(json: ",\"first\":")
            bytes.append(json: firstOffset)
        }
        if !changes.isEmpty {
            bytes.append(json: ",\"changes\":[")
            for (index, change) in changes.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes.append(json: change)
                bytes.append(UInt8(ascii: ","))
                bytes.append(json: offsets[index])
            }
            bytes.append(UInt8(ascii: "]"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Reads what `append(to:)` wrote, from text that was checked to be JSON; members it does not know are left alone.
    /// - Throws: `ZoneError` when something is missing or breaks a limit.
    package init(json: JSONView) throws(ZoneError) {
        guard let name = json.member("name")?.string else { throw .badJSON("the name is missing") }
        var posix: PosixZone?
        if let member = json.member("posix") {
            guard let text = member.string else { throw .badJSON("posix is not text") }
            posix = try PosixZone(text)
        }
        var numbers: [Int64] = []
        var areIntegers = true
        json.member("changes")?.forEachElement { element in
            numbers.append(element.integer ?? 0)
            if element.integer == nil { areIntegers = false }
            return areIntegers
        }
        guard areIntegers, numbers.count % 2 == 0 else { throw .badJSON("changes are not pairs of integers") }
        guard let first = json.member("first")?.integer ?? posix.map({ Int64($0.standardOffset) }) else {
            throw .badJSON("it has neither first nor posix")
        }
        let pairs = stride(from: 0, to: numbers.count, by: 2)
        try self.init(
            name: name, posix: posix, firstOffset: Int(first), changes: pairs.map { numbers[$0] },
            offsets: pairs.map { Int(numbers[$0 + 1]) })
    }
}
