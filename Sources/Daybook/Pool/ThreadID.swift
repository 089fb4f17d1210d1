#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The calling thread, as a number that no other living thread has; never 0.
@inline(__always)
func currentThreadID() -> UInt {
    #if canImport(Darwin)
        UInt(bitPattern: pthread_self())
    #elseif canImport(Musl)
        UInt(bitPattern: pthread_self())
    #else
        UInt(pthread_self())
    #endif
}
