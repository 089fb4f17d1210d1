import DaybookValues

extension RunExtras {
    func write(to writer: inout StateWriter) {
        var text: [UInt8] = []
        flow.append(to: &text)
        writer.write(text)
        writer.write(eventCount)
        callers.write(to: &writer)
        writer.write(UInt64(cancelNumbers.count))
        for number in cancelNumbers { writer.write(number) }
        writer.write(isAdmitted)
        writer.write(cancelReason != nil)
        if let cancelReason { writer.write(cancelReason) }
    }

    convenience init(from reader: inout StateReader) throws(SnapshotError) {
        let flow = try RunFlow(from: &reader)
        let eventCount = try reader.amount()
        let callers = try [HeldEvent.Caller](from: &reader)
        var numbers: [UInt64] = []
        for _ in 0..<(try reader.count()) { numbers.append(try reader.counter()) }
        guard numbers.count == flow.cancelOn.count else {
            throw SnapshotError("a run in the snapshot has lost what cancels it")
        }
        self.init(flow: flow, eventCount: eventCount, callers: callers, cancelNumbers: numbers)
        isAdmitted = try reader.bool()
        if try reader.bool() { cancelReason = try reader.string() }
    }
}

extension RunFlow {
    fileprivate init(from reader: inout StateReader) throws(SnapshotError) {
        let text = try reader.text()
        guard (try? JSONText.check(text)) != nil else {
            throw SnapshotError("flow control in the snapshot is not JSON")
        }
        self = text.withUnsafeBufferPointer { RunFlow(JSONFields.Field(value: $0).fields) }
    }
}

extension [HeldEvent.Caller] {
    fileprivate func write(to writer: inout StateWriter) {
        writer.write(UInt64(count))
        for caller in self {
            writer.write(caller.run)
            writer.write(caller.key)
            writer.write(caller.child)
        }
    }

    fileprivate init(from reader: inout StateReader) throws(SnapshotError) {
        self = []
        for _ in 0..<(try reader.count()) {
            append(HeldEvent.Caller(run: try reader.id(), key: try reader.string(), child: try reader.id()))
        }
    }
}

extension Hold {
    func write(to writer: inout StateWriter) {
        writer.write(id)
        writer.write(UInt64(function))
        writer.write(kind == .debounce ? 0 as UInt64 : 1)
        writer.write(key)
        writer.write(firstAt)
        writer.write(lastAt)
        writer.write(due)
        var text: [UInt8] = []
        flow.append(to: &text)
        writer.write(text)
        callers.write(to: &writer)
        writer.write(UInt64(events.count))
        for event in events {
            writer.write(event.id)
            writer.write(event.key != nil)
            if let key = event.key { writer.write(key) }
            writer.write(event.name)
            writer.write(event.timestamp)
            writer.write(event.json)
        }
    }

    init(from reader: inout StateReader, functionCount: Int) throws(SnapshotError) {
        id = try reader.id()
        let function = Int(truncatingIfNeeded: try reader.number())
        guard (0..<functionCount).contains(function) else {
            throw SnapshotError("a debounce or batch in the snapshot has no function")
        }
        self.function = function
        switch try reader.number() {
        case 0: kind = .debounce
        case 1: kind = .batch
        default: throw SnapshotError("the snapshot holds events in a way that is not known")
        }
        key = try reader.string()
        firstAt = try reader.time()
        lastAt = try reader.time()
        due = try reader.time()
        flow = try RunFlow(from: &reader)
        callers = try [HeldEvent.Caller](from: &reader)
        events = []
        bytes = 0
        for _ in 0..<(try reader.count()) {
            let id = try reader.id()
            let key: String? = try reader.bool() ? try reader.string() : nil
            let name = try reader.string()
            let timestamp = try reader.time()
            let json = try reader.text()
            guard (try? JSONText.check(json)) != nil else {
                throw SnapshotError("an event held in the snapshot is not JSON")
            }
            bytes += json.count
            events.append(Held(id: id, key: key, name: name, timestamp: timestamp, json: json))
        }
    }
}
