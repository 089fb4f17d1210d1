internal import Crypto

/// The secret that a server and its apps share: requests are signed with it, and its hash lets SDKs in.
///
/// Given as `signkey-<environment>-<hexadecimal>` or bare; what stands before the last part is not part of the secret. It
/// is not shown when printed.
package struct SigningKey: Sendable, Equatable, CustomStringConvertible {
    /// What SDKs that send a hash send as bearer token: the SHA-256 of the bytes that the hexadecimal text stands for. Nil
    /// when the key is no such text; nobody can send its hash then, and it should be refused where it is configured.
    package let bearerHash: String?
    /// Without its prefix.
    private let secret: [UInt8]

    package init(_ text: String) {
        secret = Self.withoutPrefix(text)
        bearerHash = hexBytes(secret).flatMap { $0.isEmpty ? nil : hexText(SHA256.hash(data: $0)) }
    }

    package var description: String { "SigningKey(…)" }

    // MARK: - Signatures

    /// The value of `X-Inngest-Signature` for these bytes. The seconds are those since 1970.
    package func sign(body: [UInt8], at seconds: Int64) -> String {
        let time = String(seconds)
        return "t=\(time)&s=\(hexText(code(of: body, time: Array(time.utf8)).finalize()))"
    }

    /// Whether the header is this key's signature of these bytes and not older, nor younger, than `tolerance` seconds.
    package func verify(header: String, body: [UInt8], now seconds: Int64, tolerance: Int64 = 300) -> Bool {
        var time: Substring?
        var signature: [UInt8]?
        for part in header.split(separator: "&") {
            if part.hasPrefix("t=") { time = part.dropFirst(2) }
            if part.hasPrefix("s=") { signature = hexBytes(part.dropFirst(2).utf8) }
        }
        guard let time, let signature, let signedAt = Int64(time) else { return false }
        let (age, overflow) = seconds.subtractingReportingOverflow(signedAt)
        guard !overflow, age.magnitude <= tolerance.magnitude else { return false }
        return isSame(Array(code(of: body, time: Array(time.utf8)).finalize()), signature)
    }

    /// The message is the body followed by the seconds in decimal.
    private func code(of body: [UInt8], time: [UInt8]) -> HMAC<SHA256> {
        var code = HMAC<SHA256>(key: SymmetricKey(data: secret))
        code.update(data: body)
        code.update(data: time)
        return code
    }

    // MARK: - Bearer tokens

    /// Whether the token of an `Authorization: Bearer` is this key or its hash, either with or without a prefix.
    package func accepts(bearer token: String) -> Bool {
        let token = Self.withoutPrefix(token)
        if isSame(token, secret) { return true }
        guard let bearerHash else { return false }
        return isSame(token, Array(bearerHash.utf8))
    }

    /// The same for the whole value of the `Authorization` header.
    package func accepts(authorization header: String?) -> Bool {
        bearerToken(header).map(accepts(bearer:)) ?? false
    }

    /// Takes `signkey-`, letters, digits and underscores, and the hyphen behind them from the beginning.
    private static func withoutPrefix(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        let mark = Array("signkey-".utf8)
        guard bytes.starts(with: mark) else { return bytes }
        let environment = bytes.dropFirst(mark.count).prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let rest = bytes[environment.endIndex...]
        guard !environment.isEmpty, rest.first == UInt8(ascii: "-") else { return bytes }
        return Array(rest.dropFirst())
    }
}

/// The key in use and the one it is about to replace, or has just replaced.
package struct SigningKeys: Sendable, Equatable {
    package var current: SigningKey
    package var fallback: SigningKey?

    package init(current: SigningKey, fallback: SigningKey? = nil) {
        self.current = current
        self.fallback = fallback
    }

    /// The key that made the signature, see `SigningKey.verify`; nil when neither did. Answers are signed with the same.
    package func verify(header: String, body: [UInt8], now seconds: Int64, tolerance: Int64 = 300) -> SigningKey? {
        all.first { $0.verify(header: header, body: body, now: seconds, tolerance: tolerance) }
    }

    /// Whether an app signed that answer. Some SDKs send a line end that they have not signed.
    package func verifyAnswer(header: String, body: [UInt8], now seconds: Int64, tolerance: Int64 = 300) -> Bool {
        if verify(header: header, body: body, now: seconds, tolerance: tolerance) != nil { return true }
        guard body.last == UInt8(ascii: "\n") else { return false }
        return verify(header: header, body: Array(body.dropLast()), now: seconds, tolerance: tolerance) != nil
    }

    package func accepts(bearer token: String) -> Bool { all.contains { $0.accepts(bearer: token) } }

    package func accepts(authorization header: String?) -> Bool { all.contains { $0.accepts(authorization: header) } }

    private var all: [SigningKey] { fallback.map { [current, $0] } ?? [current] }
}

/// The keys with which events are sent.
package enum EventKey {
    /// How introspection shows a key: the SHA-256 of its text.
    package static func hash(_ key: String) -> String { hexText(SHA256.hash(data: Array(key.utf8))) }
}

/// The token of an `Authorization` header whose scheme, in any case, is `Bearer`.
package func bearerToken(_ header: String?) -> String? {
    guard let header, let space = header.firstIndex(of: " ") else { return nil }
    guard header[..<space].lowercased() == "bearer" else { return nil }
    let token = header[space...].drop { $0 == " " }
    return token.isEmpty ? nil : String(token)
}

/// Compares without telling by its time where the texts differ.
private func isSame(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
}
