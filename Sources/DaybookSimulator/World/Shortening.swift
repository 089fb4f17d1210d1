extension Simulation {
    /// The same violation, or another, with as few entries of the agenda as can be found by leaving some out.
    /// - Parameter runsMax: how many worlds may be played for it.
    package func shortened(runsMax: Int = 400) -> Simulation {
        var kept = only ?? Array(0..<length)
        var runsLeft = runsMax
        func isBroken(_ entries: [Int]) -> Bool {
            runsLeft -= 1
            var candidate = self
            candidate.only = entries
            return !candidate.run().violations.isEmpty
        }
        var piece = max(1, kept.count / 2)
        while runsLeft > 0 {
            var hasShrunk = false
            // From the end: what comes after the violation is the easiest to leave out.
            var end = kept.count
            while end > 0, runsLeft > 0 {
                let start = max(0, end - piece)
                let candidate = Array(kept[..<start] + kept[end...])
                if isBroken(candidate) {
                    kept = candidate
                    hasShrunk = true
                }
                end = start
            }
            if piece == 1, !hasShrunk { break }
            piece = max(1, piece / 2)
        }
        var result = self
        result.only = kept
        return result
    }
}
