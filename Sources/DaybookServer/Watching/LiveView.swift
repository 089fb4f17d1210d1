import DaybookValues
import NIOCore
import NIOPosix
import Synchronization

/// Records on their way to one reader, as server-sent events. A reader that is too slow is cut off.
final class LiveView: Sendable {
    /// Bytes that wait for the reader: 4 MiB.
    static let waitingBytesMax = 4 * 1_048_576
    /// Runs of a function that are followed at the same time: 100,000.
    static let runsMax = 100_000
    /// Seconds of silence after which a comment is sent, so that nobody takes the connection for dead.
    static let silenceMax: Int64 = 15

    /// Which records it shows.
    struct Filter: Sendable {
        /// Such as `run.completed`, or `run` for all of runs themselves; empty for every kind.
        var kinds: [String] = []
        var run: ULID?
        /// The whole id; with it, only records of its runs.
        var function: String?

        fileprivate func takes(kind: UnsafeBufferPointer<UInt8>) -> Bool {
            kinds.isEmpty
                || kinds.contains { wanted in
                    let wanted = wanted.utf8
                    guard kind.starts(with: wanted) else { return false }
                    return kind.count == wanted.count || kind[wanted.count] == UInt8(ascii: ".")
                }
        }
    }

    private struct State {
        var waiting: [UInt8] = []
        /// Of the function that is followed.
        var runs: Set<ULID> = []
        var reader: CheckedContinuation<Void, Never>?
        var isFinished = false
    }

    private let filter: Filter
    private let state = Mutex(State())

    init(_ filter: Filter) {
        self.filter = filter
    }

    /// Unfinished runs of the function that is followed.
    func follow(_ runs: [ULID]) {
        state.withLock { state in
            if state.runs.count + runs.count > Self.runsMax {
                _ = Self.end(&state, Self.tooManyRuns)
            } else {
                state.runs.formUnion(runs)
            }
        }
    }

    private static let tooManyRuns =
        ": cut off: the function has more than \(runsMax) unfinished runs; follow a single run"

    /// On the writer's thread.
    func take(_ line: JournalLine) {
        if let wanted = filter.run, line.run != wanted { return }
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.isFinished else { return nil }
            if let function = filter.function {
                guard let run = line.run else { return nil }
                if line.isKind("run.queued") {
                    guard line.function == function else { return nil }
                    guard state.runs.count < Self.runsMax else {
                        return Self.end(&state, Self.tooManyRuns)
                    }
                    state.runs.insert(run)
                } else if line.endsRun {
                    guard state.runs.remove(run) != nil else { return nil }
                } else {
                    guard state.runs.contains(run) else { return nil }
                }
            }
            guard filter.takes(kind: line.kind) else { return nil }
            guard state.waiting.count + line.text.count < Self.waitingBytesMax else {
                return Self.end(&state, ": cut off: more than \(Self.waitingBytesMax) bytes were waiting for you")
            }
            state.waiting.append(json: "id: ")
            state.waiting.append(json: line.q)
            state.waiting.append(json: "\nevent: ")
            state.waiting.append(contentsOf: line.kind)
            state.waiting.append(json: "\ndata: ")
            state.waiting.append(contentsOf: line.text)
            state.waiting.append(json: "\n\n")
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// - Parameter comment: the last thing that the reader is told.
    func finish(_ comment: String) {
        let reader = state.withLock { Self.end(&$0, comment) }
        reader?.resume()
    }

    private static func end(_ state: inout State, _ comment: String) -> CheckedContinuation<Void, Never>? {
        guard !state.isFinished else { return nil }
        state.isFinished = true
        state.waiting.append(contentsOf: "\(comment)\n\n".utf8)
        defer { state.reader = nil }
        return state.reader
    }

    /// What is to be sent next; nil after the end.
    func next() async -> [UInt8]? {
        if let bytes = take() { return bytes.isEmpty ? nil : bytes }
        let timer = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: .seconds(Self.silenceMax)) {
            self.wake()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isReady = state.withLock { state in
                if state.isFinished || !state.waiting.isEmpty { return true }
                state.reader = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        guard let bytes = take() else { return Array(": still here\n\n".utf8) }
        return bytes.isEmpty ? nil : bytes
    }

    /// What waits; empty after the end; nil when nothing does.
    private func take() -> [UInt8]? {
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting.isEmpty && !state.isFinished ? nil : state.waiting
        }
    }

    private func wake() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}
