import DaybookValues

/// What is known of the addresses of apps: which are asked to register when, and which are down.
///
/// Entries go by `WebAddress.place`.
struct AppBook {
    struct Entry {
        /// Where the app is asked to register.
        var url: String
        var isConfigured = false
        /// An app was found there by looking around.
        var isFound = false
        /// Its app is in the store.
        var isRegistered = false
        var connection = AppConnection.unknown
        /// The failure was met by a call, so that a call that succeeds ends it.
        var isCallFailure = false
        var syncedAt: Timestamp?
        /// It is being asked.
        var isBusy = false
        /// Counts those that were asked, so that who was not for the longest time comes first.
        var turn = 0
        /// Nobody is told more often than every ten seconds that it is down.
        var warnedAt: Timestamp?
        var isDownTold = false
    }

    /// Something that people should know.
    enum Change: Equatable {
        case isDown(String)
        case isBack
    }

    /// Addresses that are remembered: 10,000.
    static let entriesMax = 10_000

    private(set) var entries: [String: Entry] = [:]
    private var turns = 0

    /// Addresses the server was started with, or was told since.
    mutating func configure(_ address: WebAddress) {
        self[entryOf: address].isConfigured = true
    }

    /// An app was found there; it is asked like any other as long as it is there.
    mutating func noteFound(_ address: WebAddress) {
        self[entryOf: address].isFound = true
        self[entryOf: address].isBusy = true
    }

    mutating func forget(_ address: WebAddress) {
        entries[address.place] = nil
    }

    subscript(_ address: WebAddress) -> Entry? { entries[address.place] }

    // MARK: - Asking

    /// The addresses to be asked now, at most `limit` at once in all; they are busy from here on.
    ///
    /// - Parameters:
    ///   - registered: addresses of the apps in the store.
    ///   - all: those too that are not in error.
    mutating func takeDue(registered: [WebAddress], all: Bool, limit: Int) -> [String] {
        let places = Set(registered.map(\.place))
        for address in registered { self[entryOf: address].isRegistered = true }
        for (place, entry) in entries where !places.contains(place) {
            entries[place]?.isRegistered = false
            if !entry.isConfigured, !entry.isFound, !entry.isBusy { entries[place] = nil }
        }
        let busy = entries.values.count { $0.isBusy }
        let due = entries.filter { _, entry in
            !entry.isBusy && (all || entry.connection.isFailed || entry.isConfigured && entry.connection == .unknown)
        }
        let chosen = due.sorted { ($0.value.turn, $0.key) < ($1.value.turn, $1.key) }.prefix(max(0, limit - busy))
        for (place, _) in chosen {
            entries[place]?.isBusy = true
            turns += 1
            entries[place]?.turn = turns
        }
        return chosen.map(\.value.url)
    }

    /// For one that is asked out of turn.
    mutating func begin(_ address: WebAddress) {
        self[entryOf: address].isBusy = true
    }

    mutating func end(_ address: WebAddress) {
        entries[address.place]?.isBusy = false
    }

    // MARK: - What was found

    mutating func noteSynced(_ address: WebAddress, at now: Timestamp) {
        self[entryOf: address].syncedAt = now
    }

    /// The app answered as it should.
    mutating func noteConnected(_ address: WebAddress) -> Change? {
        set(.connected, address, isCall: false)
    }

    mutating func noteFailed(_ address: WebAddress, code: String, message: String, at now: Timestamp) -> Change? {
        set(.failed(code: code, message: message, since: now), address, isCall: false, at: now)
    }

    /// A call of a function was answered, whatever it was.
    mutating func noteAnswered(_ address: WebAddress) -> Change? {
        guard let entry = entries[address.place] else { return nil }
        if entry.connection == .unknown || entry.connection.isFailed && entry.isCallFailure {
            return set(.connected, address, isCall: true)
        }
        return nil
    }

    /// A call of a function had no answer.
    mutating func noteUnanswered(_ address: WebAddress, message: String, at now: Timestamp) -> Change? {
        if let entry = entries[address.place], entry.connection.isFailed { return nil }
        return set(.failed(code: "unreachable", message: message, since: now), address, isCall: true, at: now)
    }

    private mutating func set(
        _ connection: AppConnection, _ address: WebAddress, isCall: Bool, at now: Timestamp = .zero
    ) -> Change? {
        var changed = self[entryOf: address]
        guard case .failed(let code, let message, _) = connection else {
            defer { self[entryOf: address] = changed }
            changed.connection = .connected
            changed.isCallFailure = false
            guard changed.isDownTold else { return nil }
            changed.isDownTold = false
            return .isBack
        }
        if code == "unreachable", changed.isFound, !changed.isConfigured, !changed.isRegistered {
            // It has gone again.
            entries[address.place] = nil
            return nil
        }
        defer { self[entryOf: address] = changed }
        if case .failed(let oldCode, let oldMessage, let since) = changed.connection {
            changed.connection = .failed(code: code, message: message, since: since)
            // The same news twice is none.
            if oldCode == code, oldMessage == message, changed.isDownTold { return nil }
        } else {
            changed.connection = connection
        }
        changed.isCallFailure = isCall
        if let warnedAt = changed.warnedAt, now - warnedAt < 10_000 { return nil }
        changed.warnedAt = now
        changed.isDownTold = true
        return .isDown(message)
    }

    private subscript(entryOf address: WebAddress) -> Entry {
        get { entries[address.place] ?? Entry(url: address.normalized.text) }
        set {
            if entries.count < Self.entriesMax || entries[address.place] != nil { entries[address.place] = newValue }
        }
    }
}
