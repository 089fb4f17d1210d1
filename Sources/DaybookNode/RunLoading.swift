package import Daybook
import DaybookCore
import DaybookJournal
import DaybookSystem
import DaybookValues
import Synchronization

/// What a run needs to go on.
package struct LoadedRun: Sendable {
    package var input: [UInt8]
    package var memo: Memo
    /// Of the code between steps, from 1.
    package var attempt: Int
    /// All results, for a run behind a URL: what it is called with, in journal order.
    package var results: [(key: String, memo: [UInt8])] = []
}

/// Why the record of a run could not be read.
package struct LoadError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// No byte was found wrong: a call failed. Trying again later can help.
    package let isTemporary: Bool

    package init(_ description: String, isTemporary: Bool = false) {
        self.description = description
        self.isTemporary = isTemporary
    }

    /// Only what was read and is wrong, or is nowhere any more, condemns a run; that a call failed never does.
    init(reading error: any Error) {
        switch error {
        case let error as LoadError: self = error
        case let error as FileError: self.init("\(error)", isTemporary: true)
        case RunRecordsError.file(let error): self.init("\(error)", isTemporary: true)
        default: self.init("\(error)")
        }
    }
}

/// A run to be read from the journal.
package struct LoadRequest: Sendable {
    let journal: Journal
    /// The core's view of the run at the moment of the request.
    let summary: RunSummary
    /// The last record that counts: later ones are handed to the run one by one.
    let upTo: UInt64
    /// Whether the results themselves are wanted, as a run behind a URL is called with them.
    let keepsResults: Bool
    let completion: @Sendable (Result<LoadedRun, LoadError>) -> Void

    init(
        journal: Journal, summary: RunSummary, upTo: UInt64, keepsResults: Bool = false,
        completion: @escaping @Sendable (Result<LoadedRun, LoadError>) -> Void
    ) {
        self.keepsResults = keepsResults
        self.journal = journal
        self.summary = summary
        self.upTo = upTo
        self.completion = completion
    }

    /// Reads it, on the caller's thread.
    package func perform() {
        do {
            let history = try RunHistory(journal, summary.id, upTo: upTo, keepsResults: keepsResults)
            let memo = Memo(entries: history.memo, openCalls: openCalls)
            let input = try history.input(in: journal)
            completion(
                .success(
                    LoadedRun(input: input, memo: memo, attempt: summary.attempt, results: history.results)))
        } catch {
            let error = LoadError(reading: error)
            completion(
                .failure(
                    LoadError("its record cannot be read: \(error.description)", isTemporary: error.isTemporary)))
        }
    }

    private var openCalls: [StepKey: Memo.OpenCall] {
        var calls: [StepKey: Memo.OpenCall] = [:]
        for open in summary.open {
            calls[StepKey(text: open.key)] =
                open.kind == .retry ? .retrying(nextAttempt: open.attempt, isDue: open.isReady) : .waiting
        }
        return calls
    }
}

/// Where runs are read, off the writer's thread.
package protocol RunLoading: Sendable {
    func load(_ request: LoadRequest)
    /// Ends the threads; what was asked before is done first.
    func stop()
}

/// Reads runs on threads of its own.
package final class ThreadedLoader: RunLoading {
    private struct State {
        var requests: [LoadRequest] = []
        var head = 0
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wake = Wake()
    private let thread = Mutex<DedicatedThread?>(nil)

    package init() {
        let started = DedicatedThread(name: "daybook-loader") { [self] in run() }
        thread.withLock { $0 = started }
    }

    package func load(_ request: LoadRequest) {
        state.withLock { $0.requests.append(request) }
        wake.signal()
    }

    package func stop() {
        state.withLock { $0.isStopping = true }
        wake.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func run() {
        while true {
            let (request, isStopping) = state.withLock { state -> (LoadRequest?, Bool) in
                guard state.head < state.requests.count else {
                    state.requests.removeAll(keepingCapacity: true)
                    state.head = 0
                    return (nil, state.isStopping)
                }
                defer { state.head += 1 }
                return (state.requests[state.head], false)
            }
            if let request {
                request.perform()
            } else if isStopping {
                return
            } else {
                wake.wait()
            }
        }
    }
}

/// Reads runs at once, on the writer's own thread: for tests and the simulator.
package struct ImmediateLoader: RunLoading {
    package init() {}
    package func load(_ request: LoadRequest) { request.perform() }
    package func stop() {}
}
