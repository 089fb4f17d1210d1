import Daybook
import DaybookTesting
import Testing

struct UserCreated: Event {
    static let name = "user/created"
    var userId: String
}

struct TestRunnerTests {
    @Test func `a function runs to its end in one send`() async throws {
        let double = DurableFunction("double", on: UserCreated.self) { event, step in
            try await step.run("a") { event.userId + event.userId }
        }
        let runner = try await TestRunner(double)
        let sent = try await runner.send(UserCreated(userId: "u"))
        #expect(sent.status == .completed)
        #expect(try sent.run.output(as: String.self) == "uu")
    }
}
