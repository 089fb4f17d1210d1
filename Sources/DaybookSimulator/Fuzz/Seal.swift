import DaybookValues

/// Makes checksums right again after a mutation, so that what lies behind them is reached. Computes them on its own, as
/// a second opinion on those of the journal.
package enum Seal {
    private static let table: [UInt32] = (0..<256).map { index -> UInt32 in
        var value = UInt32(index)
        for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
        return value
    }

    /// CRC-32 as in zlib.
    static func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        var sum: UInt32 = 0xFFFF_FFFF
        table.withUnsafeBufferPointer { table in
            for byte in bytes { sum = table[Int((sum ^ UInt32(byte)) & 0xFF)] ^ sum >> 8 }
        }
        return ~sum
    }

    /// Whether all lines with a right checksum are JSON, as all that a journal wrote are: records are kept and shown
    /// as they stand.
    static func isJSON(_ bytes: [UInt8]) -> Bool {
        bytes.split(separator: 10).allSatisfy { line in
            guard hasEnd(line), line.suffix(10).starts(with: hex(checksum(line.dropLast(endBytes)))) else {
                return true
            }
            return (try? JSONText.check(Array(line))) != nil
        }
    }

    static func hex(_ value: UInt32) -> [UInt8] {
        let digits = String(value, radix: 16)
        return Array((String(repeating: "0", count: 8 - digits.count) + digits).utf8)
    }

    // MARK: - Lines

    private static let endBytes = 18

    /// Whether a line ends in `,"crc":"…"}`, with any eight bytes for the digits.
    private static func hasEnd(_ line: ArraySlice<UInt8>) -> Bool {
        guard line.count > endBytes else { return false }
        let end = line.suffix(endBytes)
        return end.starts(with: ",\"crc\":\"".utf8) && end.suffix(2).elementsEqual("\"}".utf8)
    }

    /// A line, or what is meant to be one, with the checksum it should have. Without a line feed.
    static func closed(_ line: ArraySlice<UInt8>) -> [UInt8] {
        let body = hasEnd(line) ? line.dropLast(endBytes) : line
        var closed = Array(body)
        closed += Array(",\"crc\":\"".utf8)
        closed += hex(checksum(body))
        closed += Array("\"}".utf8)
        return closed
    }

    /// The checksum of every line that has one made right; nothing else is touched.
    static func lines(_ bytes: [UInt8]) -> [UInt8] {
        mapLines(bytes) { hasEnd($0) ? closed($0) : Array($0) }
    }

    /// The checksums of all lines that say them rightly, wherever in the line a record may begin.
    static func rightSums(_ bytes: [UInt8]) -> Set<UInt32> {
        var sums: Set<UInt32> = []
        for line in bytes.split(separator: 10) where hasEnd(line) {
            let body = line.dropLast(endBytes)
            for start in body.indices
            where body[start] == UInt8(ascii: "{") && body[start...].starts(with: "{\"q\":".utf8) {
                let sum = checksum(body[start...])
                if line.dropFirst(body.count + 8).starts(with: hex(sum)) { sums.insert(sum) }
            }
        }
        return sums
    }

    static func mapLines(_ bytes: [UInt8], _ change: (ArraySlice<UInt8>) -> [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for line in bytes.split(separator: 10, omittingEmptySubsequences: false) {
            result += change(line)
            result.append(10)
        }
        result.removeLast()
        return result
    }

    // MARK: - Whole segments and stream files

    /// A segment in which every line that can be taken for a record is one that the journal would have written there:
    /// numbers, chains, checksums and commit lines are right, so that only what the records say is strange.
    package static func segment(_ bytes: [UInt8]) -> [UInt8] {
        var chains: [[UInt8]: (n: UInt64, sum: UInt32)] = [:]
        var q: UInt64 = 1
        var previousCommit: UInt32 = 0
        var batch = (count: 0, bytes: 0, sums: [UInt8](), owners: [UInt8](), firstQ: UInt64(1))
        return mapLines(bytes) { line in
            if line.starts(with: "{\"log\":".utf8) {
                guard let first = number(after: ",\"first\":", in: line) else { return closed(line) }
                (q, batch.firstQ) = (first, first)
                return closed(renamed(line, first: first)[...])
            }
            if line.starts(with: "{\"c\":".utf8) {
                guard batch.count > 0 else { return [] }
                var commit = Array("{\"c\":\(q &- 1),\"count\":\(batch.count),\"bytes\":\(batch.bytes)".utf8)
                commit += Array(",\"proven\":\(batch.firstQ &- 1),\"own\":\"".utf8) + batch.owners
                commit += Array("\",\"sum\":\"".utf8) + hex(checksum(batch.sums))
                commit += Array("\",\"prev\":\"".utf8) + hex(previousCommit) + Array("\"".utf8)
                let line = closed(commit[...])
                previousCommit = checksum(commit)
                batch = (0, 0, [], [], q)
                return line
            }
            guard let parts = RecordParts(line) else { return hasEnd(line) ? closed(line) : Array(line) }
            let chain = chains[parts.stream] ?? (0, 0)
            let sealed = parts.sealed(q: q, n: chain.n, previous: chain.sum)
            let sum = checksum(sealed.dropLast(endBytes))
            chains[parts.stream] = (chain.n + 1, sum)
            q &+= 1
            batch.count += 1
            batch.bytes += sealed.count + 1
            batch.sums += hex(sum)
            batch.owners += parts.ownerTag
            return sealed
        }
    }

    private static func number(after name: StaticString, in line: ArraySlice<UInt8>) -> UInt64? {
        RecordParts.find(name, in: line).flatMap { start in
            let digits = line[(start + name.utf8CodeUnitCount)...].prefix { $0 &- 0x30 < 10 }
            return UInt64(String(decoding: digits, as: UTF8.self))
        }
    }

    /// A segment's header whose name says the same as its numbers.
    private static func renamed(_ line: ArraySlice<UInt8>, first: UInt64) -> [UInt8] {
        guard let start = RecordParts.find(",\"segment\":\"", in: line),
            let end = line[(start + 12)...].firstIndex(of: UInt8(ascii: "\""))
        else { return Array(line) }
        func padded(_ number: UInt64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let epoch = number(after: ",\"epoch\":", in: line) ?? 1
        return line[..<(start + 12)] + Array("\(padded(first, 20))-\(padded(epoch, 6))".utf8) + line[end...]
    }

    /// A stream file in which every line that can be taken for a record follows the one before it.
    static func stream(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8]?
        var chain: (n: UInt64, q: UInt64, sum: UInt32) = (0, 1, 0)
        return mapLines(bytes) { line in
            guard var parts = RecordParts(line) else { return hasEnd(line) ? closed(line) : Array(line) }
            stream = stream ?? parts.stream
            parts.stream = stream ?? parts.stream
            let sealed = parts.sealed(q: chain.q, n: chain.n, previous: chain.sum)
            chain = (chain.n + 1, chain.q + 2, checksum(sealed.dropLast(endBytes)))
            return sealed
        }
    }

    /// What a record's line says besides its numbers.
    private struct RecordParts {
        var time: [UInt8]
        var stream: [UInt8]
        /// From `"k":` to before the checksum.
        var rest: [UInt8]

        init?(_ line: ArraySlice<UInt8>) {
            let body = hasEnd(line) ? line.dropLast(endBytes) : line
            guard body.starts(with: "{\"q\":".utf8), let time = Self.value(of: ",\"t\":\"", in: body),
                let stream = Self.value(of: ",\"s\":\"", in: body), let kind = Self.find(",\"k\":\"", in: body)
            else { return nil }
            self.time = time
            self.stream = stream
            rest = Array(body[(kind + 1)...])
        }

        func sealed(q: UInt64, n: UInt64, previous: UInt32) -> [UInt8] {
            var line = Array("{\"q\":\(q),\"t\":\"".utf8) + time + Array("\",\"s\":\"".utf8) + stream
            line += Array("\",\"n\":\(n),\"p\":\"".utf8) + hex(previous) + Array("\",".utf8)
            if n == 0 { line += Array("\"v\":1,".utf8) }
            return closed((line + rest)[...])
        }

        /// What a commit line says of the owner, as far as it needs to be right.
        var ownerTag: [UInt8] { hex(checksum(stream)) }

        static func find(_ text: StaticString, in body: ArraySlice<UInt8>) -> Int? {
            let (wanted, count) = (text.utf8Start, text.utf8CodeUnitCount)
            guard body.count >= count else { return nil }
            return body.withUnsafeBufferPointer { bytes in
                (0...bytes.count - count).first { at in
                    (0..<count).allSatisfy { bytes[at + $0] == wanted[$0] }
                }
            }.map { body.startIndex + $0 }
        }

        private static func value(of name: StaticString, in body: ArraySlice<UInt8>) -> [UInt8]? {
            guard let start = find(name, in: body) else { return nil }
            let from = start + name.utf8CodeUnitCount
            guard let end = body[from...].firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            return Array(body[from..<end])
        }
    }

    // MARK: - Snapshots and marks

    /// A snapshot whose header and chunks have right lengths, as far as they fit, and checksums, and a right end.
    static func snapshot(_ bytes: [UInt8]) -> [UInt8] {
        guard let lineEnd = bytes.firstIndex(of: 10) else { return bytes }
        var result = closed(bytes[..<lineEnd]) + [10]
        var offset = lineEnd + 1
        var chunks: UInt64 = 0
        while bytes.count - offset >= 12 {
            let kind = word(bytes, offset)
            let length = min(Int(word(bytes, offset + 4)), bytes.count - offset - 12)
            guard kind != 9 else { break }
            let content = bytes[offset + 12..<offset + 12 + length]
            append(chunk: kind, content, to: &result)
            chunks += 1
            offset += 12 + length
        }
        append(chunk: 9, (0..<8).map { UInt8(truncatingIfNeeded: chunks >> UInt64(8 * $0)) }[...], to: &result)
        return result
    }

    private static func append(chunk kind: UInt32, _ content: ArraySlice<UInt8>, to result: inout [UInt8]) {
        for word in [kind, UInt32(content.count), checksum(content)] {
            for shift in [UInt32(0), 8, 16, 24] { result.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        result += content
    }

    static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    /// Marks whose checksums are right; the first slot belongs to the start and has none.
    static func marks(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        for slot in stride(from: 256, to: bytes.count - 255, by: 256) {
            let used = 36 + min(Int(word(bytes, slot + 28)), 200)
            let sum = checksum(bytes[slot + 4..<slot + used])
            for index in 0..<4 { result[slot + index] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * index)) }
        }
        return result
    }
}
