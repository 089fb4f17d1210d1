import DaybookValues
import Hummingbird
import Testing

@testable import DaybookServer

/// The OpenAPI description and the routes are the same.
struct DescriptionTests {
    private static var paths: [(path: String, methods: [String])] {
        var found: [(path: String, methods: [String])] = []
        JSONView(openAPIDescription)?.member("paths")?.forEachMember { path, item in
            var methods: [String] = []
            item.forEachMember { method, _ in
                let method = unescape(method)
                if method != "parameters" { methods.append(method.uppercased()) }
                return true
            }
            found.append((unescape(path), methods))
            return true
        }
        return found
    }

    @Test func `it is JSON and names its version`() throws {
        try JSONText.check(openAPIDescription)
        #expect(JSONView(openAPIDescription)?.member("openapi")?.string == "3.1.0")
    }

    @Test func `every route is described, and everything described is a route`() {
        let routes = Set(API.allRoutes.map { "\($0.method.rawValue) \($0.path)" })
        let described = Set(Self.paths.flatMap { item in item.methods.map { "\($0) \(item.path)" } })
        #expect(routes.subtracting(described).isEmpty)
        #expect(described.subtracting(routes).isEmpty)
        #expect(routes.count == API.allRoutes.count)
    }

    @Test func `every reference in it leads somewhere`() throws {
        let view = try #require(JSONView(openAPIDescription))
        var missing: [String] = []
        var count = 0
        func walk(_ value: JSONView) {
            value.forEachMember { name, child in
                if unescape(name) == "$ref", let target = child.string {
                    count += 1
                    let path = target.dropFirst(2).split(separator: "/").joined(separator: ".")
                    if view.at(path: path) == nil { missing.append(target) }
                }
                walk(child)
                return true
            }
            value.forEachElement { element in
                walk(element)
                return true
            }
        }
        walk(view)
        #expect(missing.isEmpty)
        #expect(count > 100)
    }

    @Test func `the parameters of a path are described`() throws {
        for (path, _) in Self.paths {
            let named = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
            guard !named.isEmpty else { continue }
            let item = try #require(JSONView(openAPIDescription)?.member("paths")?.member(path))
            var described: [String] = []
            item.member("parameters")?.forEachElement { parameter in
                if let name = Self.resolved(parameter)?.member("name")?.string { described.append(name) }
                return true
            }
            #expect(described == named.map(String.init), "\(path)")
        }
    }

    @Test func `a path is matched part by part, and the plain one before the one with parameters`() {
        let table = RouteTable(API.allRoutes)
        func path(_ method: HTTPRequest.Method, _ path: String) -> String? {
            guard case .found(let index, let parameters) = table.match(method, path) else { return nil }
            return table.routes[index].path + parameters.map { " \($0.name)=\($0.value)" }.joined()
        }
        #expect(path(.get, "/api/runs") == "/api/runs")
        #expect(path(.get, "/api/runs/") == "/api/runs")
        #expect(path(.get, "/api/runs/01A") == "/api/runs/{id} id=01A")
        #expect(path(.get, "/v1/apps/a%20b%2Fc/functions") == "/v1/apps/{app}/functions app=a b/c")
        #expect(path(.get, "/v1/apps/a%2/functions") == nil)
        #expect(path(.get, "/v1/apps/%FF/functions") == nil)
        #expect(path(.get, "/api") == nil)
        #expect(path(.get, "/") == nil)
        #expect(path(.delete, "/api/runs") == nil)
        if case .otherMethods(let routes) = table.match(.delete, "/v1/cancellations") {
            #expect(routes.map(\.method.rawValue).sorted() == ["GET", "POST"])
        } else {
            Issue.record("the path has other methods")
        }
    }

    @Test func `answers have what the description promises`() async throws {
        try await ServerHarness.run(settings: ServerSettings()) { server in
            try await server.send(#"{"name":"test/nap"}"#, awaiting: "sleep.started")
            let run = try #require(try await server.get("/api/runs").string("data.0.id"))
            let event = try #require(try await server.get("/api/events").string("data.0.id"))
            let values = [
                "{key}": "k", "{id}": run, "{app}": "test", "{slug}": "test-double",
            ]
            for route in API.allRoutes where route.method == .get && !["/api/stream", "/api/tail"].contains(route.path)
            {
                var path = route.path
                for (name, value) in values { path = path.replacing(name, with: value) }
                if route.path.contains("/events/{id}") { path = route.path.replacing("{id}", with: event) }
                if route.path.contains("/functions/{id}") { path = route.path.replacing("{id}", with: "test-nap") }
                if route.path.contains("/apps/{id}") { path = route.path.replacing("{id}", with: "test") }
                let answer = try await server.outside("GET", path)
                let operation = try #require(
                    JSONView(openAPIDescription)?.member("paths")?.member(route.path)?.member("get"))
                let response = try #require(
                    operation.member("responses")?.member("\(answer.status)").flatMap(Self.resolved),
                    "\(path) answered \(answer.status)")
                guard let content = response.member("content")?.member("application/json") else { continue }
                #expect(answer.headers["content-type"] == "application/json")
                let json = try #require(answer.json, "\(path)")
                let schema = try #require(content.member("schema"))
                #expect(Self.problems(json, schema).isEmpty, "\(path): \(answer.text.prefix(500))")
            }
        }
    }

    private static func resolved(_ view: JSONView) -> JSONView? {
        guard let target = view.member("$ref")?.string else { return view }
        return JSONView(openAPIDescription)?.at(
            path: target.dropFirst(2).split(separator: "/").joined(separator: "."))
    }

    /// What of a value a schema does not allow, as far as types, members, constants and lists of values go.
    private static func problems(_ value: JSONView, _ schema: JSONView, at path: String = "") -> [String] {
        guard let schema = resolved(schema) else { return ["\(path): no schema"] }
        var found: [String] = []
        if let type = schema.member("type") {
            var allowed: [String] = type.string.map { [$0] } ?? []
            type.forEachElement { element in
                allowed.append(element.string ?? "")
                return true
            }
            let kind: String =
                switch value.kind {
                case .object: "object"
                case .array: "array"
                case .string: "string"
                case .number: "integer"
                case .bool: "boolean"
                case .null: "null"
                case nil: ""
                }
            if !allowed.contains(kind) { found.append("\(path) is of type \(kind)") }
        }
        if let wanted = schema.member("const"), !wanted.equals(value) { found.append("\(path) is another value") }
        if let known = schema.member("enum") {
            var isKnown = false
            known.forEachElement { element in
                isKnown = isKnown || element.equals(value)
                return true
            }
            if !isKnown { found.append("\(path) is none of the values") }
        }
        schema.member("required")?.forEachElement { name in
            if let name = name.string, value.member(name) == nil { found.append("\(path).\(name) is missing") }
            return true
        }
        schema.member("properties")?.forEachMember { name, property in
            let name = unescape(name)
            if let member = value.member(name) { found += problems(member, property, at: "\(path).\(name)") }
            return true
        }
        if let items = schema.member("items") {
            value.forEachElement { element in
                found += problems(element, items, at: "\(path)[]")
                return true
            }
        }
        return found
    }
}
