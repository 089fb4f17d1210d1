/// What a sweep over many cases found.
///
/// A sweep goes through every case of a finite set (each byte cut, each bit flipped, each call failing) and says, for
/// each, whether what Daybook promises held. Sweeps are cut into slices for several threads; `merge(_:)` puts the
/// slices' reports together again.
package struct SweepReport: Sendable {
    /// How many violations are kept in words; those beyond are counted only, so that a sweep which goes wrong
    /// everywhere does not fill the memory with its complaints.
    package static let keptViolations = 1000

    /// The name of the sweep.
    package var name: String
    /// How many cases were tried.
    package var cases: Int
    /// How many cases came out in which way, by a short name of the way.
    package var counts: [String: Int]
    /// What did not hold, each with what it takes to do that one case again. At most `keptViolations`; the rest are
    /// in `counts` under "violations not shown".
    package var violations: [String]

    package init(name: String) {
        self.name = name
        cases = 0
        counts = [:]
        violations = []
    }

    /// Counts one more outcome of the class named.
    package mutating func count(_ outcome: String, by amount: Int = 1) {
        counts[outcome, default: 0] += amount
    }

    /// Notes something that did not hold.
    ///
    /// - Parameter text: What was promised, what came, and how to do that case again.
    package mutating func violation(_ text: String) {
        if violations.count < Self.keptViolations {
            violations.append(text)
        } else {
            count("violations not shown")
        }
    }

    /// Adds what another slice of the same sweep found.
    package mutating func merge(_ other: SweepReport) {
        cases += other.cases
        for (outcome, amount) in other.counts {
            counts[outcome, default: 0] += amount
        }
        for text in other.violations {
            violation(text)
        }
    }
}
