import Daybook
import DaybookCommands

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The program that `Tests/kill.py` kills: functions whose steps leave a line in a file of their own each time they
/// really run, so that a step that ran twice can be told.
@main struct KillTarget: DaybookApp {
    static let id = "kill"
    private let effects = Effects()

    var functions: [any FunctionDefinition] { [chain, fan, waits, every] }

    /// Five steps in a row.
    private var chain: DurableFunction<AnyEvent, Int> {
        DurableFunction("chain", on: [.event("kill/chain")]) { event, step in
            var sum = 0
            for number in 1...5 {
                sum += try await step.run("step-\(number)") { attempt in
                    effects.note(attempt)
                    return number
                }
            }
            return sum
        }
    }

    /// Four steps at once, a short sleep, one more step.
    private var fan: DurableFunction<AnyEvent, Int> {
        DurableFunction("fan", on: [.event("kill/fan")]) { event, step in
            let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...4 {
                    group.addTask {
                        try await step.run("branch-\(number)") { attempt in
                            effects.note(attempt)
                            return number
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            try await step.sleep("pause", for: .milliseconds(30))
            return try await step.run("join") { attempt in
                effects.note(attempt)
                return sum
            }
        }
    }

    /// Waits for an event that mostly does not come.
    private var waits: DurableFunction<AnyEvent, Bool> {
        DurableFunction("waits", on: [.event("kill/wait")]) { event, step in
            try await step.run("before") { attempt in effects.note(attempt) }
            let poke = try await step.waitForEvent("poke", name: "kill/poke", timeout: .milliseconds(100))
            try await step.run("after") { attempt in effects.note(attempt) }
            return poke != nil
        }
    }

    private var every: DurableFunction<CronTick, Void> {
        DurableFunction("every-second", cron: "* * * * * *") { _, step in
            try await step.run("tick") { attempt in effects.note(attempt) }
        }
    }
}

/// Appends one line for every body that really runs. One write each: the kernel keeps what a killed process wrote.
private struct Effects: Sendable {
    private let descriptor: Int32

    init() {
        let path = getenv("EFFECTS").map { String(cString: $0) } ?? "effects.log"
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    }

    func note(_ attempt: Attempt) {
        let line = Array("\(attempt.idempotencyKey)\n".utf8)
        _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
