/// Something that takes messages and sees to it that they arrive.
public protocol Mailer: Sendable {
    /// True when a message with a known `Message-ID` is not delivered a second time, so that repeating is harmless.
    var recognisesRepeats: Bool { get }
    /// Where mail goes, for a log line: `maildir /srv/mail/outbox`. Never holds a password.
    var destination: String { get }

    /// Hands one message over; when it returns, the message is somebody else's responsibility (the server said 250, or
    /// the file is on disk).
    ///
    /// It may block the calling thread for as long as its time limits allow: call it from a step, whose thread is made
    /// for that.
    /// - Throws: ``MailError``
    func send(_ message: MailMessage) async throws(MailError)
}
