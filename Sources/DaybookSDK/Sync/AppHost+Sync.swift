import DaybookCore
import DaybookSystem
import DaybookValues
import DaybookWire
import Logging
import NIOCore
import Synchronization

extension AppHost {
    /// Asks apps to register, round after round, and looks for new ones on this machine, until its task is cancelled.
    ///
    /// An app that hangs is waited for by nobody but its own next round. Nor is a registration under way once the task is
    /// cancelled, for longer than `AppHostSettings.stopTime`.
    /// - Throws: `CancellationError`.
    package func run() async throws {
        let end = LimitedWait()
        let rounds = Task {
            defer { end.end(isDone: true) }
            try await askInRounds()
        }
        let isDone = await withTaskCancellationHandler {
            await end.wait()
        } onCancel: {
            rounds.cancel()
            caller.group.any().scheduleTask(in: .milliseconds(settings.stopTime)) { end.end(isDone: false) }
        }
        guard isDone else {
            logger.warning("a registration was still under way at the stop; it is not waited for")
            throw CancellationError()
        }
        try await rounds.value
    }

    private func askInRounds() async throws {
        let interval = Int64(max(1, settings.pollInterval ?? 5)) * 1_000
        try await withThrowingDiscardingTaskGroup { group in
            var missedPorts: [Int: Int] = [:]
            var round = 0
            while true {
                try Task.checkCancellation()
                for url in await due() {
                    group.addTask { _ = await self.sync(url) }
                }
                if settings.discovers, await isAlone() {
                    // A port with something else on it is left in peace for a while.
                    missedPorts = missedPorts.filter { round - $0.value < 4 }
                    let skipped = settings.ownPorts.union(missedPorts.keys).union(foundPorts)
                    if let found = await discovery.search(skipping: skipped, miss: { missedPorts[$0] = round }) {
                        logger.notice("an app was found", metadata: ["url": "\(found)"])
                        if let address = WebAddress(found) { book.withLock { $0.noteFound(address) } }
                        group.addTask { _ = await self.sync(found) }
                    }
                }
                round += 1
                try await surroundings.pause(interval)
            }
        }
    }

    /// Asks the app of that name to register, now.
    package func syncNow(app: String) async -> SyncAnswer {
        guard let found = await store.registeredApps().first(where: { $0.config.id == app }) else {
            return .failure(404, "App not found: \(app)")
        }
        guard !found.config.url.isEmpty else {
            return .failure(400, "app '\(app)' has no address at which it could be asked to register")
        }
        guard let address = WebAddress(found.config.url) else {
            return .failure(400, "the address of app '\(app)' cannot be called: \(found.config.url)")
        }
        return await syncNow(address)
    }

    /// Asks the app at that address to register, now, and goes on asking it as if the server had been started with it.
    package func syncNow(url: String) async -> SyncAnswer {
        guard let address = WebAddress(url), ["http", "https"].contains(address.scheme) else {
            return .failure(
                400, "'\(url.prefix(200))' is no address of an app; it must be like http://localhost:3000/api/inngest")
        }
        book.withLock { $0.configure(address) }
        return await syncNow(address)
    }

