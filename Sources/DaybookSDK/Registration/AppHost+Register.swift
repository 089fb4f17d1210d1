import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import DaybookWire
import Logging
import Synchronization

extension AppHost {
    /// Takes what an app registers: `POST /fn/register`.
    ///
    /// All its functions are taken, or none of them; with none at all the app's functions start no more runs.
    ///
    /// - Parameter expectedKind: of the header `X-Inngest-Expected-Server-Kind`.
    /// - Returns: 200; 400 with the reason, which stands in `data` when the text is one that SDKs look at; 503 when nothing can
    ///   be written just now.
    package func register(body: [UInt8], expectedKind: String?) async -> SyncAnswer {
        if let expectedKind, !expectedKind.isEmpty, expectedKind.lowercased() != settings.kind.rawValue {
            return .failure(
                400, "Expected server kind \(settings.kind.rawValue), got \(expectedKind.prefix(40))")
        }
        return await register(body, address: nil, sdk: nil)
    }

    /// The same for what an app answered when it was asked to register.
    ///
    /// - Parameter address: where it was asked; for answers that do not say it themselves.
    func register(_ answer: HTTPAnswer, from address: WebAddress) async -> SyncAnswer {
        await register(answer.body, address: address, sdk: answer.header("X-Inngest-SDK"))
    }

    private func register(_ bytes: [UInt8], address: WebAddress?, sdk: String?) async -> SyncAnswer {
        let checksum = RegisterChecksum.of(bytes)
        if let known = recent.app(saying: checksum), let answer = await again(known.name, content: known.content) {
            return answer
        }
        let plan: RegistrationPlan
        do throws(RegistrationFailure) {
            plan = try RegistrationPlan(
                bytes, address: address, sdk: sdk, functionsMax: settings.functionsPerAppMax, zones: surroundings.zones,
                now: surroundings.clock.now)
        } catch {
            logger.warning(
                "an app's registration was refused",
                metadata: ["app": "\(error.app ?? "")", "reason": "\(error.reason)"])
            return error.answer
        }
        let isModified: Bool
        do throws(Refusal) {
            isModified = try await store.register(plan.app, functions: plan.functions)
        } catch {
            logger.warning(
                "an app's registration was refused", metadata: ["app": "\(plan.app.id)", "reason": "\(error)"])
            return Self.answer(error)
        }
        let path = WebAddress(plan.app.url)?.path ?? ""
        recent.note(plan.app.id, bytes: checksum, content: plan.app.checksum, path: path)
        noteRegistered(plan.app.url)
        if isModified {
            logger.notice(
                "an app has registered",
                metadata: [
                    "app": "\(plan.app.id)", "url": "\(plan.app.url)", "sdk": "\(plan.app.sdk)",
                    "functions": "\(plan.functions.count)",
                ])
            for note in plan.notes { logger.warning("\(note)", metadata: ["app": "\(plan.app.id)"]) }
        }
        return registered(plan.app.id, isModified: isModified)
    }

    /// The answer to bytes that came before, if what they made is still in place.
    private func again(_ name: String, content: String) async -> SyncAnswer? {
        guard let app = await store.registeredApps().first(where: { $0.config.id == name }),
            app.config.checksum == content
        else { return nil }
        recent.noteAgain(name, path: WebAddress(app.config.url)?.path ?? "")
        noteRegistered(app.config.url)
        return registered(name, isModified: false)
    }

    private func noteRegistered(_ url: String) {
        guard let address = WebAddress(url) else { return }
        let now = surroundings.clock.now
        tell(
            book.withLock { book in
                book.noteSynced(address, at: now)
                return book.noteConnected(address)
            }, address.place)
    }

    private func registered(_ name: String, isModified: Bool) -> SyncAnswer {
        .registered(isModified: isModified, sync: randomUUID(), app: WireUUID.app(name))
    }

    private func randomUUID() -> String {
        // Version 4, variant 8…b.
        let high = surroundings.random.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = surroundings.random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        var digits: [UInt8] = []
        for half in [high, low] {
            digits.append(hex: UInt32(truncatingIfNeeded: half >> 32))
            digits.append(hex: UInt32(truncatingIfNeeded: half))
        }
        for position in [20, 16, 12, 8] { digits.insert(UInt8(ascii: "-"), at: position) }
        return String(decoding: digits, as: UTF8.self)
    }

    // MARK: - Removing

    /// Removes the app at that address: `DELETE /fn/remove?url=`. Its runs go on; nothing new starts.
    package func remove(url: String) async -> SyncAnswer {
        guard let address = WebAddress(url) else { return .failure(404, "App not found: \(url.prefix(500))") }
        let apps = await store.registeredApps().filter { WebAddress($0.config.url)?.place == address.place }
        let wasConfigured = book.withLock { book in
            defer { book.forget(address) }
            return book[address]?.isConfigured ?? false
        }
        guard !apps.isEmpty || wasConfigured else { return .failure(404, "App not found: \(url.prefix(500))") }
        for app in apps {
            do throws(Refusal) {
                try await store.remove(app: app.config.id)
            } catch .unknownApp {
                // Somebody was faster.
            } catch {
                return Self.answer(error)
            }
        }
        return SyncAnswer(status: 200, json: Array(#"{"ok":true}"#.utf8))
    }

    /// Removes the app of that name.
    package func remove(app: String) async -> SyncAnswer {
        let url = await store.registeredApps().first { $0.config.id == app }?.config.url
        do throws(Refusal) {
            try await store.remove(app: app)
        } catch .unknownApp {
            return .failure(404, "App not found: \(app.prefix(500))")
        } catch {
            return Self.answer(error)
        }
        if let address = url.flatMap(WebAddress.init) { book.withLock { $0.forget(address) } }
        return SyncAnswer(status: 200, json: Array(#"{"ok":true}"#.utf8))
    }

    private static func answer(_ refusal: Refusal) -> SyncAnswer {
        switch refusal {
        case .storageFull, .stopping: .failure(503, "\(refusal)")
        default: RegistrationFailure(.invalidFunction, reason: "\(refusal)").answer
        }
    }
}
