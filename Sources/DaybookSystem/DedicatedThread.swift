#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A thread of its own for work that blocks: the writer, the follower, the keeper. It starts at once, and must be
/// joined once.
package final class DedicatedThread: @unchecked Sendable {
    // `handle` is set before the object leaves its initialiser and only read afterwards.
    private let handle: pthread_t

    /// - Parameter name: shown by `top -H` and debuggers; Linux keeps 15 bytes of it.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Start(name: name, body: body))
        #if canImport(Darwin)
            var created: pthread_t?
        #else
            var created = pthread_t()
        #endif
        let result = pthread_create(&created, nil, { DedicatedThread.run($0) }, box.toOpaque())
        precondition(result == 0, "The system refused a new thread (\(name)): errno \(result)")
        #if canImport(Darwin)
            guard let created else { preconditionFailure("pthread_create succeeded without a thread") }
        #endif
        handle = created
    }

    /// Waits until the body has returned.
    package func join() {
        pthread_join(handle, nil)
    }

    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    #if canImport(Darwin)
        private static func run(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
            let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
            pthread_setname_np(start.name)
            start.body()
            return nil
        }
    #else
        private static func run(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
            guard let context else { return nil }
            let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
            _ = setThreadName(pthread_self(), String(decoding: start.name.utf8.prefix(15), as: UTF8.self))
            start.body()
            return nil
        }
    #endif
}

#if !canImport(Darwin)
    // Declared here because the C library shows it only under _GNU_SOURCE, which Swift's module map does not set. All
    // arguments are integers and pointers, for which Swift and C agree on how a call is made.
    @_silgen_name("pthread_setname_np")
    private func setThreadName(_ thread: pthread_t, _ name: UnsafePointer<CChar>) -> Int32
#endif
