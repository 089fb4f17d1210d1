import Daybook
import Testing

struct StepOrderTests {
    @Test
    func `a step returns its body's value and runs once`() {
        let run = ManualRun { event, step in
            try await step.run("double") { event.n * 2 }
        }
        #expect(run.outcome == "2")
        #expect(run.driver.bodiesStarted == ["double#1"])
    }
}
