import DaybookCore
import DaybookFakes
import DaybookValues
import Logging
import Testing

@testable import DaybookSDK

/// A function as an SDK registers it; `fields` are further members of it.
func wireFunction(
    _ fields: String = "", id: String = "shop-charge", name: String = "charge",
    triggers: String = #"[{"event":"shop/paid"}]"#, url: String? = nil
) -> String {
    let address = url ?? "http://localhost:9000/api/inngest?fnId=\(id)&stepId=step"
    return """
        {"id":"\(id)","name":"\(name)","triggers":\(triggers),"steps":{"step":{"id":"step","name":"step",\
        "runtime":{"type":"http","url":"\(address)"}}}\(fields.isEmpty ? "" : "," + fields)}
        """
}

/// A registration as an SDK sends it.
func wireApp(_ functions: String..., name: String = "shop", url: String = "http://localhost:9000/api/inngest") -> String
{
    """
    {"appName":"\(name)","url":"\(url)","v":"0.1","deployType":"ping","sdk":"py:v0.5.18","framework":"flask",\
    "functions":[\(functions.joined(separator: ","))]}
    """
}

@Suite struct `Registrations` {
    @Test func `an app registers, and says the same again`() async throws {
        try await HostHarness.run { harness in
            let first = await harness.register(wireApp(wireFunction()))
            #expect(first.status == 200)
            #expect(first.bool("ok") == true)
            #expect(first.bool("modified") == true)
            #expect(first.string("sync_id")?.count == 36)
            #expect(first.string("app_id")?.count == 36)
            let second = await harness.register(wireApp(wireFunction()))
            #expect(second.status == 200)
            #expect(second.bool("modified") == false)
            #expect(second.string("app_id") == first.string("app_id"))
            #expect(second.string("sync_id") != first.string("sync_id"))
            #expect(harness.store.registrations == 1)
        }
    }

    @Test func `what is registered is kept as it was said`() async throws {
        try await HostHarness.run { harness in
            _ = await harness.register(wireApp(wireFunction(), url: "http://127.0.0.1:9000/api/inngest?deployId=1"))
            let apps = await harness.host.apps()
            #expect(apps.count == 1)
            let app = try #require(apps.first)
            #expect(app.name == "shop")
            #expect(app.url == "http://localhost:9000/api/inngest")
            #expect(app.sdk == "py:v0.5.18")
            #expect(app.framework == "flask")
            #expect(app.functionCount == 1)
            #expect(app.connection == .connected)
            #expect(app.syncedAt == harness.clock.now)
            let function = try #require(harness.store.functions.first)
            #expect(function.id == "shop-charge")
            #expect(function.app == "shop")
            #expect(function.name == "charge")
            #expect(function.retries == 4)
            #expect(function.catchUp == .skip)
            #expect(function.url == "http://localhost:9000/api/inngest?fnId=shop-charge&stepId=step")
            #expect(function.triggers == [.event(name: "shop/paid", matches: [])])
        }
    }

    @Test func `a change and a function less are told apart from nothing new`() async throws {
        try await HostHarness.run { harness in
            let two = wireApp(wireFunction(), wireFunction(id: "shop-b"))
            #expect(await harness.register(two).bool("modified") == true)
            #expect(await harness.register(wireApp(wireFunction())).bool("modified") == true)
            #expect(harness.store.functions.map(\.id) == ["shop-charge"])
            #expect(await harness.register(two).bool("modified") == true)
            #expect(await harness.register(wireApp()).bool("modified") == true)
            #expect(harness.store.functions.isEmpty)
        }
    }

