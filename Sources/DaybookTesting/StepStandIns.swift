import Daybook
import Synchronization

/// What takes the place of bodies, as a test said.
final class StepStandIns: Sendable {
    private struct State {
        /// The oldest first.
        var failures: [String: [any Error]] = [:]
        var values: [String: [UInt8]] = [:]
    }

    private let state = Mutex(State())

    func fail(_ id: String, times: Int, with error: any Error) {
        state.withLock { $0.failures[id, default: []] += Array(repeating: error, count: times) }
    }

    func succeed(_ id: String, with json: [UInt8]) {
        state.withLock { $0.values[id] = json }
    }

    func next(for key: StepKey) -> RunExecution.StandIn? {
        state.withLock { state in
            for id in [key.text, key.id] {
                if let error = state.failures[id]?.first {
                    state.failures[id]?.removeFirst()
                    return .fails(error)
                }
            }
            return (state.values[key.text] ?? state.values[key.id]).map { .returns($0) }
        }
    }
}
