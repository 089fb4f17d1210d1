package import DaybookSystem

extension Journal {
    /// Brings `replay` up to the last durable record without a lock and without writing anything: for `runs` and `show`
    /// on the files of a stopped server. On the files of a running one it gives a state that was true a moment ago; what
    /// the server is writing just now looks like a torn end.
    package static func read(
        disk: any Disk, replay: inout some JournalReplay, progress: ((ReplayProgress) -> Void)? = nil
    ) throws(JournalOpenError) -> RecoveryReport {
        // A running server may remove a segment between the listing and the reading; its successors are there then.
        var attemptsLeft = 3
        while true {
            var recovery = Recovery(disk: disk, marks: nil, chain: try LogChain.load(disk))
            recovery.report.epoch = recovery.chain.epochMax
            do throws(JournalOpenError) {
                try recovery.run(&replay, progress: progress)
                return recovery.report
            } catch {
                attemptsLeft -= 1
                guard case .file(let file) = error, file.isMissing, attemptsLeft > 0 else { throw error }
            }
        }
    }
}
