import Daybook
import DaybookCommands

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The program that `Tests/kill.py` and its neighbours kill, suspend, copy and starve.
///
/// `KILL_FUNCTIONS=golden` serves the functions of the golden directory instead. `KILL_SEGMENT_BYTES`,
/// `KILL_SNAPSHOT_BYTES`, `KILL_GRACE_MS` and `KILL_FREE_BYTES` set sizes of its journal, so that a thousand starts do
/// not write a thousand times 16 MiB.
@main struct KillTarget: DaybookApp {
    static let id = "kill"

    var functions: [any FunctionDefinition] {
        variable("KILL_FUNCTIONS") == "golden" ? GoldenFunctions().all : LoadFunctions().all
    }

    static func main() async {
        let segmentBytes = number("KILL_SEGMENT_BYTES")
        guard segmentBytes != nil else { return await serveUsually(Self.self) }
        let sizes = JournalSizes(
            segmentBytes: segmentBytes, snapshotLogBytes: number("KILL_SNAPSHOT_BYTES"),
            graceMilliseconds: number("KILL_GRACE_MS").map(Int64.init), freeBytesMin: number("KILL_FREE_BYTES"))
        await JournalSizes.$chosen.withValue(sizes) { await serveUsually(Self.self) }
    }

    /// The `main` that every app has.
    private static func serveUsually<App: DaybookApp>(_ app: App.Type) async {
        await app.main()
    }

    private static func number(_ name: String) -> Int? { variable(name).flatMap { Int($0) } }
}

/// A variable of the environment.
func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
