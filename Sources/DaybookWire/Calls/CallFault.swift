/// Why a call brought no answer that could be read.
package enum CallFault: Sendable, Equatable {
    /// No connection: nobody listens, no such host, no way there.
    case unreachable
    case tlsHandshakeTimedOut
    /// The connection ended properly, but before the answer did.
    case closedByApp
    case resetWhileSending
    case resetWhileReading
    /// More than `CallCoding.answerBytesMax`.
    case answerTooLarge
    case timedOut(seconds: Int64)
    /// More than `CallCoding.redirectsMax`.
    case tooManyRedirects
    /// The function's address cannot be called.
    case invalidURL(String)
    /// Anything else, in words for the run's error.
    case other(String)
}

extension CallCoding {
    /// Bytes of an answer's body: 8 MiB.
    package static let answerBytesMax = 8 * 1_048_576
    package static let redirectsMax = 60

    /// What a fault means for the run: a failed attempt, to be tried again.
    package static func outcome(of fault: CallFault) -> CallOutcome {
        let failure: CallFailure
        switch fault {
        case .unreachable:
            failure = .system(error: "Unable to reach SDK URL", isUnreachable: true)
        case .tlsHandshakeTimedOut:
            failure = .system(error: "Your server didn't complete the TLS handshake in time", isUnreachable: true)
        case .closedByApp:
            failure = .system(error: "Your server closed the request before finishing.")
        case .resetWhileSending:
            failure = .system(error: "Your server reset the connection while we were sending the request.")
        case .resetWhileReading:
            failure = .system(
                error: "Your server reset the connection while we were reading the reply: Unexpected ending response")
        case .answerTooLarge:
            failure = .system(code: "output_too_large", "Your function's response body exceeds the maximum size limit")
        case .timedOut(let seconds):
            failure = .system(error: "Your server did not answer within \(seconds) seconds; the call was given up.")
        case .tooManyRedirects:
            failure = .system(error: "Your server redirected the call more than \(redirectsMax) times.")
        case .invalidURL(let url):
            failure = .system(error: "The function's URL '\(url)' cannot be called; it must be an http or https URL.")
        case .other(let text):
            failure = .system(error: text)
        }
        return CallOutcome(.failed(failure))
    }
}

extension CallFailure {
    /// A failure that has a code: the code is its name and stands before its short text.
    static func system(code: String, _ message: String) -> CallFailure {
        system(error: "\(code): \(message)", name: code, message: message)
    }
}
