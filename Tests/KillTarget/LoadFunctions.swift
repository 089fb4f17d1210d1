import Daybook

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Functions of every kind of step. A body returns a number of chance and leaves a line in a file outside the data
/// directory each time it really runs, so that a step that ran twice can be told, and which of the two counts. Every
/// function returns the sum of what its steps returned.
struct LoadFunctions: Sendable {
    struct Echo: Event {
        static let name = "kill/echo"
        var token: Int
    }

    struct Ask: Event {
        static let name = "kill/ask"
        var token: Int
    }

    private struct Token: Codable {
        var token: Int
    }

    private struct Flaky: Error, CustomStringConvertible {
        var description: String { "the first attempt always fails" }
    }

    private let effects = Effects()

    var all: [any FunctionDefinition] { [chain, fan, waits, flaky, slow, parent, child, sender, echo, every] }

    /// Five steps in a row.
    private var chain: DurableFunction<AnyEvent, Int> {
        DurableFunction("chain", on: [.event("kill/chain")], retries: 20) { event, step in
            var sum = 0
            for number in 1...5 { sum += try await step.run("step-\(number)") { effects.note($0) } }
            return sum
        }
    }

    /// Four steps at once, a short sleep, one more step.
    private var fan: DurableFunction<AnyEvent, Int> {
        DurableFunction("fan", on: [.event("kill/fan")], retries: 20) { event, step in
            let sum = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 1...4 {
                    group.addTask { try await step.run("branch-\(number)") { effects.note($0) } }
                }
                return try await group.reduce(0, +)
            }
            try await step.sleep("pause", for: .milliseconds(30))
            return try await sum + step.run("join") { effects.note($0) }
        }
    }

    /// Waits for an event that may come.
    private var waits: DurableFunction<AnyEvent, Int> {
        DurableFunction("waits", on: [.event("kill/wait")], retries: 20) { event, step in
            let token = try event.data(as: Token.self).token
            let before = try await step.run("before") { effects.note($0) }
            _ = try await step.waitForEvent(
                "poke", name: "kill/poke", where: .field("token", equals: token), timeout: .milliseconds(100))
            return try await before + step.run("after") { effects.note($0) }
        }
    }

    /// Fails once and is tried again.
    private var flaky: DurableFunction<AnyEvent, Int> {
        DurableFunction("flaky", on: [.event("kill/flaky")], retries: 20) { event, step in
            try await step.run("try") { attempt in
                let value = effects.note(attempt)
                if attempt.number == 1 { throw Flaky() }
                return value
            }
        }
    }

    /// A step that takes long enough to be met by a stop.
    private var slow: DurableFunction<AnyEvent, Int> {
        DurableFunction("slow", on: [.event("kill/slow")], retries: 20) { event, step in
            var sum = 0
            for number in 1...2 {
                sum += try await step.run("slow-\(number)") { attempt in
                    let value = effects.note(attempt)
                    try await Task.sleep(for: .milliseconds(value % 40))
                    return value
                }
            }
            return sum
        }
    }

    /// Invokes another function.
    private var parent: DurableFunction<AnyEvent, Int> {
        DurableFunction("parent", on: [.event("kill/parent")], retries: 20) { event, step in
            let token = try event.data(as: Token.self).token
            let before = try await step.run("before") { effects.note($0) }
            return try await before + step.invoke("ask", child, data: Ask(token: token))
        }
    }

    private var child: DurableFunction<Received<Ask>, Int> {
        DurableFunction("child", on: Ask.self, retries: 20) { event, step in
            try await step.run("answer") { effects.note($0) }
        }
    }

    /// Sends an event that starts another function.
    private var sender: DurableFunction<AnyEvent, Int> {
        DurableFunction("sender", on: [.event("kill/send")], retries: 20) { event, step in
            let token = try event.data(as: Token.self).token
            let before = try await step.run("before") { effects.note($0) }
            try await step.sendEvent("tell", Echo(token: token))
            return before
        }
    }

    private var echo: DurableFunction<Received<Echo>, Int> {
        DurableFunction("echo", on: Echo.self, retries: 20) { event, step in
            try await step.run("hear") { effects.note($0) }
        }
    }

    private var every: DurableFunction<CronTick, Int> {
        DurableFunction("every-second", cron: "* * * * * *", retries: 20) { _, step in
            try await step.run("tick") { effects.note($0) }
        }
    }
}

/// Appends one line for every body that really runs: process, run and step, attempt, value. One write each: the kernel
/// keeps what a killed process wrote.
private struct Effects: Sendable {
    private let descriptor: Int32

    init() {
        descriptor = open(variable("EFFECTS") ?? "effects.log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    }

    func note(_ attempt: Attempt) -> Int {
        let value = Int.random(in: 1...1_000_000_000)
        var line = Array("\(getpid()) \(attempt.idempotencyKey) \(attempt.number) \(value)\n".utf8)
        // Under a limit on the size of files this file may not grow either: then the body goes no further than here.
        while !line.isEmpty {
            let count = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { line.removeFirst(count) } else { usleep(1_000) }
        }
        return value
    }
}
