package import DaybookValues

/// One call of an app: what the body, the headers and the address of the request are made of.
package struct CallRequest: Sendable {
    /// A step that has its result, or the arguments it is to be run with.
    package struct Step: Sendable {
        /// As the SDK knows it: mostly a hash, see `StepID`.
        package var wireID: String
        /// What stands in `steps` under that id: raw JSON, such as `{"data":5}`.
        package var memo: [UInt8]
        /// The memo is in the form of `CanonicalJSON` already and is copied as it is.
        package var isCanonical: Bool
        /// The memo holds the arguments that the step is to be run with, `{"input":[…]}`: the step has no result, so it is
        /// not in the stack.
        package var isInput: Bool

        package init(wireID: String, memo: [UInt8], isCanonical: Bool = false, isInput: Bool = false) {
            self.wireID = wireID
            self.memo = memo
            self.isCanonical = isCanonical
            self.isInput = isInput
        }
    }

    /// A follow-up that the run has asked for, to begin once it has ended.
    package struct Deferred: Sendable {
        package var wireID: String
        package var isAbortable: Bool

        package init(wireID: String, isAbortable: Bool = true) {
            self.wireID = wireID
            self.isAbortable = isAbortable
        }
    }

    /// New for every call.
    package var callID: ULID
    package var run: ULID
    /// `<app id>-<function id>`.
    package var function: String
    /// The function's address as its app registered it.
    package var url: String
    /// The wire id of the one step that is to run; nil for a call that looks for what comes next (discovery).
    package var target: String?
    /// From 0.
    package var attempt: Int
    /// Retries + 1.
    package var attemptsMax: Int
    /// "Report new steps, run none": `disable_immediate_execution`.
    package var forcesPlan: Bool
    /// The run's request version: −1 until the first answer told it, then 1 or 2.
    package var version: Int
    /// The event the run was given; of a batch the array of its events.
    package var input: [UInt8]
    package var isBatch: Bool
    /// `input` made ready to be sent; nil: made anew for this call. Whoever calls for a run more than once keeps it.
    package var events: WireEvents?
    /// In the order in which they got their results.
    package var steps: [Step]
    package var deferred: [Deferred]
    /// The SDK that answered last, such as `inngest-py:v0.5.18`; nil when that is not known.
    package var sdk: String?

    package init(
        callID: ULID, run: ULID, function: String, url: String, target: String? = nil, attempt: Int, attemptsMax: Int,
        forcesPlan: Bool, version: Int, input: [UInt8], isBatch: Bool = false, events: WireEvents? = nil, steps: [Step],
        deferred: [Deferred] = [],
        sdk: String? = nil
    ) {
        self.callID = callID
        self.run = run
        self.function = function
        self.url = url
        self.target = target
        self.attempt = attempt
        self.attemptsMax = attemptsMax
        self.forcesPlan = forcesPlan
        self.version = version
        self.input = input
        self.isBatch = isBatch
        self.events = events
        self.steps = steps
        self.deferred = deferred
        self.sdk = sdk
    }
}