    @Test func `keys count in any case`() async throws {
        try await HostHarness.run { harness in
            let json = wireApp(wireFunction(#""Singleton":{"Mode":"cancel"},"RETRIES":2"#))
                .replacing("appName", with: "appname")
            #expect(await harness.register(json).status == 200)
            #expect(harness.store.functions.first?.flow.singleton == Singleton(mode: .cancel))
            #expect(harness.store.functions.first?.retries == 2)
        }
    }

    @Test func `an app needs a name`() async throws {
        try await HostHarness.run { harness in
            for json in [#"{"functions":[]}"#, wireApp(name: "")] {
                let answer = await harness.register(json)
                #expect(answer.status == 400)
                #expect(answer.string("error") == "App ID required")
                #expect(answer.integer("status") == 400)
            }
        }
    }

    @Test(arguments: [
        "zz", "", "[]", "{", "5", #"{"appName":5}"#, #"{"appName":"a","functions":{}}"#,
        wireApp(wireFunction(#""concurrency":{"limit":1,"scope":"moon"}"#)),
        wireApp(wireFunction(#""singleton":{"mode":"maybe"}"#)), wireApp(wireFunction(#""throttle":{"limit":1}"#)),
        wireApp(wireFunction(#""checkpoint":5"#)),
    ])
    func `what has the wrong type is an invalid request`(json: String) async throws {
        try await HostHarness.run { harness in
            let answer = await harness.register(json)
            #expect(answer.status == 400)
            #expect(answer.string("error")?.hasPrefix("Invalid request: ") == true, "\(answer.text)")
            #expect(answer.integer("status") == 400)
        }
    }

    @Test func `an app that expects another kind of server is told which one this is`() async throws {
        try await HostHarness.run { harness in
            let answer = await harness.register(wireApp(wireFunction()), expectedKind: "cloud")
            #expect(answer.status == 400)
            #expect(answer.string("error") == "Expected server kind dev, got cloud")
            #expect(await harness.register(wireApp(wireFunction()), expectedKind: "dev").status == 200)
        }
    }

    @Test func `an app with too many functions is refused as a whole`() async throws {
        try await HostHarness.run { harness in
            let many = (0..<1_001).map { wireFunction(id: "f\($0)") }.joined(separator: ",")
            let answer = await harness.register(wireApp(many))
            #expect(answer.status == 400)
            #expect(answer.string("error") == "Too many functions: app 'shop' registers 1001, and 1000 are the limit")
            #expect(harness.store.functions.isEmpty)
            let enough = (0..<500).map { wireFunction(id: "f\($0)") }.joined(separator: ",")
            #expect(await harness.register(wireApp(enough)).status == 200)
            #expect(harness.store.functions.count == 500)
        }
    }

    @Test func `of two functions with one id the last one counts`() async throws {
        try await HostHarness.run { harness in
            let json = wireApp(wireFunction(#""retries":1"#), wireFunction(id: "shop-b"), wireFunction(#""retries":2"#))
            #expect(await harness.register(json).status == 200)
            #expect(harness.store.functions.map(\.id) == ["shop-charge", "shop-b"])
            #expect(harness.store.functions.first?.retries == 2)
            #expect(harness.log.texts(.warning).contains { $0.contains("'shop-charge' is registered twice") })
        }
    }

    @Test func `a full disk is said with a status that means later`() async throws {
        try await HostHarness.run { harness in
            harness.store.refuse(.storageFull(bytesToFree: 1_048_576))
            let answer = await harness.register(wireApp(wireFunction()))
            #expect(answer.status == 503)
            #expect(answer.string("error")?.contains("disk is too full") == true)
        }
    }

    @Test func `an app that is removed and comes back is modified`() async throws {
        try await HostHarness.run { harness in
            let json = wireApp(wireFunction())
            _ = await harness.register(json)
            #expect(await harness.host.remove(url: "http://127.0.0.1:9000/api/inngest").status == 200)
            #expect(await harness.host.apps().isEmpty)
            #expect(await harness.register(json).bool("modified") == true)
            let unknown = Answered(await harness.host.remove(url: "http://localhost:1/api"))
            #expect(unknown.status == 404)
            #expect(unknown.string("error") == "App not found: http://localhost:1/api")
            #expect(await harness.host.remove(app: "shop").status == 200)
            #expect(await harness.host.remove(app: "shop").status == 404)
        }
    }
}
