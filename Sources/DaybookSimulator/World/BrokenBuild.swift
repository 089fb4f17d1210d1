#if DELIBERATE_BUGS
    import DaybookCore
    import DaybookJournal
    import DaybookNode
    package import DaybookValues

    extension Simulation {
        /// The same world with a product that has a bug.
        package func with(_ bug: DeliberateBug) -> Simulation {
            var broken = self
            broken.spoil = { configuration in
                configuration.journal.bug = bug
                configuration.core.bug = bug
            }
            return broken
        }
    }

    /// How soon a bug is found.
    package struct BrokenBuild: Sendable {
        package var bug: DeliberateBug
        /// Worlds played until the first violation; nil when there was none.
        package var seedsNeeded: Int?
        package var violation: String?

        /// Plays one world after the other until one shows the bug.
        package static func hunt(_ bug: DeliberateBug, first: UInt64 = 1, seedsMax: Int = 2_000) -> BrokenBuild {
            for count in 1...seedsMax {
                let result = Simulation(seed: first + UInt64(count - 1)).with(bug).run()
                if let violation = result.violations.first {
                    return BrokenBuild(bug: bug, seedsNeeded: count, violation: violation)
                }
            }
            return BrokenBuild(bug: bug)
        }
    }
#endif
