import CCurl

/// Sends by SMTP with libcurl: one connection per message, closed politely.
///
/// SMTP itself knows no identity of messages: one that is sent twice arrives twice, with the same `Message-ID`, by which
/// many mail systems drop the second. See ``MailError/Kind/unclear``.
public struct SMTPMailer: Mailer {
    public let settings: SMTPSettings

    public init(_ settings: SMTPSettings) {
        self.settings = settings
    }

    public var recognisesRepeats: Bool { false }

    public var destination: String {
        let user = settings.credentials.map { " as \($0)" } ?? ""
        return "SMTP server \(settings.host):\(settings.port) (TLS: \(settings.security.rawValue))\(user)"
    }

    /// Blocks its thread while it talks to the server, at most `settings.timeoutSeconds`; cancelling the task does not
    /// cut that short, because a conversation cut in the middle would leave it unclear what was delivered.
    public func send(_ message: MailMessage) async throws(MailError) {
        guard Self.libraryIsReady, let handle = curl_easy_init() else {
            throw MailError(.temporary, "libcurl could not be started")
        }
        let conversation = SMTPConversation(message.rfc5322)
        // The handle calls into `conversation` until it is gone: saying QUIT is part of the clean-up.
        defer { withExtendedLifetime(conversation) { curl_easy_cleanup(handle) } }

        let recipients = curl_slist_append(nil, message.to.address.description)
        defer { curl_slist_free_all(recipients) }
        guard recipients != nil else { throw MailError(.temporary, "no memory for another message") }

        var errorText = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
        // libcurl writes to the buffer during the transfer and while cleaning up; it is taken away again before that.
        let result = errorText.withUnsafeMutableBufferPointer { buffer -> CURLcode in
            defer { _ = ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, nil) }
            let code = configure(handle, for: message, conversation, recipients, errorText: buffer.baseAddress)
            return code == CURLE_OK ? curl_easy_perform(handle) : code
        }
        guard result != CURLE_OK else { return }
        let end = errorText.firstIndex(of: 0) ?? errorText.endIndex
        var reason = String(decoding: errorText[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if reason.isEmpty { reason = String(cString: curl_easy_strerror(result)) }
        throw failure(result, reason, conversation, to: message.to.address)
    }

    private static let libraryIsReady = ccurl_global_init() == CURLE_OK

    private func configure(
        _ handle: UnsafeMutableRawPointer, for message: MailMessage, _ conversation: SMTPConversation,
        _ recipients: UnsafeMutablePointer<curl_slist>?, errorText: UnsafeMutablePointer<CChar>?
    ) -> CURLcode {
        let scheme = settings.security == .implicitTLS ? "smtps" : "smtp"
        let host = settings.host.contains(":") && !settings.host.hasPrefix("[") ? "[\(settings.host)]" : settings.host
        let useTLS =
            switch settings.security {
            case .startTLS, .implicitTLS: CURLUSESSL_ALL
            case .startTLSIfOffered: CURLUSESSL_TRY
            case .none: CURLUSESSL_NONE
            }
        let milliseconds = settings.timeoutSeconds * 1_000
        let context = Unmanaged.passUnretained(conversation).toOpaque()
        var results = [
            ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText),
            ccurl_set_string(handle, CURLOPT_URL, "\(scheme)://\(host):\(settings.port)"),
            ccurl_set_long(handle, CURLOPT_USE_SSL, Int(useTLS.rawValue)),
            ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1),  // signals belong to the program, and it has many threads
            ccurl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, min(milliseconds, 15_000)),
            ccurl_set_long(handle, CURLOPT_TIMEOUT_MS, milliseconds),
            ccurl_set_string(handle, CURLOPT_MAIL_FROM, message.from.address.description),
            ccurl_set_pointer(handle, CURLOPT_MAIL_RCPT, recipients),
            ccurl_set_long(handle, CURLOPT_UPLOAD, 1),
            ccurl_set_transfer(handle, CURLOPT_READFUNCTION, SMTPConversation.read),
            ccurl_set_pointer(handle, CURLOPT_READDATA, context),
            ccurl_set_transfer(handle, CURLOPT_HEADERFUNCTION, SMTPConversation.receive),
            ccurl_set_pointer(handle, CURLOPT_HEADERDATA, context),
        ]
        if let credentials = settings.credentials {
            results.append(ccurl_set_string(handle, CURLOPT_USERNAME, credentials.user))
            results.append(ccurl_set_string(handle, CURLOPT_PASSWORD, credentials.password))
        }
        if let caFile = settings.caFile { results.append(ccurl_set_string(handle, CURLOPT_CAINFO, caFile)) }
        return results.first { $0 != CURLE_OK } ?? CURLE_OK
    }

    private func failure(
        _ result: CURLcode, _ reason: String, _ conversation: SMTPConversation, to address: EmailAddress
    ) -> MailError {
        let attempt = "mail to \(address) by \(settings.host):\(settings.port) failed"
        let reply = conversation.reply
        switch conversation.replyCode {
        case 500...599: return MailError(.permanent, attempt, reply: reply)
        case 400...499: return MailError(.temporary, attempt, reply: reply)
        case 354 where conversation.isHandedOver:
            return MailError(.unclear, "\(attempt) after the whole message was handed over (\(reason))")
        default: return MailError(.temporary, "\(attempt) (\(reason))")
        }
    }
}

/// What libcurl reads the message from and writes the server's replies to. Used by one transfer, on its one thread.
private final class SMTPConversation {
    private let message: [UInt8]
    private var offset = 0
    /// True once libcurl has been told that there is nothing more to send.
    private(set) var isHandedOver = false
    private var replyLines: [String] = []
    private var replyIsComplete = false

    init(_ message: [UInt8]) {
        self.message = message
    }

    /// The newest reply on one line, with its code; the farewell does not count.
    var reply: String? {
        guard let first = replyLines.first else { return nil }
        return ([first] + replyLines.dropFirst().map { String($0.dropFirst(4)) }).joined(separator: " ")
    }

    var replyCode: Int { replyLines.first.flatMap { Int($0.prefix(3)) } ?? 0 }

    static let read: ccurl_transfer = { buffer, size, count, context in
        guard let buffer, let context else { return 0 }
        let conversation = Unmanaged<SMTPConversation>.fromOpaque(context).takeUnretainedValue()
        let length = min(size * count, conversation.message.count - conversation.offset)
        guard length > 0 else {
            conversation.isHandedOver = true
            return 0
        }
        conversation.message.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(start: buffer, count: length)
                .copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[conversation.offset..<conversation.offset + length]))
        }
        conversation.offset += length
        return length
    }

    static let receive: ccurl_transfer = { buffer, size, count, context in
        guard let buffer, let context else { return 0 }
        let conversation = Unmanaged<SMTPConversation>.fromOpaque(context).takeUnretainedValue()
        let bytes = UnsafeRawBufferPointer(start: buffer, count: size * count)
        conversation.take(line: String(decoding: bytes, as: UTF8.self))
        return size * count
    }

    /// A reply is lines of `250-text`, ended by `250 text`. It is the server's text: kept short and printable.
    private func take(line: String) {
        let printable = line.unicodeScalars.filter { $0.properties.generalCategory != .control }
        let text = String(String.UnicodeScalarView(printable.prefix(300)))
        // The answer to QUIT, which libcurl says after a refusal too, must not hide the refusal.
        if text.hasPrefix("221") { return }
        if replyIsComplete { replyLines.removeAll() }
        replyIsComplete = text.dropFirst(3).first != "-"
        if replyLines.count < 10 { replyLines.append(text) }
    }
}
