package import DaybookValues

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The time of day, in milliseconds since 1970, UTC. It may be set forward or back at any moment.
package protocol WallClock: Sendable {
    var now: Timestamp { get }
}

/// A clock that only goes forward, through suspends of the machine as well. Its zero has no meaning.
package protocol MonotonicClock: Sendable {
    var nowNanoseconds: UInt64 { get }
}

package protocol RandomSource: Sendable {
    func next() -> UInt64
}

package struct SystemWallClock: WallClock {
    package init() {}

    package var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

package struct SystemMonotonicClock: MonotonicClock {
    package init() {}

    package var nowNanoseconds: UInt64 {
        var time = timespec()
        #if canImport(Darwin)
            // On Darwin this one counts while the machine sleeps, as CLOCK_BOOTTIME does on Linux.
            clock_gettime(CLOCK_MONOTONIC, &time)
        #else
            clock_gettime(CLOCK_BOOTTIME, &time)
        #endif
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

package struct SystemRandomSource: RandomSource {
    package init() {}

    package func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
