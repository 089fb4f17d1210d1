internal import Logging
internal import Synchronization

/// Whether a run goes through what is recorded; loggers that outlive a moment ask again each time.
final class ReplayState: Sendable {
    let isReplaying: Atomic<Bool>

    init(isReplaying: Bool) {
        self.isReplaying = Atomic(isReplaying)
    }
}

/// Drops what is logged during replay: it was written when it happened.
struct ReplaySilencedHandler: LogHandler {
    private var handler: any LogHandler
    private let replay: ReplayState

    init(_ handler: any LogHandler, _ replay: ReplayState) {
        self.handler = handler
        self.replay = replay
    }

    func log(event: LogEvent) {
        guard !replay.isReplaying.load(ordering: .relaxed) else { return }
        handler.log(event: event)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }
    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }
    var metadataProvider: Logger.MetadataProvider? {
        get { handler.metadataProvider }
        set { handler.metadataProvider = newValue }
    }
    var logLevel: Logger.Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }
}
