internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Lets a descriptor be closed once, whoever comes first.
final class OpenFlag: Sendable {
    private let isOpen = Atomic<Bool>(true)

    /// - Returns: true the first time.
    func end() -> Bool { isOpen.exchange(false, ordering: .relaxed) }
}

/// The system's `open` and `close`, under names that methods called `open` and `close` do not hide.
func openDescriptor(_ path: String, _ flags: Int32) -> Int32 { open(path, flags) }
func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }
