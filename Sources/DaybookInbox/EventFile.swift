package import DaybookCore
package import DaybookValues

/// Why a file cannot be taken, for the person who dropped it.
package struct EventFileError: Error, Equatable {
    /// What is wrong, with its place.
    package var problem: String
    /// What to do about it.
    package var advice: String
}

/// Some events of a file, and how far into the file they reach.
package struct EventChunk {
    package var events: [Event]
    /// Bytes of the file up to the end of the last of them; all of its bytes when `isWhole`.
    package var offset: Int
    package var isWhole: Bool
}

/// The text of an inbox file, walked event by event.
///
/// `open` checks every byte and every event of it before the first chunk comes out. Chunks end where an event ends, so
/// an offset from an earlier process says the same thing again.
package struct EventFile {
    package enum Format { case json, lines }

    let bytes: [UInt8]
    private let format: Format
    /// After the byte order mark, if there is one.
    private let start: Int
    private let isArray: Bool
    /// Where the last event that was walked over ends; in a file of lines, where the line after it begins.
    private var position: Int
    /// Events walked over so far.
    private var index = 0
    /// The end of the array was seen.
    private var hasEnded = false
    package private(set) var eventCount = 0

    private init(_ bytes: [UInt8], _ format: Format) {
        self.bytes = bytes
        self.format = format
        start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        position = start
        let first = bytes[start...].first { !Self.isWhite($0) }
        isArray = format == .json && first == UInt8(ascii: "[")
    }

    /// Checks the whole file.
    ///
    /// - Parameters:
    ///   - offset: how far an earlier process has committed it, 0 for a new one.
    ///   - make: makes and checks one event.
    /// - Returns: the file and the first chunk after `offset`.
    /// - Throws: `EventFileError`; also when no event ends at `offset`, which means another content than last time.
    package static func open(
        _ bytes: [UInt8], _ format: Format, from offset: Int, limits: InboxOptions,
        make: (JSONView) throws(EventError) -> Event
    ) throws(EventFileError) -> (file: EventFile, chunk: EventChunk) {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw EventFileError(problem: "the text is UTF-16", advice: "Save it as UTF-8.")
        }
        var file = EventFile(bytes, format)
        var chunk = EventChunk(events: [], offset: offset, isWhole: false)
        var isFull = false
        var isResumable = offset == 0
        var resumeIndex = 0
        while let view = try file.next() {
            let event: Event
            do throws(EventError) {
                event = try make(view)
            } catch {
                throw file.eventError(error, view)
            }
            if file.position == offset { isResumable = true }
            guard file.position > offset else { continue }
            isFull = isFull || !chunk.hasRoom(for: file.position, from: offset, limits)
            if !isFull {
                chunk.events.append(event)
                chunk.offset = file.position
                resumeIndex = file.index
            }
        }
        guard file.index > 0 else {
            throw EventFileError(
                problem: bytes[file.start...].allSatisfy(Self.isWhite)
                    ? "the file is empty" : "there is no event in the file",
                advice: "Write an object with a \"name\", such as {\"name\":\"order.placed\",\"data\":{}}.")
        }
        guard isResumable, !chunk.events.isEmpty else {
            throw EventFileError(
                problem: "the file's first \(offset) bytes are not what they were when they were taken",
                advice: "")
        }
        file.eventCount = file.index
        file.position = chunk.offset
        file.index = resumeIndex
        file.hasEnded = false
        file.close(&chunk)
        return (file, chunk)
    }

    /// The chunk after the last one. Only while that was not the end.
    package mutating func nextChunk(
        limits: InboxOptions, make: (JSONView) throws(EventError) -> Event
    ) throws(EventFileError) -> EventChunk {
        let from = position
        var chunk = EventChunk(events: [], offset: from, isWhole: false)
        while index < eventCount {
            let (positionBefore, indexBefore) = (position, index)
            guard let view = try next() else { break }
            guard chunk.hasRoom(for: position, from: from, limits) else {
                (position, index) = (positionBefore, indexBefore)
                break
            }
            do throws(EventError) {
                chunk.events.append(try make(view))
            } catch {
                throw eventError(error, view)
            }
            chunk.offset = position
        }
        close(&chunk)
        return chunk
    }

    private func close(_ chunk: inout EventChunk) {
        guard index == eventCount else { return }
        chunk.isWhole = true
        chunk.offset = bytes.count
    }

    // MARK: - Walking

    /// The next event's text, checked to be JSON; nil at the end.
    private mutating func next() throws(EventFileError) -> JSONView? {
        switch format {
        case .lines: try nextLine()
        case .json: try isArray ? nextElement() : nextValue()
        }
    }

    private mutating func nextLine() throws(EventFileError) -> JSONView? {
        while position < bytes.count {
            let lineStart = position
            let lineEnd = bytes[lineStart...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            position = min(lineEnd + 1, bytes.count)
            guard !bytes[lineStart..<lineEnd].allSatisfy(Self.isWhite) else { continue }
            let range = try scan(from: lineStart, to: lineEnd) { (scanner) throws(JSONError) in
                scanner.skipWhitespace()
                let valueStart = scanner.position
                try scanner.skipValue()
                let value = valueStart..<scanner.position
                scanner.skipWhitespace()
                guard scanner.isAtEnd else { throw scanner.error("text after the end of the event") }
                return value
            }
            index += 1
            return JSONView(bytes, in: range)
        }
        return nil
    }

    private mutating func nextElement() throws(EventFileError) -> JSONView? {
        guard !hasEnded else { return nil }
        let isFirst = position == start
        let range = try scan(from: position, to: bytes.count) { (scanner) throws(JSONError) -> Range<Int>? in
            scanner.skipWhitespace()
            let isEnd: Bool
            if isFirst {
                scanner.position += 1
                scanner.skipWhitespace()
                isEnd = scanner.current == UInt8(ascii: "]")
            } else {
                isEnd = scanner.current == UInt8(ascii: "]")
                if !isEnd {
                    guard scanner.current == UInt8(ascii: ",") else {
                        throw scanner.error(
                            scanner.isAtEnd
                                ? "the text ends where ',' or ']' should be" : "neither ',' nor ']' after an element")
                    }
                    scanner.position += 1
                    scanner.skipWhitespace()
                }
            }
            guard !isEnd else {
                scanner.position += 1
                scanner.skipWhitespace()
                guard scanner.isAtEnd else { throw scanner.error("text after the end of the array") }
                return nil
            }
            let valueStart = scanner.position
            try scanner.skipValue(depth: 1)
            return valueStart..<scanner.position
        }
        guard let range else {
            hasEnded = true
            return nil
        }
        position = range.upperBound
        index += 1
        return JSONView(bytes, in: range)
    }

    private mutating func nextValue() throws(EventFileError) -> JSONView? {
        guard index == 0, !bytes[start...].allSatisfy(Self.isWhite) else { return nil }
        let range = try scan(from: start, to: bytes.count) { (scanner) throws(JSONError) in
            scanner.skipWhitespace()
            let valueStart = scanner.position
            try scanner.skipValue()
            let value = valueStart..<scanner.position
            scanner.skipWhitespace()
            guard scanner.isAtEnd else { throw scanner.error("text after the end of the event") }
            return value
        }
        position = bytes.count
        index = 1
        return JSONView(bytes, in: range)
    }

    private func scan<Value>(
        from start: Int, to end: Int, _ body: (inout JSONScanner) throws(JSONError) -> Value
    ) throws(EventFileError) -> Value {
        do throws(JSONError) {
            return try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) -> Value in
                var scanner = JSONScanner(UnsafeBufferPointer(rebasing: buffer[..<end]), at: start)
                return try body(&scanner)
            }
        } catch {
            throw jsonError(error, end: end)
        }
    }

    private static func isWhite(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    // MARK: - Errors

    private func jsonError(_ error: JSONError, end: Int) -> EventFileError {
        let next = error.offset < bytes.count ? bytes[error.offset] : 0
        // A string that does not end is reported where it begins.
        let isCutOff = error.offset >= end || error.message.hasPrefix("the text ends")
        let advice: String
        if isCutOff, end == bytes.count {
            advice = """
                It looks half-written. Write it under a name that ends in .tmp, and rename it once it is complete.
                """
        } else if isCutOff {
            advice = "In a file of this kind every event stands whole on one line; correct the line, or use .json."
        } else if format == .json, !isArray, index == 0, next == UInt8(ascii: "{") || next == UInt8(ascii: ",") {
            advice = "For several events use an array, or one event per line in a file that ends in .jsonl."
        } else {
            advice = "Correct the file."
        }
        return EventFileError(problem: "\(error)", advice: advice)
    }

    /// Called right after the event was walked over.
    private func eventError(_ error: EventError, _ view: JSONView) -> EventFileError {
        let (line, column) = place(of: view.range.lowerBound)
        let which = isArray ? "event \(index) of the array: " : ""
        return EventFileError(
            problem: "line \(line), column \(column): \(which)\(error.message)", advice: "Correct the event.")
    }

    private func place(of offset: Int) -> (line: Int, column: Int) {
        var line = 1
        var lineStart = 0
        for index in 0..<offset where bytes[index] == UInt8(ascii: "\n") {
            line += 1
            lineStart = index + 1
        }
        return (line, offset - lineStart + 1)
    }
}

extension EventChunk {
    /// Whether an event that ends at `position` still fits. The first one always does.
    fileprivate func hasRoom(for position: Int, from start: Int, _ limits: InboxOptions) -> Bool {
        events.isEmpty || (events.count < limits.events.countMax && position - start <= limits.chunkBytesMax)
    }
}
