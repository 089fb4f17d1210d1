package import DaybookCore

/// How the events of inbox files come to the writer.
extension Node: EventSink {
    package func publish(
        _ events: [Event], claim: ClaimProgress, reply: @escaping @Sendable (Result<Int, Refusal>) -> Void
    ) {
        submit(.publish(events, claim: claim)) { answer in
            switch answer {
            case .published(let receipts): reply(.success(receipts.reduce(0) { $0 + $1.started }))
            case .refused(let refusal): reply(.failure(refusal))
            default: reply(.success(0))
            }
        }
    }

    package func claimRemoved(_ name: String) {
        submit(.inboxRemoved(claim: name)) { _ in }
    }
}
