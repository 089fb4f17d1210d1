internal import DaybookCEL
package import DaybookValues

/// The header `X-Inngest-Event-Id-Seed`: makes the ids of a request's events the same again when the request is repeated.
package struct EventIDSeed: Sendable, Equatable {
    /// Since 1970.
    private let milliseconds: UInt64
    /// Ten.
    private let entropy: [UInt8]

    /// `<milliseconds>,<ten bytes in base 64>`; nil for anything else, which is then ignored.
    package init?(_ header: String) {
        let parts = header.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let milliseconds = UInt64(parts[0]), milliseconds < 1 << 48,
            let entropy = Base64.decode(Array(parts[1].utf8)), entropy.count == 10
        else { return nil }
        self.milliseconds = milliseconds
        self.entropy = entropy
    }

    /// The id of the request's event of that number, counted from 1: the number is added to the last four bytes.
    package func id(number: Int) -> ULID {
        func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        let last = UInt32(truncatingIfNeeded: integer(entropy[6...])) &+ UInt32(truncatingIfNeeded: number)
        return ULID(
            high: milliseconds << 16 | integer(entropy[..<2]), low: integer(entropy[2..<6]) << 32 | UInt64(last))
    }
}
