import DaybookCore

/// What flow control did in simulated worlds. Runs are counted once for each kind.
package enum FlowKind: String, CaseIterable, Sendable {
    /// Of a world: some of its functions have settings.
    case worldsWithFlow
    case runsWaitedForPlace
    /// Bodies that began when their limit was reached by them.
    case limitsReached
    /// They keep their places for that long.
    case bodiesThatOutlivedTheirRuns
    case runsWaitedForRuns
    case runsWaitedForThrottle
    case runsWaitedForSingleton
    case runsWaitedForResume
    case runsAdmitted
    /// Runs that began before one that was queued earlier and waited for the same.
    case runsPutBefore
    case droppedDuplicate
    case droppedRateLimited
    case droppedSingleton
    case droppedPaused
    case droppedOlder
    case droppedExpression
    case eventsDebounced
    case runsOfDebounces
    case debouncesCutByTimeout
    case eventsBatched
    case runsOfFullBatches
    case runsOfDueBatches
    case holdsDropped
    case invokesHeld
    case invokesRefused
    case keysFailed
    case triggersNotMet
    case cancelledByEvent
    case cancelledBySingleton
    case cancelledInBulk
    case startTimeouts
    case finishTimeouts
    case waitsWithCondition
    case functionsPaused
    case functionsResumed
    case limitsChanged
    case limitsChangedWhileUp
    case functionsInvokedByName
    case followUpsAdded
    case followUpsAborted
    /// Events of follow-ups, whatever came of them.
    case followUpsScheduled
}

extension FlowKind {
    /// In words, for a report.
    package var name: String {
        var words = ""
        for character in rawValue {
            if character.isUppercase { words += " " + character.lowercased() } else { words.append(character) }
        }
        return words
    }
}

extension FlowKind {
    /// Of an event that started no run.
    init(_ reason: Dropped.Reason) {
        self =
            switch reason {
            case .duplicate: .droppedDuplicate
            case .rateLimited: .droppedRateLimited
            case .singleton: .droppedSingleton
            case .paused: .droppedPaused
            case .older: .droppedOlder
            case .expression, .other: .droppedExpression
            }
    }
}
