package import DaybookSystem
package import DaybookWire

/// How a server deals with the apps behind HTTP.
package struct AppHostSettings: Sendable {
    /// What the server calls itself: `dev` without signing keys, `cloud` with them.
    package enum Kind: String, Sendable {
        case dev
        case cloud
    }

    package var kind = Kind.dev
    /// What calls and requests to register are signed with: the current key. Both count for what apps sign.
    package var keys: SigningKeys?
    /// Serve URLs that are asked to register, at the start and by polling.
    package var urls: [String] = []
    /// Seconds between two rounds of asking the apps to register. With nil, every five seconds those are asked that are in
    /// error, or were given and never seen; a server of kind `cloud` asks only those, whatever the interval.
    package var pollInterval: Int? = 5
    /// Look for apps on the usual ports of this machine while none is known.
    package var discovers = false
    /// Ports of this machine where apps are looked for: those on which frameworks listen by default.
    package var ports =
        [80, 443] + Array(3_000...3_010) + [4_321, 5_000, 5_173, 8_000, 8_080, 8_081, 8_787, 8_888]
        + Array(8_910...8_915)
    /// Ports of this machine where no app is to be looked for: the server's own.
    package var ownPorts: Set<Int> = []
    /// The value of `PORT`, where an app may be, too.
    package var extraPort: Int?
    /// Seconds that one call of a function may take: 2 hours.
    package var callTimeout: Int64 = 7_200
    /// Seconds that an app may take to register: 10.
    package var syncTimeout: Int64 = 10
    /// Milliseconds that the end of `AppHost.run` may take, and `AppHost.shutdown`: 1,000 each. What an app or the disk
    /// has not finished by then is not waited for.
    package var stopTime: Int64 = 1_000
    /// Apps that are asked to register at the same time: 32.
    package var syncsMax = 32
    /// Functions of one app: 1,000.
    package var functionsPerAppMax = 1_000

    package init() {}
}

/// What the host of apps is given of the outside, the network aside.
package struct AppHostSurroundings: Sendable {
    package var clock: any WallClock
    package var random: any RandomSource
    package var zones: any ZoneSource
    /// Returns after that many milliseconds, or throws when the task is cancelled.
    package var pause: @Sendable (_ milliseconds: Int64) async throws -> Void

    package init(
        clock: any WallClock = SystemWallClock(), random: any RandomSource = SystemRandomSource(),
        zones: any ZoneSource = SystemZoneFiles(),
        pause: @escaping @Sendable (_ milliseconds: Int64) async throws -> Void = {
            try await Task.sleep(for: .milliseconds($0))
        }
    ) {
        self.clock = clock
        self.random = random
        self.zones = zones
        self.pause = pause
    }
}
