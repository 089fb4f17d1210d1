/// Everything that goes wrong in the simulated world. Each is counted when it happened; a kill within a write and calls that
/// are interrupted or cut short are counted when they are planned, and `diskFull` counts calls that found no room too.
package enum FaultKind: String, CaseIterable, Sendable {
    case processKilled
    case killedWithinWrite
    case killedByStep
    case powerLost
    case powerLostWithinStart
    case killedWithinStart
    case flushFailed
    case directoryFlushFailed
    case writeFailed
    case readFailed
    case openFailed
    case renameFailed
    case unlinkFailed
    case otherCallFailed
    case diskFull
    case quotaReached
    case readOnly
    case outOfDescriptors
    case callsInterrupted
    case callsCutShort
    case clockSetBack
    case clockSetForward
    case suspended
    case secondProcess
    case hotCopy
    case functionsChanged
    case stopWithWorkUnderWay
    case runCancelled
    case brokenInboxFile
    case bitFlipped
    case fileTruncated
    case fileDeleted
    case filesSwapped
}

extension FaultKind {
    /// In words, for a report.
    package var name: String {
        var words = ""
        for character in rawValue {
            if character.isUppercase { words += " " + character.lowercased() } else { words.append(character) }
        }
        return words
    }
}
