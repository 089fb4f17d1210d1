import DaybookCore
import DaybookJournal
package import DaybookNode
package import DaybookSDK
package import DaybookSystem
import DaybookValues
import Hummingbird
import NIOCore
import NIOPosix
import Synchronization

/// What a server answers, whatever it listens on.
package final class API: Sendable {
    /// Bytes of a request's body: 32 MiB.
    package static let bodyBytesMax = 32 * 1_048_576
    /// The longest a request may wait for a run: 5 minutes, in milliseconds.
    static let waitMax: Int64 = 300_000

    package struct Identity: Sendable {
        package var version: String
        package var dataDirectory: String
        /// Whether the clock may be moved.
        package var isDev: Bool

        package init(version: String, dataDirectory: String, isDev: Bool) {
            self.version = version
            self.dataDirectory = dataDirectory
            self.isDev = isDev
        }
    }

    let node: Node
    /// The apps behind HTTP; nil in a program that serves its own functions only.
    let apps: AppHost?
    let identity: Identity
    let settings: ServerSettings
    let clock: ShiftedClock
    let random: any RandomSource
    let routes = RouteTable(API.allRoutes)
    let metrics = RequestMetrics()
    let dates = HTTPDates()
    let watch: Watch
    let tails = OpenTails()
    let cancellations = Cancellations()
    /// Set once the server is to end: answers that take long are cut short.
    private let ending = Atomic(false)
    private let wallClock = SystemWallClock()
    private let monotonicClock = SystemMonotonicClock()

    package init(
        node: Node, apps: AppHost? = nil, identity: Identity, settings: ServerSettings = ServerSettings(),
        clock: ShiftedClock, random: any RandomSource = SystemRandomSource()
    ) {
        self.node = node
        self.apps = apps
        self.identity = identity
        self.settings = settings
        self.clock = clock
        self.random = random
        watch = Watch(node)
    }

    /// The clock that events and schedules go by.
    var now: Timestamp { clock.now }

    /// The clock on the wall, wherever the movable one stands.
    var wallNow: Timestamp { wallClock.now }

    /// Nanoseconds; only differences mean something.
    var monotonicNow: UInt64 { monotonicClock.nowNanoseconds }

    var isEnding: Bool { ending.load(ordering: .relaxed) }

    /// Ends live views, long polls and whatever else would keep the server from ending.
    func end() {
        ending.store(true, ordering: .relaxed)
        tails.finish()
        watch.finish()
    }

    // MARK: - Seams

    /// Looks at runs on a thread that may block.
    /// - Parameter run: the id, or the part of one, that is looked for; nil for all runs.
    func read<Value: Sendable>(
        _ run: String? = nil, _ look: @escaping @Sendable (ReadModel) throws(ReadError) -> Value
    ) async throws -> Value {
        let unfinished = await node.inspect { core in
            // A run of which the whole id is known is read from its own records.
            guard let id = run.flatMap({ ULID($0.uppercased()) }) else { return core.runSummaries }
            return core.summary(of: id).map { [$0] } ?? []
        }
        return try await read(unfinished, look)
    }

    func read<Value: Sendable>(
        _ unfinished: [RunSummary], _ look: @escaping @Sendable (ReadModel) throws(ReadError) -> Value
    ) async throws -> Value {
        let node = node
        let result = try await NIOThreadPool.singleton.runIfActive { () -> Result<Value, ReadError> in
            do throws(ReadError) {
                return .success(try look(try node.readModel(unfinished: unfinished)))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw APIError(error)
        }
    }

    func submit(_ command: Command) async throws(APIError) -> Answer {
        do throws(Refusal) {
            return try await node.submit(command)
        } catch {
            throw APIError(error)
        }
    }
}
