import DaybookValues
import DaybookWire
import Testing

struct EventIDSeedTests {
    @Test func `the seed makes the ids, the number tells them apart`() {
        let seed = EventIDSeed("1700000000000,AAECAwQFBgcICQ==")
        #expect(seed?.id(number: 1).text == "01HF7YAT00000G40R40M30E20A")
        #expect(seed?.id(number: 2).text == "01HF7YAT00000G40R40M30E20B")
        #expect(seed?.id(number: 0).text == "01HF7YAT00000G40R40M30E209")
    }

    @Test func `the number wraps within its four bytes`() throws {
        let seed = try #require(EventIDSeed("0,AAAAAAAA/////w=="))
        #expect(seed.id(number: 0).low == 0xFFFF_FFFF)
        #expect(seed.id(number: 1).low == 0)
        #expect(seed.id(number: 2) == ULID(high: 0, low: 1))
    }

    @Test(arguments: [
        "", ",", "1700000000000", "1700000000000,", "x,AAECAwQFBgcICQ==", "-1,AAECAwQFBgcICQ==", "1.5,AAECAwQFBgcICQ==",
        "1700000000000,AAECAwQFBgcI", "1700000000000,AAECAwQFBgcICQo=", "1700000000000,AAECAwQFBgcICQ",
        "1700000000000,????", "281474976710656,AAECAwQFBgcICQ==", "1700000000000,AAECAwQFBgcICQ==,x",
        "99999999999999999999,AAECAwQFBgcICQ==",
    ])
    func `a seed of another form is none`(header: String) {
        #expect(EventIDSeed(header) == nil)
    }
}
