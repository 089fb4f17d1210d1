#if DELIBERATE_BUGS
    /// A bug that is put in on purpose, to see that the simulator finds it. Builds for release have none of them, nor the
    /// switches.
    package enum DeliberateBug: String, CaseIterable, Sendable {
        /// A batch is written and not flushed.
        case flushSkipped = "flush-skipped"
        /// A segment of the log gets its name before what is in it is flushed.
        case renameBeforeFlush = "rename-before-flush"
        /// Answers and results go out before the flush.
        case answerBeforeFlush = "answer-before-flush"
        /// A start goes on writing behind the torn end of a batch.
        case tornTailGlued = "torn-tail-glued"
        /// A start from a snapshot forgets when sleeping runs are to wake.
        case timerLostOnSnapshot = "timer-lost-on-snapshot"
        /// A cancelled run gives its places away while its body still executes.
        case placeFreedAtCancel = "place-freed-at-cancel"
        /// A start from a snapshot forgets when batches and debounces are due.
        case batchLostOnSnapshot = "batch-lost-on-snapshot"
    }
#endif
