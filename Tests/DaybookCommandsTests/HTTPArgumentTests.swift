import ArgumentParser
import DaybookSDK
import DaybookServer
import DaybookWire
import Testing

@testable import DaybookCommands

/// What `serve` and `dev` make of the command line, the environment and a file.
struct HTTPArgumentTests {
    private let key = "signkey-test-0123456789abcdef0123456789abcdef"

    private func resolved(
        _ arguments: [String] = [], isDev: Bool = false, _ environment: [String: String] = [:]
    ) throws -> HTTPOptions? {
        try HTTPArguments.parse(arguments).resolved(isDev: isDev) { environment[$0] }
    }

    private func refusal(
        _ arguments: [String] = [], isDev: Bool = false, _ environment: [String: String] = [:]
    ) throws -> String {
        do {
            _ = try resolved(arguments, isDev: isDev, environment)
            return ""
        } catch let failure as CommandFailure {
            #expect(failure.code == .usage)
            return failure.description
        }
    }

    @Test func `by itself a server listens on this machine at 8288, as dev, and asks its apps every five seconds`()
        throws
    {
        let options = try #require(try resolved())
        #expect(options.host == "127.0.0.1" && options.port == 8_288 && !options.takesNextPort)
        #expect(options.server.kind == "dev" && options.apps.kind == .dev)
        #expect(options.apps.pollInterval == 5 && !options.apps.discovers)
    }

    @Test func `dev looks for apps and for a free port, unless it is told where they are`() throws {
        let plain = try #require(try resolved(isDev: true))
        #expect(plain.takesNextPort && plain.apps.discovers)
        let told = try #require(try resolved(["-p", "9000", "-u", "http://localhost:3000/x"], isDev: true))
        #expect(!told.takesNextPort && !told.apps.discovers && told.port == 9_000)
        #expect(told.apps.urls == ["http://localhost:3000/x"])
        #expect(try resolved(["--no-discovery"], isDev: true)?.apps.discovers == false)
    }

    @Test func `an option counts more than the environment, DAYBOOK more than INNGEST, lists have commas`() throws {
        let environment = [
            "DAYBOOK_PORT": "1", "INNGEST_PORT": "2", "INNGEST_EVENT_KEY": "a, b", "INNGEST_SDK_URL": "http://x/",
            "DAYBOOK_POLL_INTERVAL": "60",
        ]
        #expect(try resolved([], environment)?.port == 1)
        #expect(try resolved(["--port", "3"], environment)?.port == 3)
        let options = try #require(try resolved([], environment))
        #expect(options.server.eventKeys == ["a", "b"])
        #expect(options.apps.urls == ["http://x/"])
        #expect(options.apps.pollInterval == 60)
        #expect(try resolved(["--event-key", "c"], environment)?.server.eventKeys == ["c"])
        #expect(try resolved([], ["DAYBOOK_NO_HTTP": "1"]) == nil)
    }

    @Test func `keys make a server one of the cloud kind, and the fallback needs a key before it`() throws {
        let options = try #require(try resolved(["--signing-key", key, "--signing-key-fallback", "00ff"]))
        #expect(options.server.kind == "cloud" && options.apps.kind == .cloud)
        #expect(options.apps.keys?.fallback != nil)
        #expect(try refusal(["--signing-key-fallback", "00ff"]).contains("--signing-key"))
        #expect(try refusal(["--signing-key", "secret"]).contains("hexadecimal"))
    }

    @Test(arguments: ["0.0.0.0", "::", "192.168.0.7", "example.org"])
    func `serve refuses to listen beyond this machine without keys, and names those that are missing`(
        _ host: String
    ) throws {
        #expect(try refusal(["--host", host]).contains("--event-key and --signing-key"))
        #expect(try refusal(["--host", host, "--event-key", "k"]).contains("without --signing-key"))
        #expect(try resolved(["--host", host, "--event-key", "k", "--signing-key", key])?.warnings == [])
        #expect(try resolved(["--host", host], isDev: true)?.warnings.count == 1)
    }

    @Test(arguments: ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
    func `this machine's own addresses need no keys`(_ host: String) throws {
        #expect(try resolved(["--host", host])?.host == host)
    }

    @Test func `settings that make no sense are refused with where they come from`() throws {
        #expect(try refusal(["--port", "70000"]).contains("0…65535"))
        #expect(try refusal([], ["DAYBOOK_PORT": "many"]).contains("$DAYBOOK_PORT"))
        #expect(try refusal([], ["INNGEST_NO_POLL": "perhaps"]).contains("$INNGEST_NO_POLL"))
        #expect(try refusal(["--poll-interval", "10ms"]).contains("at least 1s"))
        #expect(try refusal(["--config", "/nowhere/daybook.json"]).contains("/nowhere/daybook.json"))
    }

    @Test func `a file has the same settings, and everything in it is checked`() throws {
        let file = try ConfigFile(
            path: "d.json",
            Array(#"{"port":7000,"sdk-url":["http://a/","http://b/"],"event-key":"k","no-poll":true}"#.utf8))
        #expect(try file.number("port") == 7_000)
        #expect(try file.list("sdk-url") == ["http://a/", "http://b/"])
        #expect(try file.list("event-key") == ["k"])
        #expect(try file.flag("no-poll") == true)
        #expect(try file.text("host") == nil)
        for (text, expected) in [
            (#"{"prot":1}"#, "no setting 'prot'"), ("[1]", "must be a JSON object"), ("{", "line 1"),
            (#"{"port":"x"}"#, "a whole number"), (#"{"sdk-url":[1]}"#, "an array of strings"),
        ] {
            let problem = #expect(throws: CommandFailure.self) {
                let file = try ConfigFile(path: "d.json", Array(text.utf8))
                _ = try file.number("port")
                _ = try file.list("sdk-url")
            }
            #expect(problem?.description.contains(expected) == true, "\(text)")
            #expect(problem?.description.contains("d.json") == true)
        }
    }
}
