import DaybookNode
import DaybookSystem
import DaybookValues
package import DaybookWire
import Logging
import NIOCore
import Synchronization

extension AppHost: CallDriver {
    /// Bytes of a body from which on it is made or read on a thread of the pool, so that no connection waits for it.
    private static let bytesOfLoopMax = 65_536

    package func call(_ request: CallRequest, reply: @escaping @Sendable (CallOutcome) -> Void) {
        let bytes = request.steps.reduce(request.input.count) { $0 + $1.memo.count }
        work(bytes) { [self] in
            let body = CallCoding.body(of: request).bytes
            let signature = settings.keys?.current.sign(body: body, at: surroundings.clock.now.milliseconds / 1_000)
            let exchange = HTTPExchange(
                method: "POST", url: CallCoding.url(of: request),
                headers: CallCoding.headers(of: request, signature: signature), body: body,
                timeout: settings.callTimeout, redirects: .followed(max: HTTPCaller.redirectsMax),
                // A call that is the last one must not meet the app twice; with any other, the app must expect that.
                isRepeatable: request.attempt + 1 < request.attemptsMax)
            caller.send(exchange) { [self] result in
                switch result {
                case .failure(let trouble):
                    noteCall(request, trouble)
                    reply(CallCoding.outcome(of: fault(of: trouble, request)))
                case .success(let answer):
                    noteCall(request, answer)
                    work(answer.body.count) { [self] in
                        reply(
                            CallCoding.outcome(
                                status: answer.status, headers: answer.headers.map { ($0.name, $0.value) },
                                body: answer.body, now: surroundings.clock.now))
                    }
                }
            }
        }
    }

    package func fetch(_ request: GatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void) {
        send(request) { result in
            switch result {
            case .failure(let trouble): reply(GatewayCoding.fetchFailed(trouble.description))
            case .success(let answer):
                reply(
                    GatewayCoding.fetched(
                        url: request.url, status: answer.status, headers: answer.headers.map { ($0.name, $0.value) },
                        body: answer.body))
            }
        }
    }

    package func infer(_ request: AIGatewayRequest, reply: @escaping @Sendable (GatewayOutcome) -> Void) {
        send(GatewayCoding.request(of: request)) { result in
            switch result {
            case .failure(let trouble): reply(GatewayCoding.inferFailed(trouble.description))
            case .success(let answer): reply(GatewayCoding.inferred(status: answer.status, body: answer.body))
            }
        }
    }

    private func send(
        _ request: GatewayRequest, done: @escaping @Sendable (Result<HTTPAnswer, HTTPTrouble>) -> Void
    ) {
        work(request.body.count) { [self] in
            var headers = request.headers
            if !headers.contains(where: { $0.name.lowercased() == "accept-encoding" }) {
                headers.append((name: "Accept-Encoding", value: "gzip"))
            }
            let exchange = HTTPExchange(
                method: request.method, url: request.url, headers: headers, body: request.body,
                timeout: settings.callTimeout, redirects: .followed(max: HTTPCaller.redirectsMax), isRepeatable: false)
            caller.send(exchange, done: done)
        }
    }

    /// Does it on a thread that may take that long.
    private func work(_ bytes: Int, _ body: @escaping @Sendable () -> Void) {
        if bytes > Self.bytesOfLoopMax {
            Task { body() }
        } else {
            caller.group.any().execute(body)
        }
    }

    // MARK: - Notes

    private func fault(of trouble: HTTPTrouble, _ request: CallRequest) -> CallFault {
        switch trouble {
        case .unusableAddress: .invalidURL(request.url)
        case .unusableRequest: .other("Your function cannot be called: \(trouble)")
        case .unreachable: .unreachable
        case .tls(let reason): .other("Your server's TLS handshake failed: \(reason.prefix(500))")
        case .tlsTimeout: .tlsHandshakeTimedOut
        case .closedBeforeAnswer: .closedByApp
        case .resetWhileSending: .resetWhileSending
        case .lostWhileReading: .resetWhileReading
        case .tooLarge: .answerTooLarge
        case .timedOut: .timedOut(seconds: settings.callTimeout)
        case .garbage(let reason): .other("Your server's answer cannot be read: \(reason.prefix(500))")
        case .unknownEncoding(let encoding):
            .other(
                """
                Your server's answer has the Content-Encoding '\(encoding)', which cannot be decoded; only gzip and \
                deflate can.
                """)
        case .tooManyRedirects: .tooManyRedirects
        case .unusableRedirect(let target): .other("Your server redirected to '\(target)', which cannot be followed")
        case .stopped: .other("the server is shutting down")
        }
    }

    private func noteCall(_ request: CallRequest, _ trouble: HTTPTrouble) {
        logger.debug("a call was not answered", metadata: metadata(request, ["reason": "\(trouble)"]))
        switch trouble {
        case .unreachable, .tls, .tlsTimeout, .closedBeforeAnswer, .resetWhileSending, .garbage:
            guard let address = WebAddress(request.url) else { return }
            let now = surroundings.clock.now
            let change = book.withLock { $0.noteUnanswered(address, message: "\(trouble)", at: now) }
            // In this order: the next answer is news then, whatever came in between.
            answering.withLock { $0 = [] }
            tell(change, address.place)
        default: break
        }
    }

    private func noteCall(_ request: CallRequest, _ answer: HTTPAnswer) {
        logger.debug("an app answered a call", metadata: metadata(request, ["status": "\(answer.status)"]))
        // Nearly every call comes from an app that answered the last one too.
        let isNews = answering.withLock { answering in
            if answering.count >= AppBook.entriesMax { answering = [] }
            return answering.insert(request.url).inserted
        }
        guard isNews, let address = WebAddress(request.url) else { return }
        tell(book.withLock { $0.noteAnswered(address) }, address.place)
    }

    private func metadata(_ request: CallRequest, _ more: Logger.Metadata) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "run": "\(request.run.text)", "function": "\(request.function)", "call": "\(request.callID.text)",
            "step": "\(request.target ?? "step")", "attempt": "\(request.attempt)",
        ]
        metadata.merge(more) { _, new in new }
        return metadata
    }
}
