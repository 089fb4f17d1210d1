import DaybookValues

extension Run {
    func write(to writer: inout StateWriter) {
        writer.write(id)
        writer.write(UInt64(function))
        switch cause {
        case .event: writer.write(0 as UInt64)
        case .cron: writer.write(1 as UInt64)
        case .invoke(let parent, let key):
            writer.write(2 as UInt64)
            writer.write(parent)
            writer.write(key)
        case .retry(let origin):
            writer.write(3 as UInt64)
            writer.write(origin)
        }
        writer.write(isLifecycleHandler)
        writer.write(queuedAt)
        writer.write(startAt)
        writer.write(startedAt)
        writer.write(timeoutAt)
        writer.write(attempt)
        writer.write(retryAt)
        writer.write(retryNumber)
        writer.write(stepCount)
        writer.write(stateBytes)
        writer.write(isParked)
        writer.write(extras != nil)
        if let extras { extras.write(to: &writer) }
        writer.write(remote != nil)
        if let remote { remote.write(to: &writer) }
        writer.write(UInt64(open.count))
        for step in open {
            writer.write(step.key)
            writer.write(step.number)
            writer.write(step.due)
            writer.write(step.attempt)
            switch step.kind {
            case .sleep(let isUntil): writer.write(isUntil ? 1 as UInt64 : 0)
            case .wait(let event, let matches, let condition):
                writer.write(condition == nil ? 2 as UInt64 : 6)
                writer.write(event)
                writer.write(UInt64(matches.count))
                for match in matches {
                    writer.write(match.path)
                    writer.write(match.value)
                }
                if let condition {
                    writer.write(condition.source)
                    writer.write(condition.captured)
                }
            case .signal(let name, let isReplaced):
                writer.write(isReplaced ? 8 as UInt64 : 7)
                writer.write(name)
            case .invoke(let child):
                writer.write(3 as UInt64)
                writer.write(child)
            case .retry(let isSuspect): writer.write(isSuspect ? 5 as UInt64 : 4)
            }
        }
    }

    /// - Parameter version: of the snapshot.
    convenience init(
        from reader: inout StateReader, functionCount: Int, version: UInt64
    ) throws(SnapshotError) {
        let id = try reader.id()
        let function = Int(truncatingIfNeeded: try reader.number())
        guard (0..<functionCount).contains(function) else { throw SnapshotError("run \(id.text) has no function") }
        let cause: QueuedRun.Cause
        switch try reader.number() {
        case 0: cause = .event
        case 1: cause = .cron
        case 2: cause = .invoke(parent: try reader.id(), key: try reader.string())
        case 3: cause = .retry(of: try reader.id())
        default: throw SnapshotError("run \(id.text) has an unknown cause")
        }
        self.init(
            id: id, function: function, cause: cause, isLifecycleHandler: try reader.bool(),
            queuedAt: try reader.time(), startAt: try reader.optionalTime())
        startedAt = try reader.optionalTime()
        timeoutAt = try reader.optionalTime()
        attempt = try reader.amount()
        retryAt = try reader.optionalTime()
        retryNumber = try reader.counter()
        stepCount = try reader.amount()
        stateBytes = try reader.amount(max: .max >> 8)
        isParked = try reader.bool()
        if version >= 2, try reader.bool() { extras = try RunExtras(from: &reader) }
        if version >= 3, try reader.bool() { remote = try RunRemote(from: &reader) }
        for _ in 0..<(try reader.count()) {
            let key = try reader.string()
            let opening = try reader.counter()
            let due = try reader.time()
            let attempt = try reader.amount()
            let kind: OpenStep.Kind
            switch try reader.number() {
            case 0: kind = .sleep(isUntil: false)
            case 1: kind = .sleep(isUntil: true)
            case let number where number == 2 || number == 6 && version >= 2:
                let event = try reader.string()
                var matches: [FieldMatch] = []
                for _ in 0..<(try reader.count()) {
                    matches.append(FieldMatch(path: try reader.string(), value: try reader.text()))
                }
                var condition: WaitCondition?
                if number == 6 {
                    condition = WaitCondition(source: try reader.string(), captured: try reader.text())
                }
                kind = .wait(event: event, matches: matches, condition: condition)
            case 3: kind = .invoke(child: try reader.id())
            case 4: kind = .retry(isSuspect: false)
            case 5: kind = .retry(isSuspect: true)
            case 7 where version >= 3: kind = .signal(name: try reader.string(), isReplaced: false)
            case 8 where version >= 3: kind = .signal(name: try reader.string(), isReplaced: true)
            default: throw SnapshotError("step '\(key)' of run \(id.text) is of an unknown kind")
            }
            open.append(OpenStep(key: key, kind: kind, number: opening, due: due, attempt: attempt))
        }
    }
}

extension RunRemote {
    func write(to writer: inout StateWriter) {
        writer.write(requestVersion ?? 0)
        writer.write(forcesPlan)
        writer.write(UInt64(deferred.count))
        for deferred in deferred {
            writer.write(deferred.key)
            writer.write(deferred.function)
            writer.write(deferred.isAborted)
            writer.write(deferred.input)
        }
    }

    convenience init(from reader: inout StateReader) throws(SnapshotError) {
        self.init()
        let version = try reader.amount()
        requestVersion = version == 0 ? nil : version
        forcesPlan = try reader.bool()
        for _ in 0..<(try reader.count()) {
            let key = try reader.string()
            let function = try reader.string()
            let isAborted = try reader.bool()
            let input = try reader.text()
            // It becomes part of an event.
            guard isAborted ? input.isEmpty : (try? JSONText.check(input)) != nil else {
                throw SnapshotError("a follow-up in the snapshot is not JSON")
            }
            deferred.append(Deferred(key: key, function: function, input: input, isAborted: isAborted))
        }
    }
}