    private func syncNow(_ address: WebAddress) async -> SyncAnswer {
        book.withLock { $0.begin(address) }
        if let problem = await sync(address.normalized.text) {
            var data: [UInt8] = []
            data.append(json: #"{"code":"#)
            data.append(jsonString: problem.code)
            data.append(json: #","url":"#)
            data.append(jsonString: address.normalized.text)
            data.append(UInt8(ascii: "}"))
            return .failure(502, problem.message, data: data)
        }
        var json: [UInt8] = []
        json.append(json: #"{"ok":true,"url":"#)
        json.append(jsonString: address.normalized.text)
        json.append(UInt8(ascii: "}"))
        return SyncAnswer(status: 200, json: json)
    }

    /// The addresses to be asked in this round.
    private func due() async -> [String] {
        let registered = await store.registeredApps().compactMap { WebAddress($0.config.url) }
            .filter { ["http", "https"].contains($0.scheme) }
        let all = settings.kind == .dev && settings.pollInterval != nil
        return book.withLock { $0.takeDue(registered: registered, all: all, limit: settings.syncsMax) }
    }

    /// Ports on which something was found that has not registered.
    private var foundPorts: [Int] {
        book.withLock { book in book.entries.values.filter(\.isFound).compactMap { WebAddress($0.url)?.port } }
    }

    /// Whether no app is known at all, but for such as were found and have not registered.
    private func isAlone() async -> Bool {
        guard settings.kind == .dev, book.withLock({ !$0.entries.values.contains { $0.isConfigured } }) else {
            return false
        }
        return await store.registeredApps().isEmpty
    }

    // MARK: - One app

    /// Asks the app to register, takes what it registers in its answer, and notes what became of it.
    /// - Returns: why it did not work, or nil.
    func sync(_ url: String) async -> SyncProblem? {
        guard let address = WebAddress(url) else { return nil }
        let before = recent.count
        var body: [UInt8] = []
        body.append(json: #"{"url":"#)
        body.append(jsonString: address.normalized.text)
        body.append(UInt8(ascii: "}"))
        let exchange = HTTPExchange(
            method: "PUT", url: url, headers: syncHeaders(body), body: body, timeout: settings.syncTimeout,
            redirects: .followed(max: HTTPCaller.redirectsMax), isRepeatable: true)
        let problem: SyncProblem?
        switch await caller.send(exchange) {
        case .failure(.stopped):
            // Says nothing about the app.
            book.withLock { $0.end(address) }
            return SyncProblem(.stopped)
        case .failure(let trouble): problem = SyncProblem(trouble)
        case .success(let answer): problem = await self.problem(of: answer, from: address, registrationsBefore: before)
        }
        let now = surroundings.clock.now
        let change = book.withLock { book in
            book.end(address)
            guard let problem else { return book.noteConnected(address) }
            return book.noteFailed(address, code: problem.code, message: problem.message, at: now)
        }
        tell(change, url)
        if let problem {
            logger.debug(
                "an app did not register",
                metadata: ["url": "\(url)", "code": "\(problem.code)", "reason": "\(problem.message)"])
        }
        return problem
    }

    private func syncHeaders(_ body: [UInt8]) -> [(name: String, value: String)] {
        var headers = [
            (name: "Content-Type", value: "application/json"), (name: "User-Agent", value: "Inngest"),
            (name: "Accept-Encoding", value: "gzip"), (name: "X-Inngest-Server-Kind", value: settings.kind.rawValue),
        ]
        if let keys = settings.keys {
            let seconds = surroundings.clock.now.milliseconds / 1_000
            headers.append((name: "X-Inngest-Signature", value: keys.current.sign(body: body, at: seconds)))
        }
        return headers
    }

    private func problem(
        of answer: HTTPAnswer, from address: WebAddress, registrationsBefore before: Int
    ) async -> SyncProblem? {
        guard (200...299).contains(answer.status) else { return SyncProblem(answer) }
        if answer.header("X-Inngest-Sync-Kind")?.lowercased() == "in_band" {
            if let problem = signatureProblem(of: answer) { return problem }
            let registered = await register(answer, from: address)
            return registered.status == 200 ? nil : SyncProblem(registered)
        }
        // Python answers 200 whatever became of its registration, with what it was told about it.
        if let body = JSONView(answer.body), body.kind == .object,
            let status = body.member("status")?.integer, status >= 400, body.member("error")?.string != nil
        {
            return SyncProblem(HTTPAnswer(status: Int(status), headers: [], body: answer.body))
        }
        return await notRegisteredProblem(address, since: before)
    }

    /// The app has said yes; has it also come to this server?
    private func notRegisteredProblem(_ address: WebAddress, since before: Int) async -> SyncProblem? {
        let apps = await store.registeredApps()
        if apps.contains(where: { WebAddress($0.config.url)?.place == address.place }) { return nil }
        // Behind a proxy, an app may know itself by another address, which mostly has the same path.
        if let name = recent.name(since: before, path: address.path) {
            aliases.withLock { $0[address.place] = name }
            return nil
        }
        if let name = aliases.withLock({ $0[address.place] }), apps.contains(where: { $0.config.id == name }) {
            return nil
        }
        return SyncProblem(
            code: "not_registered",
            message: """
                the app answered, but it did not register here; it may be set to another server: look at INNGEST_DEV and \
                INNGEST_BASE_URL in its environment
                """)
    }

    /// Who answers in our place must not be able to register functions, so that what comes in an answer is signed.
    private func signatureProblem(of answer: HTTPAnswer) -> SyncProblem? {
        guard let keys = settings.keys else { return nil }
        let header = answer.header("X-Inngest-Signature") ?? ""
        let now = surroundings.clock.now.milliseconds / 1_000
        // Go signs before it puts a line feed behind.
        if keys.verifyAnswer(header: header, body: answer.body, now: now) { return nil }
        return SyncProblem(
            code: "invalid_signing_key",
            message: header.isEmpty
                ? "the app's answer is not signed, so its functions were not taken; give it the signing key of this server"
                : "the signature of the app's answer does not fit, so its functions were not taken; both need the same signing key"
        )
    }
}
