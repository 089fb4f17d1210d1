import DaybookFakes
import DaybookJournal
package import DaybookSystem

/// Plays the scenario of the crash states again and again; each time another call to the disk fails in another way.
///
/// Every call of every kind fails once with each error that a system answers to such a call: alone, and together with
/// all later calls of its kind until the process ends. What has to hold:
/// - Either the process goes on, or it ends and says which file and which error did it; or it does not start, and the
///   error says so.
/// - A start without failures goes on to the end of the scenario: every run ends once and as it would have, every event
///   that was acknowledged is on record, no step runs again whose result was on disk.
/// - No run is set aside, nothing counts as damaged, the files of streams have what the log had, `Verifier` is content.
///   Only where the device goes on answering `EIO` may the run go whose file it is.
package struct FailingCallSweep: Sendable {
    package static let name = "failing calls"

    /// One call that fails.
    package struct Failure: Hashable, Sendable, CustomStringConvertible {
        package var operation: FileError.Operation
        /// How many calls of the kind go well before, counted from the making of the data directory.
        package var number: Int
        package var errno: Int32
        /// All later calls of the kind fail too, until the process ends.
        package var isLasting: Bool

        package init(_ operation: FileError.Operation, number: Int, errno: Int32, isLasting: Bool) {
            self.operation = operation
            self.number = number
            self.errno = errno
            self.isLasting = isLasting
        }

        package var description: String {
            "\(operation.rawValue) number \(number) fails with errno \(errno)\(isLasting ? ", and all after it" : "")"
        }
    }

    static let eio: Int32 = 5
    private static let emfile: Int32 = 24
    private static let enospc: Int32 = 28
    static let erofs: Int32 = 30
    private static let edquot: Int32 = 122

    /// What a system may answer. `EINTR` is dealt with below these calls and never comes up to them.
    static let errors: [(FileError.Operation, [Int32])] = [
        (.open, [eio, emfile, enospc, edquot, erofs]),
        (.read, [eio]),
        (.write, [eio, enospc, edquot, erofs]),
        (.sync, [eio, enospc, edquot]),
        (.truncate, [eio, enospc, erofs]),
        (.stat, [eio]),
        (.list, [eio, emfile]),
        (.rename, [eio, enospc, edquot, erofs]),
        (.unlink, [eio, erofs]),
        (.makeDirectory, [eio, enospc, edquot, erofs]),
        (.syncDirectory, [eio, emfile]),
        (.syncFileSystem, [eio]),
        (.freeSpace, [eio]),
        (.fileSystemKind, [eio]),
        (.lock, [eio, emfile]),
        (.map, [eio, enospc, emfile]),
    ]

    /// Every case there is, in order.
    package let failures: [Failure]

    /// Plays the scenario once without a failure, to count its calls.
    package init() throws {
        var rehearsal = FailingCallsPlay(nil)
        rehearsal.play()
        let problems = rehearsal.end()
        precondition(problems.isEmpty, "the scenario goes wrong without any failure: \(problems)")
        var failures: [Failure] = []
        for (operation, errors) in Self.errors {
            for number in 0..<rehearsal.disk.callCount(operation) {
                for errno in errors {
                    for isLasting in [false, true] {
                        failures.append(Failure(operation, number: number, errno: errno, isLasting: isLasting))
                    }
                }
            }
        }
        self.failures = failures
    }

    /// Goes through a slice of the cases.
    ///
    /// - Parameters:
    ///   - part: which slice, counted from 0.
    ///   - parts: how many slices there are.
    ///   - stride: every how manieth case is tried; 1, the default, tries all.
    ///   - progress: called now and then with the number of cases done.
    package func run(
        part: Int = 0, of parts: Int = 1, stride: Int = 1, progress: ((_ casesDone: Int) -> Void)? = nil
    ) -> SweepReport {
        var report = SweepReport(name: Self.name)
        for number in Swift.stride(from: part * stride, to: failures.count, by: parts * stride) {
            report.merge(replay(failures[number]))
            if report.cases % 100 == 0 { progress?(report.cases) }
        }
        progress?(report.cases)
        return report
    }

    /// One case.
    package func replay(_ failure: Failure) -> SweepReport {
        var report = SweepReport(name: Self.name)
        var play = FailingCallsPlay(failure)
        play.play()
        for problem in play.end() { report.violation("\(failure): \(problem)") }
        report.cases = 1
        let way = failure.isLasting ? "lasting" : "once"
        report.count("\(failure.operation.rawValue), errno \(failure.errno), \(way): \(play.outcome)")
        report.count("starts", by: play.starts)
        return report
    }
}
