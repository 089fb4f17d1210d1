package import DaybookSystem
package import DaybookValues
internal import Synchronization

/// Copies flushed records from the log into the files of their streams, and makes those durable.
///
/// The writer does nothing for stream files and holds nothing in memory for them: the follower reads the log. `step`
/// may be called from any thread; one at a time does the work and the others wait for it.
package final class Follower: Sendable {
    private let disk: any Disk
    private let options: JournalOptions
    private let state: LogState
    private let work: Mutex<FollowerWork>
    /// The last record that every stream file has.
    private let followedQ: Mutex<UInt64>
    private let captureAt = Mutex<UInt64?>(nil)
    private let notes = Mutex<[String]>([])
    private let found = Mutex<[(run: ULID, reason: QuarantineReason)]>([])
    let wake = Wake()

    init(disk: any Disk, options: JournalOptions, state: LogState, recovery: Recovery, verifiesFiles: Bool) {
        self.disk = disk
        self.options = options
        self.state = state
        var work = FollowerWork(recovery: recovery)
        if verifiesFiles { work.startOver(disk, segments: state.contents.withLock { $0.segments }) }
        followedQ = Mutex(work.q)
        self.work = Mutex(work)
    }

    /// Copies the next piece of the flushed log, at most `followBytesMax` of it.
    /// - Returns: whether anything was copied; false means that there is nothing left to copy.
    @discardableResult
    package func step() throws(FileError) -> Bool {
        let result: Result<Bool, FileError> = work.withLock { work in
            do throws(FileError) {
                return .success(try stepLocked(&work))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Copies at least everything up to a record.
    package func catchUp(to q: UInt64) throws(FileError) {
        while followedQ.withLock({ $0 }) < min(q, state.flushedQ) {
            guard try step() else { return }
        }
    }

    func catchUpOrThrow(to q: UInt64) throws(RunRecordsError) {
        do throws(FileError) { try catchUp(to: q) } catch { throw .file(error) }
    }

    /// Flushes every stream file written since the last checkpoint.
    /// - Returns: the record up to which the stream files are durable.
    @discardableResult
    package func checkpoint() throws(FileError) -> UInt64 {
        let result: Result<UInt64, FileError> = work.withLock { work in
            do throws(FileError) {
                return .success(try work.checkpoint(disk, segments: state.contents.withLock { $0.segments }))
            } catch {
                return .failure(error)
            }
        }
        reportQuarantined()
        return try result.get()
    }

    /// Makes the file of a stream whole that is gone or has lost bytes, from what is left of it and from the log.
    /// - Returns: false when it lost nothing, or when what it lost is in no segment any more.
    package func restore(_ stream: StreamID) throws(FileError) -> Bool {
        let segments = state.contents.withLock { $0.segments }
        let result: Result<Bool, FileError> = work.withLock { work in
            do throws(FileError) {
                guard work.files[stream] != nil else { return .success(false) }
                return .success(try work.makeWhole(disk, stream, segments))
            } catch {
                return .failure(error)
            }
        }
        reportQuarantined()
        return try result.get()
    }

    /// Gives out the records of a stream that the log still has, in order: for when its file cannot be read.
    package func forEachLogged(_ stream: StreamID, _ body: (RecordView) -> Void) throws(FileError) {
        let segments = state.contents.withLock { $0.segments }
        let result: Result<[UInt32: [UInt8]], FileError> = work.withLock { work in
            do throws(FileError) {
                return .success(try work.loggedLines(disk, of: [stream], segments, upTo: .max)[stream] ?? [:])
            } catch {
                return .failure(error)
            }
        }
        for (_, line) in try result.get().sorted(by: { $0.key < $1.key }) {
            for record in StreamFile.records(line).records { body(record.view(of: line)) }
        }
    }

    /// What was found wrong with files since the last call and put right, or could not be. For the log.
    package func takeNotes() -> [String] {
        notes.withLock { notes in
            defer { notes = [] }
            return notes
        }
    }

    /// The record up to which the stream files are durable.
    package var checkpointQ: UInt64 { work.withLock { $0.checkpointQ } }
    /// The record up to which the stream files are written.
    package var writtenQ: UInt64 { followedQ.withLock { $0 } }

    /// Runs set aside since the last call because their lines or files failed. The node puts them on record.
    package func takeQuarantined() -> [(run: ULID, reason: QuarantineReason)] {
        found.withLock { found in
            defer { found = [] }
            return found
        }
    }

    /// Bytes and records of an unfinished stream's file; nil for a stream that has none, or has ended.
    package func fileState(of stream: StreamID) -> (bytes: UInt64, records: UInt32)? {
        work.withLock { work in work.files[stream].map { ($0.bytes, $0.n) } }
    }

    // MARK: - For the keeper

    /// Asks for a copy of the file table exactly at `q`, which must not be passed yet.
    func capture(at q: UInt64) {
        captureAt.withLock { $0 = q }
    }

    /// The copy, once the follower has come to `q`.
    func captured(at q: UInt64) -> (streams: [UInt8], quarantined: [QuarantinedRun])? {
        work.withLock { work in
            guard let captured = work.captured, captured.q == q else { return nil }
            return (captured.streams, captured.quarantined)
        }
    }

    func dropCapture() {
        captureAt.withLock { $0 = nil }
        work.withLock { $0.captured = nil }
    }

    var quarantinedRuns: [QuarantinedRun] {
        work.withLock { $0.quarantined.values.sorted { $0.run < $1.run } }
    }

    private func stepLocked(_ work: inout FollowerWork) throws(FileError) -> Bool {
        let (segments, flushedQ) = state.contents.withLock { ($0.segments, $0.flushedQ) }
        let stop = captureAt.withLock { $0 }
        if let stop, work.q == stop, work.captured?.q != stop { work.capture() }
        var target = flushedQ
        if let stop, work.q < stop { target = min(target, stop) }
        guard work.q < target else { return false }
        try work.step(disk, segments: segments, to: target, bytesMax: options.followBytesMax)
        if let stop, work.q == stop { work.capture() }
        let q = work.q
        followedQ.withLock { $0 = q }
        let (fresh, news) = (work.takeFound(), work.takeNotes())
        if !fresh.isEmpty { found.withLock { $0 += fresh } }
        if !news.isEmpty { notes.withLock { $0 += news } }
        return true
    }

    private func reportQuarantined() {
        let (fresh, news) = work.withLock { ($0.takeFound(), $0.takeNotes()) }
        if !fresh.isEmpty { found.withLock { $0 += fresh } }
        if !news.isEmpty { notes.withLock { $0 += news } }
    }
}
