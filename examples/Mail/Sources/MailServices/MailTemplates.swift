public import FoundationEssentials

/// What one message says: the subject, and the same content as text and as HTML.
public struct MailContent: Hashable, Sendable {
    public var subject: String
    public var text: String
    public var html: String
}

/// The product in whose name a mail is written.
public enum Product: String, Codable, Sendable {
    case trovella = "Trovella"
    case folksbase = "Folksbase"

    var firstSteps: [String] {
        switch self {
        case .trovella: ["Ask your first research question", "Invite the people you work with"]
        case .folksbase: ["Import your contacts from a CSV file", "Look at what changed, every Monday, in your digest"]
        }
    }
}

public enum MailTemplates {
    public static func welcome(_ contact: Contact, to product: Product) -> MailContent {
        let steps = product.firstSteps
        return MailContent(
            subject: "Welcome to \(product.rawValue)",
            text: """
                Hello \(contact.greeting),

                welcome to \(product.rawValue). Two things to begin with:

                \(steps.map { "  - \($0)" }.joined(separator: "\n"))

                You get this mail because somebody signed up with this address. If that was
                not you, there is nothing to do.
                """,
            html: """
                <p>Hello \(escape(contact.greeting)),</p>
                <p>welcome to \(product.rawValue). Two things to begin with:</p>
                <ul>\(steps.map { "<li>\(escape($0))</li>" }.joined())</ul>
                <p>You get this mail because somebody signed up with this address. If that was not you, there is
                nothing to do.</p>
                """)
    }

    public static func confirmationReminder(_ contact: Contact, to product: Product) -> MailContent {
        MailContent(
            subject: "Please confirm your address for \(product.rawValue)",
            text: """
                Hello \(contact.greeting),

                your address is not confirmed yet. The sign-up page has the button for it.

                This is the only reminder.
                """,
            html: """
                <p>Hello \(escape(contact.greeting)),</p>
                <p>your address is not confirmed yet. The sign-up page has the button for it.</p>
                <p>This is the only reminder.</p>
                """)
    }

    /// At most this many entries are written out; the rest is given as a number.
    static let digestEntriesMax = 50

    public static func digest(
        _ contact: Contact, of entries: [Contact.Activity], from start: Date, to end: Date
    ) -> MailContent {
        let count = entries.count == 1 ? "1 thing" : "\(entries.count) things"
        let shown = entries.prefix(digestEntriesMax)
        let rest = entries.count - shown.count
        let period = "\(MailDate.day(start)) to \(MailDate.day(end))"
        return MailContent(
            subject: "Your week: \(count), \(period)",
            text: """
                Hello \(contact.greeting),

                from \(period) you did \(count):

                \(shown.map { "  \(MailDate.short($0.at))  \(oneLine($0.what))" }.joined(separator: "\n"))
                \(rest > 0 ? "  and \(rest) more\n" : "")
                Times are UTC. To stop these mails, answer with the word unsubscribe.
                """,
            html: """
                <p>Hello \(escape(contact.greeting)),</p>
                <p>from \(period) you did \(count):</p>
                <table>\(shown.map {
                    "<tr><td>\(MailDate.short($0.at))</td><td>\(escape(oneLine($0.what)))</td></tr>"
                }.joined(separator: "\n"))</table>
                \(rest > 0 ? "<p>and \(rest) more</p>" : "")
                <p>Times are UTC. To stop these mails, answer with the word unsubscribe.</p>
                """)
    }

    public static func failureNotice(job: String, subject: String, reason: String, run: String) -> MailContent {
        let text = "Run \(run) of \(job) failed for good for \(subject):\n\n\(reason)\n"
        return MailContent(
            subject: "\(job) failed for \(oneLine(subject).prefix(100))", text: text,
            html: "<pre>\(escape(text))</pre>")
    }

    static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// Text from outside as one line, at most 500 characters.
    static func oneLine(_ text: String) -> String {
        text.prefix(500).split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
