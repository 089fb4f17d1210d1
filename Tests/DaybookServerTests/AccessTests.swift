import DaybookSystem
import DaybookValues
import DaybookWire
import Logging
import Testing

@testable import DaybookServer

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Who may ask what, over TCP.
struct AccessTests {
    private static let key = "signkey-test-0123456789abcdef0123456789abcdef"
    private static let hash = "223e0a160af9da0a03e6dd2c4719c56f5d66a633cbe84e78aaa9f3735865522a"

    private static var locked: ServerSettings {
        var settings = ServerSettings()
        settings.eventKeys = ["events"]
        settings.signingKeys = SigningKeys(current: SigningKey(key))
        return settings
    }

    @Test(arguments: [
        "Bearer 0123456789abcdef0123456789abcdef", "Bearer \(key)", "Bearer \(hash)", "Bearer signkey-test-\(hash)",
        "bearer \(hash)",
    ])
    func `the signing key opens the door as it is and as its hash`(authorization: String) async throws {
        try await ServerHarness.run(settings: Self.locked) { server in
            let answer = try await server.outside("GET", "/v1/events", headers: "Authorization: \(authorization)\r\n")
            #expect(answer.status == 200)
        }
    }

    @Test(arguments: [
        "", "Authorization: Basic MTpi\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer x\r\n",
        // The hash of the key's letters instead of its bytes.
        "Authorization: Bearer 3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9\r\n",
    ])
    func `anything else does not`(headers: String) async throws {
        try await ServerHarness.run(settings: Self.locked) { server in
            for (method, path) in [
                ("GET", "/v1/events"), ("POST", "/fn/register"), ("DELETE", "/fn/remove?url=x"), ("GET", "/dev"),
                ("GET", "/v0/runs/x/actions"), ("POST", "/v0/telemetry"), ("GET", "/api/runs"), ("GET", "/metrics"),
                ("POST", "/invoke/test-double"), ("GET", "/api/stream"), ("GET", "/api/tail"),
            ] {
                let answer = try await server.outside(method, path, headers: headers)
                #expect(answer.status == 401, "\(method) \(path)")
                #expect(answer.text == "Authentication failed")
            }
        }
    }

