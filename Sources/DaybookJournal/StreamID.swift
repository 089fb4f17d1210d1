package import DaybookValues

/// Which stream a record belongs to. Every stream has a file of its own.
package enum StreamID: Hashable, Sendable {
    case run(ULID)
    /// Events accepted on one UTC day: whole days since 1970-01-01.
    case events(day: Int32)
    /// What belongs to no run, by UTC month: whole months since January 1970.
    case system(month: Int32)

    /// As it stands in records: `run/01K…`, `events/2026-11-21`, `system/2026-11`.
    package var text: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    package func append(to bytes: inout [UInt8]) {
        switch self {
        case .run(let id):
            bytes.append(contentsOf: "run/".utf8)
            id.append(to: &bytes)
        case .events(let day):
            bytes.append(contentsOf: "events/".utf8)
            Self.append(CivilDate(day: day), to: &bytes)
        case .system(let month):
            bytes.append(contentsOf: "system/".utf8)
            bytes.appendDigits(1970 + Int(floorDivide(Int64(month), 12)), width: 4)
            bytes.append(UInt8(ascii: "-"))
            bytes.appendDigits(Int(month) - Int(floorDivide(Int64(month), 12)) * 12 + 1, width: 2)
        }
    }

    /// Reads the text form; nil for anything else.
    package init?(utf8 text: UnsafeBufferPointer<UInt8>) {
        if text.count == 30, let base = text.baseAddress, base[0] == UInt8(ascii: "r"), base[1] == UInt8(ascii: "u"),
            base[2] == UInt8(ascii: "n"), base[3] == UInt8(ascii: "/")
        {
            guard let id = RunIDText.read(base + 4) else { return nil }
            self = .run(id)
        } else if text.count == 17, text.starts(with: "events/".utf8) {
            guard let year = Self.number(text, 7, 4), let month = Self.number(text, 12, 2),
                let day = Self.number(text, 15, 2), text[11] == UInt8(ascii: "-"), text[14] == UInt8(ascii: "-")
            else { return nil }
            let date = CivilDate(year: year, month: month, day: day)
            guard CivilDate(day: date.daysSince1970) == date else { return nil }
            self = .events(day: date.daysSince1970)
        } else if text.count == 14, text.starts(with: "system/".utf8) {
            guard let year = Self.number(text, 7, 4), let month = Self.number(text, 12, 2),
                text[11] == UInt8(ascii: "-"), (1...12).contains(month)
            else { return nil }
            self = .system(month: Int32((year - 1970) * 12 + month - 1))
        } else {
            return nil
        }
    }

    package init?(_ text: String) {
        let parsed = Array(text.utf8).withUnsafeBufferPointer { StreamID(utf8: $0) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Where the stream's file lies. A run's file is found from its id alone: it stands under the UTC hour of the id.
    package var path: String {
        switch self {
        case .run(let id): RunPath.directory(hour: RunPath.hour(of: id)) + "/" + id.text + ".jsonl"
        case .events, .system: text + ".jsonl"
        }
    }

    private static func append(_ date: CivilDate, to bytes: inout [UInt8]) {
        bytes.appendDigits(date.year, width: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.month, width: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.day, width: 2)
    }

    private static func number(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ width: Int) -> Int? {
        var value = 0
        for index in start..<start + width {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int(digit)
        }
        return value
    }
}

/// The 26 characters of a run's id as they stand in records: upper case. Written and read once for every record, so
/// by tables in memory that is never freed: an array would be checked and counted at each character.
enum RunIDText {
    private nonisolated(unsafe) static let letters: UnsafeMutablePointer<UInt8> = {
        let letters = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
        let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: letters.count)
        pointer.initialize(from: letters, count: letters.count)
        return pointer
    }()

    /// The value of each byte as a digit, 255 where it is none.
    private nonisolated(unsafe) static let values: UnsafeMutablePointer<UInt8> = {
        let pointer = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        pointer.initialize(repeating: 255, count: 256)
        for digit in 0..<32 { pointer[Int(letters[digit])] = UInt8(digit) }
        return pointer
    }()

    @inline(__always)
    static func write(_ id: ULID, to target: UnsafeMutablePointer<UInt8>) {
        let letters = letters
        // From the back: twelve characters hold the lowest 60 bits, one straddles the halves, thirteen the rest.
        for index in 0..<12 { target[25 - index] = letters[Int(id.low >> UInt64(5 * index) & 31)] }
        target[13] = letters[Int(id.low >> 60 | (id.high & 1) << 4)]
        for index in 0..<13 { target[12 - index] = letters[Int((id.high >> 1) >> UInt64(5 * index) & 31)] }
    }

    @inline(__always)
    static func read(_ text: UnsafePointer<UInt8>) -> ULID? {
        let values = values
        var (top, bottom): (UInt64, UInt64) = (0, 0)
        var seen: UInt8 = 0
        for index in 0..<13 {
            let value = values[Int(text[index])]
            seen |= value
            top = top << 5 | UInt64(value & 31)
        }
        let straddling = values[Int(text[13])]
        seen |= straddling
        for index in 14..<26 {
            let value = values[Int(text[index])]
            seen |= value
            bottom = bottom << 5 | UInt64(value & 31)
        }
        // Only what is no digit has bits above the fifth; the first character has room for three.
        guard seen < 32, values[Int(text[0])] < 8 else { return nil }
        return ULID(high: top << 1 | UInt64(straddling) >> 4, low: UInt64(straddling & 15) << 60 | bottom)
    }
}

/// The folders of run files: `runs/2026-11-21/08/`.
package enum RunPath {
    /// Whole hours since 1970 of the time in a run's id.
    package static func hour(of id: ULID) -> Int { Int(floorDivide(id.time.milliseconds, 3_600_000)) }

    package static func directory(hour: Int) -> String {
        let date = CivilDate(day: Int32(truncatingIfNeeded: floorDivide(Int64(hour), 24)))
        var bytes = Array("runs/".utf8)
        bytes.appendDigits(date.year, width: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.month, width: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.appendDigits(date.day, width: 2)
        bytes.append(UInt8(ascii: "/"))
        bytes.appendDigits(hour - Int(floorDivide(Int64(hour), 24)) * 24, width: 2)
        return String(decoding: bytes, as: UTF8.self)
    }

    package static func index(hour: Int) -> String { directory(hour: hour) + "/index.jsonl" }
}

/// Who a record belongs to, in eight characters: what a commit line keeps of every record of its batch, so that the
/// owner of a damaged line can still be told.
///
/// For a run the last 32 bits of its id, in hex; for the day of an events file `E` and for the month of a system file
/// `S` with seven hex digits.
struct OwnerTag: Hashable {
    let value: UInt32
    let kind: UInt8

    init(_ stream: StreamID) {
        switch stream {
        case .run(let id): (kind, value) = (0, UInt32(truncatingIfNeeded: id.low))
        case .events(let day): (kind, value) = (UInt8(ascii: "E"), UInt32(bitPattern: day) & 0xFFF_FFFF)
        case .system(let month): (kind, value) = (UInt8(ascii: "S"), UInt32(bitPattern: month) & 0xFFF_FFFF)
        }
    }

    /// Reads eight characters.
    init?(_ text: UnsafePointer<UInt8>) {
        var value: UInt32 = 0
        var kind: UInt8 = 0
        for index in 0..<8 {
            if index == 0, text[0] == UInt8(ascii: "E") || text[0] == UInt8(ascii: "S") {
                kind = text[0]
                continue
            }
            guard let digit = hexValue(text[index]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        self.kind = kind
        self.value = value
    }

    /// The stream itself, where the tag says it all: not for runs.
    var stream: StreamID? {
        switch kind {
        case UInt8(ascii: "E"): .events(day: Int32(bitPattern: value))
        case UInt8(ascii: "S"): .system(month: Int32(bitPattern: value))
        default: nil
        }
    }

    func write(to target: UnsafeMutablePointer<UInt8>) {
        writeHex(value, to: target)
        if kind != 0 { target[0] = kind }
    }
}
