import DaybookValues

/// The step that waits for a signal.
struct SignalWaiter {
    let run: ULID
    /// Of the opening of the step.
    let number: UInt64
}

// Signals: names that one step at a time waits for.
extension Core {
    func waitForSignal(
        _ id: ULID, key: String, signal: String, replacesOther: Bool, timeout: Int64
    ) -> Answer {
        guard let run = runs[id] else { return .stale }
        if isOpen(key, of: run, .signal) { return .opened }
        if let problem = overflow(run, adding: 4) { return overflowed(run, problem) }
        guard timeout > 0 else { return completeAtOnce(run, key: key, .signal) }
        guard timeout <= limits.waitMax else { return refuseTooLong(run, key: key, .signal, "wait for a signal") }
        guard signals[signal] == nil || replacesOther else {
            let error = AttemptError(
                name: "Error", message: "Signal conflict; signal wait already exists for another run",
                isRetriable: false)
            return failRun(run, error)
        }
        emit(.run(id), .signalStarted(key: key, signal: signal, due: time.now + timeout, length: timeout))
        return .opened
    }

    func signal(_ name: String, data: [UInt8]) -> Answer {
        guard let waiter = signals[name], let step = runs[waiter.run]?.openStep(number: waiter.number) else {
            return .refused(.unknownSignal(name))
        }
        var output: [UInt8] = [UInt8(ascii: "{")]
        output.add("signal", name)
        // On one line, whatever was sent.
        output.add("data", json: (try? JSONText.compact(data)) ?? Array("null".utf8))
        output.append(UInt8(ascii: "}"))
        emit(.run(waiter.run), .stepCompleted(StepOutcome(key: step.key, operation: .signal, output: output)))
        deliver(waiter.run, step.key, .completed(output))
        return .signalled(run: waiter.run)
    }

    /// Another step takes the signal: who has waited for it only times out.
    func replaceWaiter(for signal: String) {
        guard let waiter = signals.removeValue(forKey: signal), let run = runs[waiter.run],
            let index = run.open.firstIndex(where: { $0.number == waiter.number })
        else { return }
        if snapshot != nil { keepForSnapshot(run) }
        run.open[index].kind = .signal(name: signal, isReplaced: true)
    }
}
