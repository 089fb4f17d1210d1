package import DaybookValues

/// What became of one call of an app.
package struct CallOutcome: Sendable {
    package enum Result: Sendable {
        /// Status 206: what the SDK did or wants done, in its order; may be empty.
        case ops([WireOp])
        /// Any other 2xx: the function has ended with that JSON.
        case returned([UInt8])
        /// The attempt failed.
        case failed(CallFailure)
    }

    package var result: Result
    /// `X-Inngest-Req-Version` of the answer, if it is 1 or 2.
    package var version: Int?
    /// `X-Inngest-SDK` of the answer.
    package var sdk: String?
    /// `X-Inngest-No-Retry: true`.
    package var noRetry: Bool
    /// `Retry-After`, held between 1 second and 24 hours.
    package var retryAfter: RetryAfter?

    package init(
        _ result: Result, version: Int? = nil, sdk: String? = nil, noRetry: Bool = false, retryAfter: RetryAfter? = nil
    ) {
        self.result = result
        self.version = version
        self.sdk = sdk
        self.noRetry = noRetry
        self.retryAfter = retryAfter
    }
}

/// When an app wants to be called again.
package enum RetryAfter: Sendable, Equatable {
    /// Milliseconds.
    case after(Int64)
    case at(Timestamp)
}

/// Why a call failed, as the run's record and its output have it.
package struct CallFailure: Error, Sendable, Equatable {
    /// A JSON object with `error` (the server's own short text), `name`, `message` and, if known, `stack` and `cause`.
    package var error: [UInt8]
    /// The raw output: what the app answered as JSON, text as a JSON string.
    package var output: [UInt8]
    package var isRetriable: Bool
    /// Whether the app was not reached at all.
    package var isUnreachable: Bool

    package init(error: [UInt8], output: [UInt8], isRetriable: Bool = true, isUnreachable: Bool = false) {
        self.error = error
        self.output = output
        self.isRetriable = isRetriable
        self.isUnreachable = isUnreachable
    }
}
