/// Where the inbox brings events: the node's writer, or a test.
package protocol EventSink: Sendable {
    /// Journals the events and how far their file is dealt with, as one command: both or neither.
    ///
    /// Returns at once, so that one flush serves many files. `reply` is called once, on any thread, after the flush or
    /// the refusal, with how many runs were started; it is short. For one claim the inbox never has two of these under
    /// way.
    func publish(
        _ events: [Event], claim: ClaimProgress, reply: @escaping @Sendable (Result<Int, Refusal>) -> Void)

    /// The claimed file of that name is gone, durably: the claim can be forgotten. Nobody waits for it; when it is
    /// lost in a crash it is said again at the next start.
    func claimRemoved(_ name: String)
}
