/// Something that a fuzz target promises and that did not hold for an input.
package struct FuzzViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was promised, and what came instead.
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// One group of parsers that read bytes from outside, with what has to hold for any input at all.
///
/// A target is a pure function of the input. It returns for an input that was taken or refused as promised, throws a
/// `FuzzViolation` where a promise did not hold, and never traps. libFuzzer and our own `Mutator` run the same targets.
package struct FuzzTarget: Sendable {
    /// Of the target, as it is given to `scripts/fuzz`.
    package let name: String
    /// The folder of `Tests/Fuzz/Corpus` with its seeds; several targets may share one.
    package let corpus: String
    /// Longer inputs are cut to this many bytes by the mutator.
    package let bytesMax: Int
    /// How many mutated inputs a quick test runs: fewer for targets that open whole directories.
    package let quickInputs: Int
    /// Words of the format, which the mutator puts in now and then.
    package let tokens: [[UInt8]]
    /// - Throws: `FuzzViolation`.
    package let run: @Sendable ([UInt8]) throws -> Void

    /// - Parameters:
    ///   - name: unique among the targets.
    ///   - corpus: the folder with its seeds; the name when none is given.
    ///   - tokens: words of the format.
    ///   - run: throws a `FuzzViolation` where a promise did not hold.
    package init(
        _ name: String, corpus: String? = nil, bytesMax: Int = 4_096, quickInputs: Int = 1_000, tokens: [String] = [],
        run: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.corpus = corpus ?? name
        self.bytesMax = bytesMax
        self.quickInputs = quickInputs
        self.tokens = tokens.map { Array($0.utf8) }
        self.run = run
    }
}

/// All fuzz targets.
package enum FuzzTargets {
    package static let all: [FuzzTarget] =
        textTargets + timeTargets + expressionTargets + inboxTargets + recordTargets + journalTargets
        + snapshotTargets

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Throws unless something that was promised holds.
func require(_ holds: Bool, _ promise: @autoclosure () -> String) throws(FuzzViolation) {
    guard holds else { throw FuzzViolation(promise()) }
}

/// An input as a person may read it.
func shown(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(200) {
        if byte >= 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
    return bytes.count > 200 ? text + "… (\(bytes.count) bytes)" : text
}
