/// Delivers into a maildir, a folder of one file per message that any mail program can open.
///
/// A message that is already there, read or not, is not delivered again: its file is named after its `Message-ID`.
/// A message that somebody has deleted or moved out of the maildir is not recognised any more.
public struct MaildirMailer: Mailer {
    public let directory: String

    /// Makes the maildir when it is not there.
    public init(directory: String) throws(MailError) {
        self.directory = directory
        do {
            for part in ["tmp", "new", "cur"] { try DurableFile.makeDirectory("\(directory)/\(part)") }
        } catch {
            throw MailError(.temporary, "no maildir: \(error)")
        }
    }

    public var recognisesRepeats: Bool { true }
    public var destination: String { "maildir \(directory)" }

    /// Returns once the message and its name are on disk.
    public func send(_ message: MailMessage) async throws(MailError) {
        let name = message.id.fileName
        let text = message.rfc5322.filter { $0 != UInt8(ascii: "\r") }  // files have LF alone; encoded text has no CR
        do {
            // In this order: mail programs move messages from `new` to `cur`, never back.
            if try isNew(name) || wasTaken(name) { return }
            _ = try DurableFile.create(
                "\(directory)/new/\(name)", with: text,
                temporary: "\(directory)/tmp/\(name).\(DurableFile.uniqueSuffix())")
        } catch {
            throw MailError(.temporary, "mail to \(message.to.address) was not stored: \(error)")
        }
    }

    private func isNew(_ name: String) throws(DurableFile.Failure) -> Bool {
        guard DurableFile.exists("\(directory)/new/\(name)") else { return false }
        try DurableFile.syncDirectory("\(directory)/new")  // whoever delivered it may have died before doing so
        return true
    }

    /// True when a mail program has moved the message to `cur`, where flags follow its name after a colon.
    private func wasTaken(_ name: String) throws(DurableFile.Failure) -> Bool {
        try DurableFile.names(in: "\(directory)/cur").contains { $0 == name || $0.hasPrefix("\(name):") }
    }
}
