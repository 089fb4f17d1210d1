import Testing

@testable import DaybookSDK

@Suite struct `Addresses of apps` {
    @Test(arguments: [
        ("http://127.0.0.1:9000/api/inngest", "http://localhost:9000/api/inngest"),
        ("http://0.0.0.0:9000/api", "http://localhost:9000/api"),
        ("http://example.com:80/api", "http://example.com/api"),
        ("https://example.com:443/api", "https://example.com/api"),
        ("https://example.com:80/api", "https://example.com:80/api"),
        ("http://a/api?probe=trust&z=1&deployId=7&b=2", "http://a/api?b=2&z=1"),
        ("HTTP://Example.COM/API", "http://example.com/API"),
        ("http://[::1]:3000/api", "http://[::1]:3000/api"),
    ])
    func `an address is stored in one form`(text: String, expected: String) throws {
        #expect(try #require(WebAddress(text)).normalized.text == expected)
    }

    @Test(arguments: [
        "", "/api", "localhost:3000", "http://", "http://a:b/", "http://a:0/", "http://a:70000/", "http://user@a/",
        "http://a b/", "http://[::1/", "http://a:1:2/", "ht tp://a/", "http://a/\n",
    ])
    func `text that is no address is none`(text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test(arguments: [
        ("https://b/x", "https://b/x"), ("//b/x", "http://b/x"), ("/x", "http://a/x"), ("x", "http://a/api/x"),
        ("../x", "http://a/x"), ("../../../x", "http://a/x"), ("./x?y=1", "http://a/api/x?y=1"),
        ("?y=1", "http://a/api/fn?y=1"),
        ("/x#part", "http://a/x"), ("", "http://a/api/fn?q=1"),
    ])
    func `a reference is read from where it stands`(reference: String, expected: String) throws {
        let address = try #require(WebAddress("http://a/api/fn?q=1"))
        #expect(address.resolving(reference)?.text == expected)
    }

    @Test func `an app and its functions are at one place`() throws {
        let app = try #require(WebAddress("http://127.0.0.1:9000/api/inngest"))
        let function = try #require(WebAddress("http://localhost:9000/api/inngest?fnId=shop-charge&stepId=step"))
        #expect(app.place == function.place)
    }
}
