internal import Synchronization

/// Slots: how many bodies may run at a time, with `Options.limitsBodies`.
extension RunExecution {
    // MARK: - For the driver

    /// One slot more. From any thread; short, and without a call to anybody.
    /// - Returns: as `deliver`.
    package func grantSlot() -> Bool {
        shared.withLock { shared in
            shared.grants += 1
            guard shared.phase == .idle else { return false }
            shared.phase = .submitted
            return true
        }
    }

    /// Takes all slots of a run that can make no use of them; those it has asked for are forgotten too. From any thread.
    ///
    /// What is delivered from here on should come with a `grantSlot`. Code that goes on by itself, after a wait of its own
    /// between steps, asks for slots before it runs a body.
    /// - Parameter report: of the report that is answered; all that the run asked for and gave back before it must have
    ///   been dealt with.
    /// - Returns: false when something can move or has moved since. The run reports when it is quiet again.
    package func yieldIfQuiet(report: Int) -> Bool {
        shared.withLock { shared in
            guard shared.closing == nil, shared.isQuiet, shared.quietReports == report, shared.jobs.isEmpty,
                shared.deliveries.isEmpty, shared.interrupts.isEmpty, shared.grants == 0
            else { return false }
            shared.hasYielded = true
            return true
        }
    }

    // MARK: - During a turn

    var canBeginQueuedBody: Bool {
        own.pointee.calls.queuedBodyCount > 0 && own.pointee.calls.bodyCount < own.pointee.slots
    }

    /// Whether a new body has to wait, behind others or for a slot.
    var isShortOfSlots: Bool {
        own.pointee.calls.queuedBodyCount > 0 || own.pointee.calls.bodyCount >= own.pointee.slots
    }

    /// How many slots the run is short of, beside those it has asked for; less than 0 when it has more than it needs.
    var slotsToAskFor: Int {
        if own.pointee.hasEnded { return 0 }
        let bodies = own.pointee.calls.bodyCount
        if own.pointee.stop == nil, !own.pointee.isClosingAfterBodies, own.pointee.calls.queuedBodyCount > 0 {
            let wanted = bodies + own.pointee.calls.queuedBodyCount
            return max(0, wanted - own.pointee.slots - own.pointee.slotsWanted)
        }
        return min(0, max(1, bodies) - own.pointee.slots)
    }

    func settleSlots() {
        let count = slotsToAskFor
        if count > 0 {
            own.pointee.slotsWanted += count
            driver.wantsSlots(count, of: self)
        } else if count < 0 {
            own.pointee.slots += count
            driver.returnsSlots(-count, of: self)
        }
    }
}
