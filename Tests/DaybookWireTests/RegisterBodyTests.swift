import DaybookWire
import Testing

private func register(_ json: String) throws(RegisterError) -> RegisterBody { try RegisterBody(Array(json.utf8)) }

/// A registration of one function that has these fields besides its id.
private func function(_ fields: String) throws(RegisterError) -> WireFunction? {
    try register(#"{"appName":"shop","functions":[{"id":"shop-charge"\#(fields.isEmpty ? "" : ",")\#(fields)}]}"#)
        .functions.first
}

private func message(_ json: String) -> String? {
    do throws(RegisterError) {
        _ = try register(json)
        return nil
    } catch {
        return error.message
    }
}

private func functionMessage(_ fields: String) -> String? {
    message(#"{"appName":"shop","functions":[{"id":"shop-charge",\#(fields)}]}"#)
}

struct RegisterBodyTests {
    @Test func `every field of an app is read`() throws {
        let body = try register(
            #"{"appName":"shop","url":"http://h/api","sdk":"py:v0.5.18","framework":"flask","v":"0.1","deployType":"ping","#
                + #""appVersion":"7","headers":{"env":"dev","platform":"vercel"},"capabilities":{"in_band_sync":"v1"},"#
                + #""functions":[]}"#)
        #expect(body.appName == "shop")
        #expect(body.url == "http://h/api")
        #expect(body.sdk == "py:v0.5.18")
        #expect(body.framework == "flask")
        #expect(body.platform == "vercel")
        #expect(body.environment == "dev")
        #expect(body.appVersion == "7")
        #expect(body.deployType == "ping")
        #expect(body.functions.isEmpty)
    }

    @Test(arguments: ["appName", "appname", "APPNAME", "app_id"])
    func `the app's name is found in any case`(field: String) throws {
        #expect(try register(#"{"\#(field)":"shop"}"#).appName == "shop")
    }

    @Test(arguments: ["{}", #"{"appName":null,"functions":null,"url":"","x":{}}"#])
    func `what is missing is nothing`(json: String) throws {
        let body = try register(json)
        #expect(body.appName == "")
        #expect(body.url == nil)
        #expect(body.sdk == "")
        #expect(body.functions.isEmpty)
    }

    @Test(arguments: [
        (#""sdk_language":"go","sdk_version":"v0.15.1""#, "go:v0.15.1"),
        (#""sdk_language":"py","sdk_version":"0.5.18""#, "py:v0.5.18"),
        (#""sdk_language":"","sdk_version":"","sdk":"js:v4.18.1""#, "js:v4.18.1"),
        (#""sdk_language":"","sdk_version":"""#, ""),
    ])
    func `an app may register in the answer to a PUT`(fields: String, sdk: String) throws {
        let body = try register(
            #"{"app_id":"shop","env":"prod","platform":"fly","framework":"net/http","sdk_author":"inngest",\#(fields),"#
                + #""url":"http://h/api","inspection":{"schema_version":"2024-05-24"},"functions":[{"id":"shop-a","name":"a"}]}"#
        )
        #expect(body.appName == "shop")
        #expect(body.sdk == sdk)
        #expect(body.environment == "prod")
        #expect(body.platform == "fly")
        #expect(body.functions.map(\.id) == ["shop-a"])
    }

    @Test(arguments: [
        ("zz", "Invalid request: line 1, column 1: 'z' where a JSON value should be"),
        ("", "Invalid request: line 1, column 1: the text ends where a JSON value should be"),
        ("[]", "Invalid request: the body must be an object"),
        (#"{"appName":5}"#, "Invalid request: appName must be a string, not a number"),
        (#"{"url":{}}"#, "Invalid request: url must be a string, not an object"),
        (#"{"functions":{}}"#, "Invalid request: functions must be an array, not an object"),
        (#"{"functions":[null]}"#, "Invalid request: function 1 must be an object, not null"),
        (#"{"functions":[{},5]}"#, "Invalid request: function 2 must be an object, not a number"),
        (#"{"functions":[{"id":5}]}"#, "Invalid request: function 1: id must be a string, not a number"),
        (
            #"{"functions":[{"name":"pay","steps":[]}]}"#,
            "Invalid request: function 'pay': steps must be an object, not an array"
        ),
        (#"{"headers":"x"}"#, "Invalid request: headers must be an object, not a string"),
        (#"{"headers":{"env":1}}"#, "Invalid request: headers.env must be a string, not a number"),
    ])
    func `a wrong type is named with its place`(json: String, expected: String) {
        #expect(message(json) == expected)
    }

    @Test func `brackets without end are refused`() {
        #expect(message(String(repeating: "[", count: 1_000_000))?.hasPrefix("Invalid request: ") == true)
        #expect(message(#"{"functions":"# + String(repeating: "[", count: 600))?.hasPrefix("Invalid request: ") == true)
    }

    @Test func `a registration is told by what it says, not by how it is written`() throws {
        let body = try register(#"{"appName":"shop","functions":[{"id":"a","name":"x"}],"url":"u"}"#)
        let same = try register(
            #" {"url":"u", "functions":[{"name":"x","id":"a"}],"featureObservations":{"n":1},"deployId":"d","appName":"shop","#
                + #""idempotencyKey":"k","inspection":{}}"#)
        #expect(body.checksumBytes == same.checksumBytes)
        #expect(text(body.checksumBytes) == #"{"appName":"shop","functions":[{"id":"a","name":"x"}],"url":"u"}"#)
        let other = try register(#"{"appName":"shop","functions":[{"id":"a","name":"y"}],"url":"u"}"#)
        #expect(body.checksumBytes != other.checksumBytes)
        #expect(RegisterChecksum.of(body.checksumBytes).utf8.count == 64)
    }
}

struct WireFunctionTests {
    @Test func `every field of a function is read`() throws {
        let function = try #require(
            try function(
                #"""
                "name":"charge",
                 "triggers":[{"event":"shop/paid","expression":"event.data.total > 0"},
                   {"cron":"TZ=Europe/Paris 0 9 * * 1","jitter":"30s"}],
                 "steps":{"step":{"id":"step","name":"step",
                   "runtime":{"type":"http","url":"http://localhost:9000/api/inngest?fnId=shop-charge&stepId=step"},
                   "retries":{"attempts":3}}},
                 "concurrency":[{"limit":5},{"limit":1,"key":"event.data.user","scope":"fn"}],
                 "throttle":{"limit":10,"period":"1m","burst":2,"key":"event.data.user"},
                 "rateLimit":{"limit":1,"period":"10s","key":"event.data.user"},
                 "debounce":{"period":"5s","timeout":"1m","key":"event.data.user"},
                 "priority":{"run":"event.data.vip ? 100 : 0"},
                 "batchEvents":{"maxSize":50,"timeout":"10s","key":"event.data.shop","if":"event.data.bulk == true"},
                 "idempotency":"event.data.orderId",
                 "singleton":{"mode":"skip","key":"event.data.user"},
                 "timeouts":{"start":"10m","finish":"1h"},
                 "cancel":[{"event":"shop/void","if":"event.data.orderId == async.data.orderId","timeout":"1h"}],
                 "checkpoint":{"max_runtime":5000000000,"batch_steps":1}, "unknown":[{}]
                """#))
        #expect(function.id == "shop-charge")
        #expect(function.name == "charge")
        #expect(function.triggers.map(\.event) == ["shop/paid", nil])
        #expect(function.triggers.map(\.condition) == ["event.data.total > 0", nil])
        #expect(function.triggers.map(\.cron) == [nil, "TZ=Europe/Paris 0 9 * * 1"])
        #expect(function.triggers.map(\.jitter) == [nil, "30s"])
        let step = try #require(function.steps.first)
        #expect(function.steps.count == 1)
        #expect(step.id == "step")
        #expect(step.name == "step")
        #expect(step.type == "http")
        #expect(step.url == "http://localhost:9000/api/inngest?fnId=shop-charge&stepId=step")
        #expect(step.retries == 3)
        #expect(function.concurrency?.step.map(\.limit) == [5, 1])
        #expect(function.concurrency?.step.map(\.key) == [nil, "event.data.user"])
        #expect(function.concurrency?.run.isEmpty == true)
        #expect(function.throttle?.limit == 10)
        #expect(function.throttle?.period == "1m")
        #expect(function.throttle?.burst == 2)
        #expect(function.throttle?.key == "event.data.user")
        #expect(function.rateLimit?.limit == 1)
        #expect(function.rateLimit?.period == "10s")
        #expect(function.rateLimit?.key == "event.data.user")
        #expect(function.debounce?.period == "5s")
        #expect(function.debounce?.timeout == "1m")
        #expect(function.debounce?.key == "event.data.user")
        #expect(function.priority == "event.data.vip ? 100 : 0")
        #expect(function.batch?.maxSize == 50)
        #expect(function.batch?.timeout == "10s")
        #expect(function.batch?.key == "event.data.shop")
        #expect(function.batch?.condition == "event.data.bulk == true")
        #expect(function.idempotency == "event.data.orderId")
        #expect(function.singleton?.mode == .skip)
        #expect(function.singleton?.key == "event.data.user")
        #expect(function.startTimeout == "10m")
        #expect(function.finishTimeout == "1h")
        #expect(function.cancel.map(\.event) == ["shop/void"])
        #expect(function.cancel.map(\.condition) == ["event.data.orderId == async.data.orderId"])
        #expect(function.cancel.map(\.timeout) == ["1h"])
        #expect(function.checkpoint.map { text($0) } == #"{"batch_steps":1,"max_runtime":5000000000}"#)
    }

    @Test func `null and nothing are the same`() throws {
        let absent = try function("")
        let null = try function(
            #""name":null,"triggers":null,"steps":null,"retries":null,"concurrency":null,"throttle":null,"rateLimit":null,"#
                + #""debounce":null,"priority":null,"batchEvents":null,"idempotency":null,"Singleton":null,"#
                + #""timeouts":null,"cancel":null,"checkpoint":null"#)
        #expect(absent == null)
        #expect(absent?.triggers.isEmpty == true)
        #expect(absent?.retries == nil)
    }

    @Test func `names of fields are read in any case`() throws {
        let function = try function(
            #""Singleton":{"Mode":"Cancel","KEY":"k"},"BATCHEVENTS":{"maxsize":3},"ratelimit":{"Limit":1,"PERIOD":"1s"}"#
        )
        #expect(function?.singleton?.mode == .cancel)
        #expect(function?.singleton?.key == "k")
        #expect(function?.batch?.maxSize == 3)
        #expect(function?.rateLimit?.limit == 1)
    }

    @Test(
        arguments: [
            (#""steps":{"s":{"retries":{"attempts":0}}}"#, 0, nil),
            (#""steps":{"s":{"retries":{"attempts":-3}}}"#, -3, nil),
            (#""steps":{"s":{"retries":{"attempts":null}}}"#, nil, nil),
            (#""steps":{"s":{"retries":null}},"retries":2"#, nil, 2),
            (#""steps":{"s":{}},"retries":2"#, nil, 2), (#""steps":{"s":{"retries":7}}"#, 7, nil),
            (#""steps":{"s":{"retries":{"attempts":99999999999999999999}}}"#, Int64.max, nil),
            (#""steps":{"s":{"retries":{"attempts":-99999999999999999999}}}"#, Int64.min, nil),
            (#""steps":{"s":{"retries":{"attempts":1}}},"retries":null"#, 1, nil),
        ] as [(String, Int64?, Int64?)])
    func `retries are a count or nothing`(fields: String, ofStep: Int64?, ofFunction: Int64?) throws {
        let function = try function(fields)
        #expect(function?.steps.first?.retries == ofStep)
        #expect(function?.retries == ofFunction)
    }

    @Test(
        arguments: [
            ("5", [5], []), ("0", [0], []), (#"{"limit":2}"#, [2], []), (#"[{"limit":1},{"limit":-2}]"#, [1, -2], []),
            (#"{"fn":[{"limit":3}],"step":[{"limit":1},{"limit":2}]}"#, [1, 2], [3]),
            (#"{"fn":[{"limit":3}]}"#, [], [3]),
            (#"{"step":{"limit":1},"fn":null}"#, [1], []), ("[]", [], []), ("{}", [0], []),
            (#"[{"limit":1},{"limit":2},{"limit":3}]"#, [1, 2, 3], []),
        ] as [(String, [Int64], [Int64])])
    func `concurrency has four shapes`(value: String, step: [Int64], run: [Int64]) throws {
        let concurrency = try function(#""concurrency":\#(value)"#)?.concurrency
        #expect(concurrency?.step.map(\.limit) == step)
        #expect(concurrency?.run.map(\.limit) == run)
    }

    @Test(arguments: [#""5""#, #""""#, "null"])
    func `concurrency as a text is none`(value: String) throws {
        #expect(try function(#""concurrency":\#(value)"#)?.concurrency == nil)
    }

    @Test(
        arguments: [
            ("fn", .function), ("Fn", .function), ("ENV", .environment), ("account", .account), ("", .function),
        ] as [(String, WireLimit.Scope)])
    func `scopes are read in any case`(scope: String, expected: WireLimit.Scope) throws {
        let function = try function(#""concurrency":{"limit":1,"key":"event.data.x","scope":"\#(scope)"}"#)
        #expect(function?.concurrency?.step.first?.scope == expected)
    }

    @Test(
        arguments: [
            (
                #""concurrency":{"limit":1,"scope":"planet"}"#,
                "concurrency.scope must be fn, env or account, not 'planet'"
            ),
            (
                #""concurrency":[{"limit":1},{"limit":1,"scope":"x"}]"#,
                "concurrency[1].scope must be fn, env or account, not 'x'"
            ),
            (#""concurrency":true"#, "concurrency must be a number, an object or an array, not a boolean"),
            (#""concurrency":1.5"#, "concurrency must be a whole number, not a number"),
            (#""concurrency":{"limit":"5"}"#, "concurrency.limit must be a whole number, not a string"),
            (#""concurrency":[5]"#, "concurrency[0] must be an object, not a number"),
            (#""concurrency":{"fn":5}"#, "concurrency.fn must be an array, not a number"),
            (#""singleton":{"mode":"queue"}"#, "singleton.mode must be skip or cancel, not 'queue'"),
            (#""singleton":[]"#, "singleton must be an object, not an array"),
            (#""throttle":{"limit":1}"#, "throttle.period is missing"),
            (#""throttle":{"limit":1,"period":60}"#, "throttle.period must be a string, not a number"),
            (#""rateLimit":{"limit":1}"#, "rateLimit.period is missing"),
            (#""debounce":{"key":"k"}"#, "debounce.period is missing"),
            (#""batchEvents":{"maxSize":"2"}"#, "batchEvents.maxSize must be a whole number, not a string"),
            (#""priority":5"#, "priority must be an object, not a number"),
            (#""priority":{"run":5}"#, "priority.run must be a string, not a number"),
            (#""idempotency":{}"#, "idempotency must be a string, not an object"),
            (#""timeouts":{"start":10}"#, "timeouts.start must be a string, not a number"),
            (#""cancel":[{"event":"e"},{"event":5}]"#, "cancel[1].event must be a string, not a number"),
            (#""cancel":{}"#, "cancel must be an array, not an object"),
            (#""triggers":[{"event":"e"},5]"#, "triggers[1] must be an object, not a number"),
            (#""triggers":[{"cron":5}]"#, "triggers[0].cron must be a string, not a number"),
            (#""checkpoint":true"#, "checkpoint must be an object, not a boolean"),
            (#""retries":"3""#, "retries must be a whole number, not a string"),
            (#""retries":1.5"#, "retries must be a whole number, not a number"),
            (#""steps":{"a":5}"#, "steps.a must be an object, not a number"),
            (#""steps":{"a":{"runtime":"x"}}"#, "steps.a.runtime must be an object, not a string"),
            (#""steps":{"a":{"runtime":{"url":1}}}"#, "steps.a.runtime.url must be a string, not a number"),
            (
                #""steps":{"a":{"retries":{"attempts":"3"}}}"#,
                "steps.a.retries.attempts must be a whole number, not a string"
            ),
        ] as [(String, String)])
    func `a wrong type names the function and the field`(fields: String, expected: String) {
        #expect(functionMessage(fields) == "Invalid request: function 'shop-charge': \(expected)")
    }
}
