import Synchronization

/// What apps registered last, as far as this process knows: an app that says the same again, every few seconds in
/// development, is not read again.
final class RecentRegistrations: Sendable {
    private struct State {
        var count = 0
        /// By the app's name: the checksum of the bytes that came, and that of what they say.
        var known: [String: (bytes: String, content: String)] = [:]
        /// By the checksum of the bytes: the app's name.
        var names: [String: String] = [:]
        var latest: [(number: Int, name: String, path: String)] = []
    }

    /// Apps that are remembered: 1,000.
    private static let appsMax = 1_000
    private let state = Mutex(State())

    /// Registrations so far.
    var count: Int { state.withLock { $0.count } }

    /// The app that registered with those bytes, and the checksum of what they say.
    func app(saying bytes: String) -> (name: String, content: String)? {
        state.withLock { state in
            guard let name = state.names[bytes], let known = state.known[name], known.bytes == bytes else { return nil }
            return (name, known.content)
        }
    }

    /// - Parameter path: of the app's address.
    func note(_ name: String, bytes: String, content: String, path: String) {
        state.withLock { state in
            if state.known.count >= Self.appsMax {
                state.known = [:]
                state.names = [:]
            }
            if let old = state.known[name] { state.names[old.bytes] = nil }
            state.known[name] = (bytes, content)
            state.names[bytes] = name
            noteLatest(&state, name, path)
        }
    }

    /// The app said what it had said before.
    func noteAgain(_ name: String, path: String) {
        state.withLock { noteLatest(&$0, name, path) }
    }

    /// The last app with that path that has registered since there were `count` registrations.
    func name(since count: Int, path: String) -> String? {
        state.withLock { state in state.latest.last { $0.number > count && $0.path == path }?.name }
    }

    private func noteLatest(_ state: inout State, _ name: String, _ path: String) {
        state.count += 1
        state.latest.append((state.count, name, path))
        if state.latest.count > 2 * Self.appsMax { state.latest.removeFirst(Self.appsMax) }
    }
}
