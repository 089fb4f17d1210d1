internal import Crypto

/// Ids of apps and functions as SDKs and the REST API want them: UUIDs made of the names alone (version 5), so that they
/// are the same for ever and need no place to be kept.
package enum WireUUID {
    /// The id of a function; `<app id>-<function id>` is unique, so the app is not asked for.
    package static func function(_ slug: String) -> String { make("function:" + slug) }

    package static func app(_ name: String) -> String { make("app:" + name) }

    /// The name space of the ids that Daybook makes.
    private static let space: [UInt8] = [
        0x5B, 0x0E, 0x2C, 0x7A, 0x93, 0x41, 0x4F, 0xD6, 0x8A, 0x17, 0xC4, 0x6E, 0x20, 0xB9, 0x71, 0x3D,
    ]

    private static func make(_ name: String) -> String {
        var digest = Array(Insecure.SHA1.hash(data: space + Array(name.utf8)).prefix(16))
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (index, byte) in digest.enumerated() {
            if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
            text.append(hexDigit(byte >> 4))
            text.append(hexDigit(byte & 15))
        }
        return String(decoding: text, as: UTF8.self)
    }
}
