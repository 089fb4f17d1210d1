/// A set of Unicode scalars: what a class in square brackets, `\d` or `\pL` matches.
struct PatternSet: Sendable {
    /// Ranges and categories in one, whose opposite is taken as a whole: `\D` in a class is a member of its own.
    struct Member: Sendable {
        /// Sorted and apart once the set is complete.
        var ranges: [ClosedRange<UInt32>] = []
        var categories = UnicodeCategories()
        var isNegated = false

        func contains(_ scalar: UInt32) -> Bool {
            (isInRanges(scalar) || (!categories.isEmpty && categories.contains(scalar: scalar))) != isNegated
        }

        private func isInRanges(_ scalar: UInt32) -> Bool {
            var (low, high) = (0, ranges.count)
            while low < high {
                let middle = (low + high) / 2
                if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
            }
            return low < ranges.count && ranges[low].lowerBound <= scalar
        }

        mutating func normalize() {
            ranges.sort { $0.lowerBound < $1.lowerBound }
            var merged: [ClosedRange<UInt32>] = []
            for range in ranges {
                if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                    merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
                } else {
                    merged.append(range)
                }
            }
            ranges = merged
        }

        /// Adds what the scalars of this member fold to.
        mutating func fold() {
            normalize()
            let plain = Member(ranges: ranges, categories: categories)
            for pair in CaseFolding.pairs where plain.contains(pair.scalar) {
                ranges.append(pair.folded...pair.folded)
            }
        }
    }

    private let members: [Member]
    private let isNegated: Bool
    private let isFolded: Bool
    /// Bit n: whether the set contains scalar n.
    private let ascii: (UInt64, UInt64)

    /// - Parameters:
    ///   - isNegated: whether the set is everything but the members.
    ///   - isFolded: whether a scalar belongs to a member also if one that differs only in case does.
    init(_ members: [Member], isNegated: Bool, isFolded: Bool) {
        var complete = members
        for index in complete.indices {
            if isFolded { complete[index].fold() }
            complete[index].normalize()
        }
        self.members = complete
        self.isNegated = isNegated
        self.isFolded = isFolded
        var ascii: (UInt64, UInt64) = (0, 0)
        for scalar in 0..<UInt32(128) {
            let tested = isFolded ? CaseFolding.fold(scalar) : scalar
            guard complete.contains(where: { $0.contains(tested) }) != isNegated else { continue }
            if scalar < 64 { ascii.0 |= 1 << UInt64(scalar) } else { ascii.1 |= 1 << UInt64(scalar - 64) }
        }
        self.ascii = ascii
    }

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return ascii.0 >> UInt64(scalar) & 1 == 1 }
        if scalar < 128 { return ascii.1 >> UInt64(scalar - 64) & 1 == 1 }
        return containsBeyondASCII(scalar)
    }

    private func containsBeyondASCII(_ scalar: UInt32) -> Bool {
        let tested = isFolded ? CaseFolding.fold(scalar) : scalar
        return members.contains { $0.contains(tested) } != isNegated
    }
}

/// Some of Unicode's general categories.
struct UnicodeCategories: Sendable {
    private var bits: UInt32 = 0

    init() {}

    /// `L`, `Lu`, `Any`: the names after `\p`. Nil if there is no such category.
    init?(name: String) {
        if name == "Any" {
            bits = .max
            return
        }
        for (index, category) in UnicodeCategories.names.enumerated()
        where category == name || (name.utf8.count == 1 && category.hasPrefix(name) && category != "Cn") {
            bits |= 1 << UInt32(index)
        }
        if bits == 0 { return nil }
    }

    var isEmpty: Bool { bits == 0 }

    mutating func formUnion(_ other: UnicodeCategories) { bits |= other.bits }

    func contains(scalar value: UInt32) -> Bool {
        guard let scalar = Unicode.Scalar(value) else { return false }
        return bits >> UInt32(UnicodeCategories.index(of: scalar.properties.generalCategory)) & 1 == 1
    }

    private static let names = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "Sm",
        "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    /// Where the category stands in `names`.
    private static func index(of category: Unicode.GeneralCategory) -> Int {
        switch category {
        case .uppercaseLetter: 0
        case .lowercaseLetter: 1
        case .titlecaseLetter: 2
        case .modifierLetter: 3
        case .otherLetter: 4
        case .nonspacingMark: 5
        case .spacingMark: 6
        case .enclosingMark: 7
        case .decimalNumber: 8
        case .letterNumber: 9
        case .otherNumber: 10
        case .connectorPunctuation: 11
        case .dashPunctuation: 12
        case .openPunctuation: 13
        case .closePunctuation: 14
        case .initialPunctuation: 15
        case .finalPunctuation: 16
        case .otherPunctuation: 17
        case .mathSymbol: 18
        case .currencySymbol: 19
        case .modifierSymbol: 20
        case .otherSymbol: 21
        case .spaceSeparator: 22
        case .lineSeparator: 23
        case .paragraphSeparator: 24
        case .control: 25
        case .format: 26
        case .surrogate: 27
        case .privateUse: 28
        case .unassigned: 29
        @unknown default: 29
        }
    }
}

/// One scalar for all that differ only in case.
enum CaseFolding {
    /// The lower case of the upper case, where both are single scalars. That brings `ſ` to `s`, `ς` to `σ` and the
    /// Kelvin sign to `k`.
    static func fold(_ value: UInt32) -> UInt32 {
        if value < 128 { return value >= 65 && value <= 90 ? value | 0x20 : value }
        // The Turkish i's are no other case of i outside Turkish.
        if value == 0x130 || value == 0x131 { return value }
        guard let scalar = Unicode.Scalar(value), scalar.properties.isCased || scalar.properties.changesWhenCaseMapped
        else { return value }
        let upper = single(scalar.properties.uppercaseMapping) ?? scalar
        return (single(upper.properties.lowercaseMapping) ?? upper).value
    }

    /// Every scalar that folds to another one. The last letter with case is U+1E943.
    static let pairs: [(scalar: UInt32, folded: UInt32)] = (UInt32(0)...0x1E943).compactMap { scalar in
        let folded = fold(scalar)
        return folded == scalar ? nil : (scalar, folded)
    }

    private static func single(_ mapping: String) -> Unicode.Scalar? {
        let scalars = mapping.unicodeScalars
        return scalars.count == 1 ? scalars.first : nil
    }
}
