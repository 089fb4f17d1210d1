import DaybookWire
import Testing

struct StepIDTests {
    @Test(arguments: [
        ("a", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ("a:1", "de89bfaf06245091a7873290a793604612302247"),
        ("charge-card", "b2ae8f272ea660900fca3aeefbd39695c43f5cc9"),
        ("charge-card:1", "c1282eee8cbd39a5067abd7a6dedfc16197a3110"),
        ("charge-card:2", "7738df700f333e0e882a96fe2e33949ba30b5981"),
        ("complete", "0737c22d3bfae812339732d14d8c7dbd6dc4e09c"),
    ])
    func `a step's wire id is the SHA-1 of its name`(name: String, hash: String) {
        #expect(StepID.hash(name) == hash)
        #expect(StepID.wireID(key: name) == hash)
    }

    @Test(
        arguments: [
            // wire id of, userland id, index, display name, op name, key
            ("a", "a", nil, nil, nil, "a"),
            ("a", "a", 0, nil, nil, "a"),
            ("a:1", "a", 1, "a", nil, "a:1"),
            ("a", "a", 1, nil, nil, "a"),
            ("a", nil, nil, "a", nil, "a"),
            ("a:2", nil, 2, "a", nil, "a:2"),
            ("a", nil, nil, "Shown", "a", "a"),
            ("a", "x", nil, "y", "z", "#86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
            ("a", nil, nil, nil, nil, "#86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
            ("#a", "#a", nil, nil, nil, "#" + StepID.hash("#a")),
        ] as [(String, String?, Int?, String?, String?, String)])
    func `the journal shows the name whose hash was sent`(
        of: String, userland: String?, index: Int?, display: String?, name: String?, key: String
    ) {
        let wireID = StepID.hash(of)
        let found = StepID.key(
            wireID: wireID, userlandID: userland, userlandIndex: index, displayName: display, name: name)
        #expect(found == key)
        #expect(StepID.wireID(key: found) == wireID)
    }

    @Test(arguments: ["", "step-1", "#", "##", "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8", "Größe"])
    func `an id that is no hash of a name stays as it is`(wireID: String) {
        let key = StepID.key(wireID: wireID, userlandID: wireID, userlandIndex: nil, displayName: wireID)
        #expect(key == "#" + wireID)
        #expect(StepID.wireID(key: key) == wireID)
    }

    @Test func `ids of functions and apps are UUIDs made of their names`() {
        let id = WireUUID.function("shop-charge")
        #expect(id == WireUUID.function("shop-charge"))
        #expect(id != WireUUID.function("shop-refund"))
        #expect(id != WireUUID.app("shop-charge"))
        let parts = id.split(separator: "-")
        #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
        #expect(parts[2].first == "5")
        #expect("89ab".contains(parts[3].first ?? "x"))
    }
}
