extension ZoneRules {
    /// The largest TZif file that is read; real ones are under 4 KiB.
    package static let fileBytesMax = 256 * 1_024

    /// Reads a compiled time zone file (TZif versions 1 to 4, RFC 9636, section 3).
    ///
    /// From version 2 on the second block counts, with 64-bit times, and the POSIX rule in the footer. Files that
    /// count leap seconds (`right/…`) are refused: their times are not those of `Timestamp`.
    /// - Throws: `ZoneError` for a file that is cut short or breaks the format anywhere the rules depend on.
    package init(name: String, tzif bytes: [UInt8]) throws(ZoneError) {
        guard bytes.count <= Self.fileBytesMax else { throw .badFile("it has \(bytes.count) bytes") }
        var reader = TZifReader(rest: bytes[...])
        var header = try reader.header()
        var posix: PosixZone?
        let table: TZifReader.Table
        if header.version == 0 {
            table = try reader.table(header, timeBytes: 4)
        } else {
            try reader.skip(header.blockBytes(timeBytes: 4))
            header = try reader.header()
            table = try reader.table(header, timeBytes: 8)
            posix = try reader.footer()
        }
        try self.init(
            name: name, posix: posix, firstOffset: table.firstOffset, changes: table.changes, offsets: table.offsets)
    }
}

/// Takes the parts of a TZif file off the front, each after checking that it is there.
private struct TZifReader {
    var rest: ArraySlice<UInt8>

    struct Header {
        /// 0 for version 1, else the ASCII digit.
        var version: UInt8
        var utIndicators: Int
        var standardIndicators: Int
        var leapSeconds: Int
        var changes: Int
        var types: Int
        var nameBytes: Int

        func blockBytes(timeBytes: Int) -> Int {
            changes * (timeBytes + 1) + types * 6 + nameBytes + leapSeconds * (timeBytes + 4) + standardIndicators
                + utIndicators
        }
    }

    struct Table {
        var firstOffset: Int
        var changes: [Int64] = []
        var offsets: [Int] = []
    }

    /// RFC 9636, section 3.1: 44 bytes.
    mutating func header() throws(ZoneError) -> Header {
        guard rest.count >= 44 else { throw .badFile("it ends inside a header") }
        guard rest.starts(with: "TZif".utf8) else { throw .badFile("it does not start with TZif") }
        let version = rest[rest.startIndex + 4]
        guard version == 0 || version >= UInt8(ascii: "2") else { throw .badFile("it has an unknown version") }
        rest = rest.dropFirst(20)
        let header = Header(
            version: version, utIndicators: Int(integer(4)), standardIndicators: Int(integer(4)),
            leapSeconds: Int(integer(4)), changes: Int(integer(4)), types: Int(integer(4)), nameBytes: Int(integer(4)))
        guard header.types >= 1, header.nameBytes >= 1 || version != 0 else { throw .badFile("it has no offsets") }
        return header
    }

    /// RFC 9636, section 3.2: times, their types, the types, and what matters only for names and indicators.
    mutating func table(_ header: Header, timeBytes: Int) throws(ZoneError) -> Table {
        guard header.leapSeconds == 0 else { throw .badFile("it counts leap seconds") }
        guard rest.count >= header.blockBytes(timeBytes: timeBytes) else { throw .badFile("it ends inside its table") }
        guard header.types <= 256 else { throw .badFile("it has more than 256 types") }
        var changes: [Int64] = []
        changes.reserveCapacity(header.changes)
        for _ in 0..<header.changes {
            changes.append(timeBytes == 4 ? Int64(Int32(truncatingIfNeeded: integer(4))) : integer(8))
        }
        let indices = rest.prefix(header.changes)
        rest = rest.dropFirst(header.changes)
        var types: [Int] = []
        for _ in 0..<header.types {
            types.append(Int(Int32(truncatingIfNeeded: integer(4))))
            rest = rest.dropFirst(2)
        }
        rest = rest.dropFirst(header.nameBytes + header.standardIndicators + header.utIndicators)
        var offsets: [Int] = []
        offsets.reserveCapacity(header.changes)
        for index in indices {
            guard Int(index) < types.count else { throw .badFile("it names a type that it does not have") }
            offsets.append(types[Int(index)])
        }
        return Table(firstOffset: types[0], changes: changes, offsets: offsets)
    }

    /// RFC 9636, section 3.3: the POSIX rule between two line ends; empty when there is none.
    mutating func footer() throws(ZoneError) -> PosixZone? {
        guard rest.first == UInt8(ascii: "\n") else { throw .badFile("its footer is missing") }
        let line = rest.dropFirst().prefix { $0 != UInt8(ascii: "\n") }
        guard line.endIndex < rest.endIndex else { throw .badFile("its footer is cut short") }
        return line.isEmpty ? nil : try PosixZone(String(decoding: line, as: UTF8.self))
    }

    mutating func skip(_ count: Int) throws(ZoneError) {
        guard rest.count >= count else { throw .badFile("it ends inside its first table") }
        rest = rest.dropFirst(count)
    }

    /// A big-endian integer, of four bytes without or of eight with its sign. The caller has checked that it is there.
    private mutating func integer(_ width: Int) -> Int64 {
        var value: UInt64 = 0
        for byte in rest.prefix(width) { value = value << 8 | UInt64(byte) }
        rest = rest.dropFirst(width)
        return Int64(bitPattern: value)
    }
}
