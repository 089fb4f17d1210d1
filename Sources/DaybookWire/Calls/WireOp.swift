/// One element of a 206 answer: something the SDK did, or wants done.
package struct WireOp: Sendable {
    /// Results, errors and inputs are canonical JSON.
    package enum Kind: Sendable {
        /// A step ran. Its memo is `{"data":…}`.
        case stepRun(data: [UInt8])
        /// The older form of the same, whose memo is the data itself.
        case step(data: [UInt8])
        /// An attempt of a step failed. `error` is an object with `name`, `message`, `stack`, `data`, `cause`, `noRetry`, as
        /// far as the SDK gave them; other members are gone.
        case stepError(error: [UInt8])
        /// A step has failed for good; `error` may be `null`.
        case stepFailed(error: [UInt8])
        case stepPlanned
        /// A duration, a date, or text that is neither: see `WireTime`.
        case sleep(text: String)
        /// Without a timeout, `""`, it has timed out at once.
        case waitForEvent(event: String, timeout: String, condition: String?)
        /// Without a timeout, `""`, for a year.
        case waitForSignal(signal: String, timeout: String, replacesOther: Bool)
        /// `data` is an object, `{}` when there is none; `user` an object. Without a timeout, `""`, for a year.
        case invoke(function: String, data: [UInt8], user: [UInt8]?, version: String?, timeout: String)
        case gateway(GatewayRequest)
        case aiGateway(AIGatewayRequest)
        /// The function has ended with that value.
        case runComplete(data: [UInt8])
        case discoveryRequest
        /// `input` is an object.
        case deferAdd(function: String, input: [UInt8])
        case deferAbort(target: String)
        case none
        /// The op is known, and what it says cannot be used: the reason, for the run's error. A gateway with malformed
        /// options, for instance.
        case malformed(Malformed)
    }

    package struct Malformed: Sendable, Equatable {
        package var name: String
        package var message: String
        /// Whether the step has failed (true) or the whole run (false).
        package var failsStep: Bool
        /// Nothing fails: the op, a defer, is left out and the message is logged.
        package var isIgnored: Bool

        package init(name: String, message: String, failsStep: Bool, isIgnored: Bool = false) {
            self.name = name
            self.message = message
            self.failsStep = failsStep
            self.isIgnored = isIgnored
        }
    }

    /// The step's id on the wire; for some ops empty.
    package var wireID: String
    /// The step's name in the journal; see `StepID.key`.
    package var key: String
    /// `opts.parallelMode` is `race`: a discovery follows each branch.
    package var isRace: Bool
    package var kind: Kind

    package init(wireID: String, key: String, isRace: Bool = false, kind: Kind) {
        self.wireID = wireID
        self.key = key
        self.isRace = isRace
        self.kind = kind
    }

    /// Defers: they do not count among parallel steps.
    package var isLazy: Bool {
        switch kind {
        case .deferAdd, .deferAbort: true
        case .malformed(let malformed): malformed.isIgnored
        default: false
        }
    }
}

/// `step.fetch`: a request that the server makes in the function's place.
package struct GatewayRequest: Sendable, Equatable {
    package var url: String
    package var method: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(url: String, method: String, headers: [(name: String, value: String)], body: [UInt8]) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
    }

    package static func == (a: GatewayRequest, b: GatewayRequest) -> Bool {
        a.url == b.url && a.method == b.method && a.body == b.body
            && a.headers.elementsEqual(b.headers) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// `step.ai.infer`. The key is never stored, logged or shown.
package struct AIGatewayRequest: Sendable, Equatable {
    package var url: String
    package var authKey: String
    /// `openai-chat`, `anthropic`, `gemini`, `bedrock`…
    package var format: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        url: String, authKey: String, format: String, headers: [(name: String, value: String)], body: [UInt8]
    ) {
        self.url = url
        self.authKey = authKey
        self.format = format
        self.headers = headers
        self.body = body
    }

    package static func == (a: AIGatewayRequest, b: AIGatewayRequest) -> Bool {
        a.url == b.url && a.authKey == b.authKey && a.format == b.format && a.body == b.body
            && a.headers.elementsEqual(b.headers) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// What became of a request that the server made for a step.
package enum GatewayOutcome: Sendable {
    /// The step's value as JSON.
    case completed([UInt8])
    /// The error object, to be tried again while attempts remain.
    case failed(error: [UInt8])
}
