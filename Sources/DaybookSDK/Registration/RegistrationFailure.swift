import DaybookValues

/// Why what an app registers is not taken. Nothing of it is.
struct RegistrationFailure: Error, Equatable {
    enum Kind: Equatable {
        /// No JSON, or something of a wrong type in it.
        case invalidRequest
        case missingApp
        case tooManyFunctions
        /// A function that cannot be used.
        case invalidFunction
    }

    var kind: Kind
    /// For people; without a full stop.
    var reason: String
    /// The function's id, if one is at fault.
    var function: String?
    /// The app's name, if that is known.
    var app: String?

    init(_ kind: Kind, reason: String, function: String? = nil, app: String? = nil) {
        self.kind = kind
        self.reason = reason
        self.function = function
        self.app = app
    }

    /// What the app is told: the texts SDKs know, with the reason beside them.
    var answer: SyncAnswer {
        switch kind {
        case .invalidRequest: return .failure(400, reason)
        case .missingApp: return .failure(400, "App ID required")
        case .tooManyFunctions: return .failure(400, reason)
        case .invalidFunction:
            var data: [UInt8] = []
            data.append(json: #"{"message":"#)
            data.append(jsonString: reason)
            if let function {
                data.append(json: #","function":"#)
                data.append(jsonString: function)
            }
            data.append(UInt8(ascii: "}"))
            return .failure(400, "At least one function is invalid", data: data)
        }
    }
}
