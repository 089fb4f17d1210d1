/// Text of any origin as a name that is safe in a file name and in a `Message-ID`.
///
/// Letters, digits, `-`, `_` and single dots inside stay as they are; every other byte becomes `=XX`. Two different
/// texts never get one name, except texts too long for a file name: those are cut and end in a 64-bit hash of the whole.
public enum SafeName {
    /// File systems allow 255 bytes; what is left is for a suffix such as `.json` or a mail program's flags.
    static let bytesMax = 180

    /// True for the bytes that names are made of.
    static func uses(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || "-_.=".utf8.contains(byte) }

    public static func encode(_ text: String) -> String {
        let source = Array(text.utf8)
        var name: [UInt8] = []
        for (index, byte) in source.enumerated() {
            let isPlain =
                switch byte {
                case UInt8(ascii: "="): false
                case UInt8(ascii: "."):
                    index > 0 && index < source.count - 1 && source[index - 1] != UInt8(ascii: ".")
                default: uses(byte)
                }
            if isPlain {
                name.append(byte)
            } else {
                name.append(UInt8(ascii: "="))
                name.appendHex(byte)
            }
        }
        guard name.count > bytesMax else { return String(decoding: name, as: UTF8.self) }
        name.removeSubrange((bytesMax - 18)...)
        name.append(contentsOf: "==".utf8)  // never produced above, so a cut name is never taken for a whole one
        var hash = fnv1a(source)
        for _ in 0..<8 {
            name.appendHex(UInt8(truncatingIfNeeded: hash >> 56))
            hash <<= 8
        }
        return String(decoding: name, as: UTF8.self)
    }

    private static func fnv1a(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension [UInt8] {
    /// Appends two hexadecimal digits, capitals.
    mutating func appendHex(_ byte: UInt8) {
        let digits = Array("0123456789ABCDEF".utf8)
        append(digits[Int(byte >> 4)])
        append(digits[Int(byte & 15)])
    }
}
