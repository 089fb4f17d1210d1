import Foundation
import MailServices
import Testing

struct MailMessageTests {
    @Test func `a plain message reads as people expect`() throws {
        #expect(
            try MailMessage.test(key: "01RUN-send", text: "A line.\nAnd another.").asText
                == """
                Date: Sun, 22 Nov 2026 12:00:00 +0000\r
                From: Mail jobs <jobs@example.com>\r
                To: Ada <ada@example.com>\r
                Subject: Hello\r
                Message-ID: <01RUN-send@example.com>\r
                MIME-Version: 1.0\r
                Auto-Submitted: auto-generated\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Transfer-Encoding: quoted-printable\r
                \r
                A line.\r
                And another.\r

                """)
    }

    @Test func `the same message is the same bytes every time`() throws {
        let message = { try MailMessage.test(subject: "Grüße", text: "ä", html: "<p>ä</p>").rfc5322 }
        #expect(try message() == message())
    }

    @Test(arguments: ["a\nb", "a\rBcc: eve@example.com", "a\u{0}b", "a\u{85}b"])
    func `text that would start a header of its own is refused`(text: String) throws {
        let mallory = Mailbox(name: text, address: try EmailAddress("m@example.com"))
        let ada = try Mailbox("ada@example.com")
        let id = MessageID(key: "k", domain: "example.com")
        for (from, to, subject) in [(mallory, ada, "s"), (ada, mallory, "s"), (ada, ada, text)] {
            let error = #expect(throws: MailError.self) {
                try MailMessage(id: id, from: from, to: to, subject: subject, text: "", date: noon)
            }
            #expect(error?.kind == .permanent)
        }
        #expect(throws: MailError.self) { try MailMessage.test(headers: [("X-Note", text)]) }
        #expect(throws: MailError.self) { try MailMessage.test(headers: [(text, "x")]) }
    }

    @Test func `headers that the message writes itself cannot be given again`() {
        #expect(throws: MailError.self) { try MailMessage.test(headers: [("bCC", "eve@example.com")]) }
    }

    @Test func `no line is longer than 78 bytes, whatever it says`() throws {
        let long = String(repeating: "längere Wörter und 🏳️‍🌈 Zeichen, ", count: 40)
        let message = try MailMessage.test(
            key: "short", subject: long, text: long, html: "<p>\(long)</p>", headers: [("X-Note", "word " + long)])
        for line in message.asText.split(separator: "\r\n") { #expect(line.utf8.count <= 78, "\(line)") }
        #expect(message.rfc5322.allSatisfy { $0 < 0x7f })
    }

    @Test func `a long plain subject is folded at its spaces and loses nothing`() throws {
        let subject = Array(repeating: "seven77", count: 30).joined(separator: " ")
        let text = try MailMessage.test(subject: subject).asText
        #expect(text.contains("\r\n seven77"))
        #expect(text.replacing("\r\n ", with: " ").contains("Subject: \(subject)\r\n"))
    }

    @Test(arguments: [
        ("x = 1", "x =3D 1\r\n"),
        ("ends with space ", "ends with space=20\r\n"),
        ("From me", "=46rom me\r\n"),
        ("Forward", "Forward\r\n"),
        ("é", "=C3=A9\r\n"),
        ("a\r\nb\rc\nd", "a\r\nb\r\nc\r\nd\r\n"),
        (String(repeating: "x", count: 76), String(repeating: "x", count: 76) + "\r\n"),
        (String(repeating: "x", count: 77), String(repeating: "x", count: 75) + "=\r\nxx\r\n"),
    ])
    func `text is encoded as quoted-printable`(text: String, encoded: String) throws {
        #expect(try MailMessage.test(text: text).asText.hasSuffix("\r\n\r\n" + encoded))
    }

    @Test func `a key of any text makes an identity of its own`() {
        let keys = ["a:b", "a=3Ab", "a b", "a_b", "a..b", ".a", "ä", "", String(repeating: "x", count: 999)]
        let ids = keys.map { MessageID(key: $0, domain: "example.com").text }
        #expect(Set(ids).count == keys.count)
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=.@")
        for id in ids { #expect(id.allSatisfy { allowed.contains($0) } && id.utf8.count < 200) }
    }

    @Test func `a key too long for a file name keeps its difference at the end`() {
        let long = String(repeating: "x", count: 500)
        #expect(MessageID(key: long + "1", domain: "d") != MessageID(key: long + "2", domain: "d"))
    }
}

struct EmailAddressTests {
    @Test(arguments: [
        "ada@example.com", "a.b+tag@sub.example.co", "o'neil@example.com", "x@xn--mller-kva.de", "mail-jobs@localhost",
    ])
    func `addresses in use are accepted`(text: String) throws {
        #expect(try EmailAddress(text).description == text)
    }

    @Test(arguments: [
        "", "ada", "ada@", "@example.com", "a@b@c.de", "ada@example", "ada@example..com", "ada@-example.com",
        "ada@example-.com", ".ada@example.com", "ada.@example.com", "a..b@example.com", "ada @example.com",
        "ada@example.com\n", "ada@exa_mple.com", "ä@example.com", "<ada@example.com>", "a@[192.0.2.1]",
        "a\"b@example.com",
    ])
    func `what cannot be an address is refused with a reason`(text: String) {
        let error = #expect(throws: InvalidAddress.self) { try EmailAddress(text) }
        #expect(error?.reason.isEmpty == false)
    }

    @Test func `addresses beyond the length limits are refused`() {
        let word = String(repeating: "x", count: 64)
        #expect(throws: InvalidAddress.self) { try EmailAddress("\(word)x@example.com") }
        #expect(throws: InvalidAddress.self) { try EmailAddress("a@\(word).com") }
        #expect(throws: Never.self) { try EmailAddress("\(word)@example.com") }
    }

    @Test(
        arguments: [
            ("ada@example.com", nil), ("Ada L <ada@example.com>", "Ada L"), ("\"L, Ada\" <ada@example.com>", "L, Ada"),
            (" <ada@example.com> ", nil),
        ] as [(String, String?)])
    func `a mailbox is an address with or without a name`(text: String, name: String?) throws {
        let mailbox = try Mailbox(text)
        #expect(mailbox.name == name)
        #expect(mailbox.address.description == "ada@example.com")
    }
}
