/// What is recorded of a run that is started again.
package struct Memo: Sendable {
    package enum Result: Sendable {
        case output([UInt8])
        /// Read when the code asks for it, on the run's thread. A throw sets the run aside: `RunOutcome.unreadableMemo`.
        case stored(@Sendable () throws -> [UInt8])
        case failed(ErrorFacts)
    }

    package struct Entry: Sendable {
        package var key: StepKey
        package var result: Result

        package init(_ key: StepKey, _ result: Result) {
            self.key = key
            self.result = result
        }
    }

    /// A call that was made and has no final result yet.
    package enum OpenCall: Sendable, Hashable {
        /// A sleep, wait or invoke under way: it is not opened a second time.
        case waiting
        /// A step between two attempts. When `isDue` the body runs as soon as the code comes to it; else `deliver`
        /// says `.retry` when it is time. Also for a step whose attempt the process did not survive.
        case retrying(nextAttempt: Int, isDue: Bool)
    }

    /// Final results, in journal order: the order in which they are handed to the code.
    package var entries: [Entry]
    package var openCalls: [StepKey: OpenCall]

    package init(entries: [Entry] = [], openCalls: [StepKey: OpenCall] = [:]) {
        self.entries = entries
        self.openCalls = openCalls
    }
}
