package import DaybookCore
package import DaybookJournal
package import DaybookValues

/// Builds the core's state up again from the journal.
package struct CoreReplay: JournalReplay {
    private let limits: CoreLimits
    private let retryPolicy: RetryPolicy
    package private(set) var core: Core
    /// Of the last process whose first batch is in the journal; 0 when that is not known.
    package private(set) var lastEpoch: UInt32 = 0

    /// A core that knows nothing yet.
    package init(limits: CoreLimits, retryPolicy: RetryPolicy) {
        self.limits = limits
        self.retryPolicy = retryPolicy
        core = Core(limits: limits, retryPolicy: retryPolicy)
    }

    package mutating func reset() {
        core = Core(limits: limits, retryPolicy: retryPolicy)
        lastEpoch = 0
    }

    package mutating func restore(_ snapshot: inout SnapshotReader) throws {
        var state: [UInt8] = []
        state.reserveCapacity(snapshot.fileBytes)
        while let slice = snapshot.next() { state.append(contentsOf: slice) }
        try core.restore(snapshot: state[...])
    }

    package mutating func apply(_ view: RecordView) throws {
        let record: Record
        do throws(RecordError) {
            record = try view.decoded()
        } catch .unknownKind(let kind) {
            throw UnknownRecordKind(kind.utf8)
        }
        let stream: RecordStream =
            switch view.stream {
            case .run(let id): .run(id)
            case .events: .events
            case .system: .system
            }
        try core.apply(record, stream: stream, at: view.time)
        if case .epochOpened(let epoch, _) = record { lastEpoch = epoch }
    }

    /// The node ends the run with a record of its own, once the log can be written.
    package mutating func quarantine(_ run: ULID, because reason: QuarantineReason) {}
}

extension RecordView {
    /// The record that the line says.
    package func decoded() throws(RecordError) -> Record {
        let result = kind.withUnsafeBufferPointer { kind in
            payload.withUnsafeBufferPointer { payload -> Result<Record, RecordError> in
                do throws(RecordError) {
                    return .success(try Record(kind: kind, payload: payload))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }
}
