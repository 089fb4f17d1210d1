#if DELIBERATE_BUGS
    import DaybookSimulator
    import DaybookValues
    import Testing

    struct BrokenBuildTests {
        @Test(arguments: DeliberateBug.allCases)
        func `a bug that is put in on purpose is found`(bug: DeliberateBug) {
            #expect(BrokenBuild.hunt(bug).seedsNeeded != nil)
        }
    }
#endif