    @Test func `events have keys of their own, and health has none`() async throws {
        try await ServerHarness.run(settings: Self.locked) { server in
            let sent = try await server.outside("POST", "/e/events", #"{"name":"a"}"#)
            #expect(sent.status == 200)
            let health = try await server.outside("GET", "/health")
            #expect(health.string("message") == "OK")
            // Where the data lies is nobody's business.
            #expect(health.string("dataDirectory") == nil)
            #expect(try await server.get("/health").string("dataDirectory") == server.directory.path)
            #expect(try await server.get("/api/runs").status == 200)
        }
    }

    @Test func `a server with a signing key and no event key takes no events`() async throws {
        var settings = Self.locked
        settings.eventKeys = []
        try await ServerHarness.run(settings: settings) { server in
            let answer = try await server.outside("POST", "/e/x", #"{"name":"a"}"#)
            #expect(answer.status == 503)
            #expect(answer.string("error") == "Event keys are required to process events securely")
        }
    }

    @Test func `every answer says what kind of server it is`() async throws {
        for (settings, kind) in [(ServerSettings(), "dev"), (Self.locked, "cloud")] {
            try await ServerHarness.run(settings: settings) { server in
                for path in ["/health", "/nowhere", "/v1/events", "/e/events"] {
                    let answer = try await server.outside("GET", path)
                    #expect(answer.headers["x-inngest-server-kind"] == kind)
                    #expect(answer.headers["date"]?.hasSuffix(" GMT") == true)
                }
            }
        }
    }

    @Test(arguments: [
        ("localhost:8288", 200), ("127.0.0.1", 200), ("127.0.0.2:1", 200), ("[::1]:8288", 200), ("LOCALHOST", 200),
        ("app.localhost", 200), ("host.docker.internal:8288", 200), ("box.lan:8288", 200), ("evil.example", 403),
        ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("128.0.0.1", 403),
    ])
    func `without keys only names of this machine are answered`(host: String, status: Int) async throws {
        var settings = ServerSettings()
        settings.allowedHosts = ["box.lan"]
        try await ServerHarness.run(settings: settings) { server in
            for (method, path, body) in [
                ("POST", "/e/x", #"{"name":"a"}"#), ("GET", "/api/runs", ""), ("GET", "/v1/events", ""),
                ("GET", "/health", ""),
            ] {
                let answer = try await server.outside(method, path, body, host: host)
                #expect(answer.status == status, "\(method) \(path)")
            }
            let runs = try await server.get("/api/events")
            #expect(runs.rows == (status == 200 ? 1 : 0))
        }
    }

    @Test(arguments: [
        ("http://localhost:3000", 200), ("http://127.0.0.1:5173", 200), ("http://[::1]:1", 200),
        ("http://box.lan", 200), ("https://evil.example", 403), ("null", 403), ("http://localhost.evil.example", 403),
    ])
    func `without keys pages of other sites are refused`(origin: String, status: Int) async throws {
        var settings = ServerSettings()
        settings.allowedHosts = ["box.lan"]
        try await ServerHarness.run(settings: settings) { server in
            for method in ["POST", "OPTIONS"] {
                let answer = try await server.outside(
                    method, "/e/x", method == "POST" ? #"{"name":"a"}"# : "", headers: "Origin: \(origin)\r\n")
                #expect(answer.status == status)
                #expect(answer.headers["access-control-allow-origin"] == (status == 200 ? origin : nil))
                #expect(status == 200 || answer.string("error")?.contains("--allow-host") == true)
            }
        }
    }

    @Test func `with keys any page may send events, and ask with the key`() async throws {
        try await ServerHarness.run(settings: Self.locked) { server in
            let page = "Origin: https://shop.example\r\n"
            let preflight = try await server.outside(
                "OPTIONS", "/e/events",
                headers: page
                    + "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-inngest-sdk\r\n"
            )
            #expect(preflight.status == 200)
            #expect(preflight.headers["access-control-allow-origin"] == "*")
            #expect(preflight.headers["access-control-allow-methods"] == "POST")
            #expect(preflight.headers["access-control-allow-headers"] == "content-type,x-inngest-sdk")
            #expect(preflight.headers["access-control-max-age"] == "3600")
            let sent = try await server.outside(
                "POST", "/e/events", #"{"name":"a"}"#, host: "shop.example", headers: page)
            #expect(sent.status == 200)
            #expect(sent.headers["access-control-allow-origin"] == "*")
            let refused = try await server.outside("GET", "/v1/events", host: "shop.example", headers: page)
            #expect(refused.status == 401)
            let listed = try await server.outside(
                "GET", "/v1/events", host: "shop.example", headers: page + "Authorization: Bearer \(Self.hash)\r\n")
            #expect(listed.status == 200)
        }
    }

    @Test func `the same port answers on both versions of the protocol`() async throws {
        try await ServerHarness.run(settings: ServerSettings()) { server in
            // A machine without version 6 has nothing to show here.
            guard let descriptor = RawAnswer.connect(sixAt: server.port) else { return }
            close(descriptor)
        }
    }

    @Test func `a port that is taken is an error that names it`() async throws {
        try await ServerHarness.run(settings: ServerSettings()) { server in
            let second = TCPServer(api: server.api, port: server.port, logger: Logger(label: "test"))
            let error = await #expect(throws: ListenError.self) { try await second.run() }
            #expect(error?.description.contains("\(server.port)") == true)
        }
    }

    @Test(arguments: [
        ("localhost", true), ("127.0.0.1", true), ("127.1.2.3", true), ("::1", true), ("[::1]", true),
        ("0.0.0.0", false),
        ("::", false), ("192.168.1.2", false), ("example.com", false), ("127.0.0.1.example.com", false),
    ])
    func `hosts that only this machine reaches are told from others`(host: String, isLoopback: Bool) {
        #expect(TCPServer.isLoopback(host) == isLoopback)
    }
}
