import DaybookWire
import Testing

struct SigningTests {
    static let text = "signkey-test-0123456789abcdef0123456789abcdef"
    static let raw = "0123456789abcdef0123456789abcdef"
    static let hash = "223e0a160af9da0a03e6dd2c4719c56f5d66a633cbe84e78aaa9f3735865522a"
    static let key = SigningKey(text)
    static let signed: Int64 = 1_700_000_000

    @Test(arguments: [
        (#"{"a":1,"b":"x"}"#, "t=1700000000&s=dc29e42fb1be4a8d77ed008f52708cb319dacce3521a820aac0ffb17d4dd56b7"),
        ("", "t=1700000000&s=6458320a3e327061ab7bfe28ace9cb02bb2b840c75b483a0c002831176bd6256"),
    ])
    func `a signature is of the body and the second`(body: String, header: String) {
        #expect(Self.key.sign(body: Array(body.utf8), at: Self.signed) == header)
        #expect(SigningKey(Self.raw).sign(body: Array(body.utf8), at: Self.signed) == header)
        #expect(Self.key.verify(header: header, body: Array(body.utf8), now: Self.signed))
    }

    @Test func `a token is the hash of the bytes, not of the text`() {
        #expect(Self.key.bearerHash == Self.hash)
        #expect(SigningKey(Self.raw).bearerHash == Self.hash)
    }

    @Test(arguments: ["", "signkey-test-", "xyz", "abc", "signkey-test-0g"])
    func `a key that is no hexadecimal text has no hash`(text: String) {
        #expect(SigningKey(text).bearerHash == nil)
    }

    @Test(
        arguments: [
            (text, true), (raw, true), (hash, true), ("signkey-prod-\(hash)", true), ("signkey-prod_2-\(raw)", true),
            ("signkey-a-b-\(raw)", false), ("signkey-\(raw)", false), ("0123456789ABCDEF0123456789ABCDEF", false),
            ("", false),
            ("3eb1bd43", false), ("0123456789abcdef0123456789abcde", false), ("\(raw)0", false),
        ] as [(String, Bool)])
    func `a token may be the key or its hash, with any prefix`(token: String, isAccepted: Bool) {
        #expect(Self.key.accepts(bearer: token) == isAccepted)
    }

    @Test(
        arguments: [
            ("Bearer \(hash)", true), ("bearer \(hash)", true), ("BEARER  \(raw)", true), ("Basic \(hash)", false),
            (hash, false), ("Bearer", false), ("Bearer ", false), (nil, false),
        ] as [(String?, Bool)])
    func `the scheme of the header is Bearer in any case`(header: String?, isAccepted: Bool) {
        #expect(Self.key.accepts(authorization: header) == isAccepted)
    }

    @Test(
        arguments: [
            (0, true), (300, true), (301, false), (-300, true), (-301, false), (Int64.max, false), (Int64.min, false),
        ] as [(Int64, Bool)])
    func `a signature holds for five minutes either way`(seconds: Int64, isValid: Bool) {
        let header = Self.key.sign(body: [1], at: Self.signed)
        #expect(Self.key.verify(header: header, body: [1], now: Self.signed &+ seconds) == isValid)
    }

    @Test(arguments: [
        "", "t=1700000000", "s=00", "t=&s=", "t=x&s=00", "t=1700000000&s=zz", "t=1700000000&s=",
        "t=1700000001&s=6458320a3e327061ab7bfe28ace9cb02bb2b840c75b483a0c002831176bd6256",
        "t=1700000000&s=6458320a3e327061ab7bfe28ace9cb02bb2b840c75b483a0c002831176bd6257",
        "t=1700000000&s=6458320a3e327061ab7bfe28ace9cb02bb2b840c75b483a0c002831176bd62",
        "t=9223372036854775807&s=00", "t=99999999999999999999&s=00",
    ])
    func `anything else is no signature`(header: String) {
        #expect(!Self.key.verify(header: header, body: [], now: Self.signed))
    }

    @Test func `another body, another key: no signature`() {
        let header = Self.key.sign(body: [1], at: Self.signed)
        #expect(!Self.key.verify(header: header, body: [2], now: Self.signed))
        #expect(!SigningKey("signkey-test-00").verify(header: header, body: [1], now: Self.signed))
    }

    @Test func `either of two keys will do, and the one that did is told`() {
        let old = SigningKey("signkey-test-00ff")
        let keys = SigningKeys(current: Self.key, fallback: old)
        let header = old.sign(body: [1], at: Self.signed)
        #expect(keys.verify(header: header, body: [1], now: Self.signed) == old)
        #expect(
            keys.verify(header: Self.key.sign(body: [1], at: Self.signed), body: [1], now: Self.signed) == Self.key)
        #expect(keys.verify(header: header, body: [2], now: Self.signed) == nil)
        #expect(keys.accepts(bearer: "00ff"))
        #expect(keys.accepts(authorization: "Bearer \(Self.hash)"))
        #expect(!SigningKeys(current: Self.key).accepts(bearer: "00ff"))
    }

    @Test func `an answer may end in a line end that was not signed`() {
        let keys = SigningKeys(current: Self.key)
        let body = Array("{}\n".utf8)
        for signedBody in [body, Array("{}".utf8)] {
            let header = Self.key.sign(body: signedBody, at: Self.signed)
            #expect(keys.verifyAnswer(header: header, body: body, now: Self.signed))
        }
        let header = Self.key.sign(body: Array("{".utf8), at: Self.signed)
        #expect(!keys.verifyAnswer(header: header, body: body, now: Self.signed))
        #expect(!keys.verifyAnswer(header: header, body: [], now: Self.signed))
    }

    @Test func `a key is not shown`() {
        #expect("\(Self.key)" == "SigningKey(…)")
        #expect(!"\(SigningKeys(current: Self.key))".contains("0123"))
    }

    @Test func `an event key is shown by its hash`() {
        #expect(EventKey.hash("my-event-key") == "756db3455bd70816c089ed7fcd514ab0e66cf5cdf62ccb7a3bca66d96ee3132c")
    }
}
