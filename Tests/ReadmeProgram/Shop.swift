import Daybook
import DaybookCommands

struct UserCreated: Event {
    static let name = "auth/user.created"
    var userId: String, email: String
}

@main struct Shop: DaybookApp {
    static let id = "shop"

    var functions: [any FunctionDefinition] {
        [
            DurableFunction("welcome", on: UserCreated.self, retries: 3) { event, step in
                let greeting = try await step.run("write") { "Hello \(event.email)" }
                try await step.sleep("let-them-look-around", for: .minutes(1))
                try await step.run("send") { print(greeting) }
            }
        ]
    }
}
