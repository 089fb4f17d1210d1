internal import Crypto

/// What tells one registration from another.
package enum RegisterChecksum {
    /// SHA-256 in lower-case hexadecimal.
    package static func of(_ bytes: [UInt8]) -> String { hexText(SHA256.hash(data: bytes)) }
}
