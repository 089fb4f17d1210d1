import DaybookCore
import DaybookValues
import DaybookWire
import Testing

@testable import DaybookSDK

/// Apps over real connections, on a real node.
@Suite struct `Apps and the node together` {
    private static let event = #"{"name":"shop/paid","data":{"total":5}}"#

    /// The last record of a run of an app that answers so, and the calls it took.
    private func run(
        retries: Int = 1, _ handle: @escaping @Sendable (MockRequest) async -> MockAnswer
    ) async throws -> (record: JSONView, requests: [MockRequest]) {
        try await MockApp.run(handle) { mock in
            try await LiveNode.run { live in
                try await register(live, mock, retries: retries)
                return (try await live.run(Self.event), mock.requests)
            }
        }
    }

    private func register(_ live: LiveNode, _ mock: MockApp, retries: Int = 1) async throws {
        let function = wireFunction(#""retries":\#(retries)"#, url: "\(mock.url)?fnId=shop-charge&stepId=step")
        let answer = Answered(
            await live.host.register(body: Array(wireApp(function, url: mock.url).utf8), expectedKind: nil))
        #expect(answer.bool("modified") == true, "\(answer.text)")
    }

    private func attempts(_ requests: [MockRequest]) -> [Int64?] {
        requests.map { JSONView($0.body)?.at(path: "ctx.attempt")?.integer }
    }

    @Test func `a function runs its steps and ends`() async throws {
        let (record, requests) = try await run { request in
            let hash = StepID.hash("a")
            let isFirst = JSONView(request.body)?.at(path: "steps.\(hash)") == nil
            return isFirst
                ? .answer(
                    206, #"[{"op":"StepRun","id":"\#(hash)","displayName":"a","data":1}]"#,
                    headers: [("X-Inngest-SDK", "x-y:v1"), ("X-Inngest-Req-Version", "2")])
                : .answer(200, #"{"a":1}"#)
        }
        #expect(record.member("k")?.string == "run.completed")
        #expect(record.member("out")?.bytes == Array(#"{"a":1}"#.utf8))
        #expect(attempts(requests) == [0, 0])
        let body = try #require(requests.last.flatMap { JSONView($0.body) })
        #expect(body.member("version")?.integer == 2)
        #expect(body.at(path: "steps.\(StepID.hash("a"))")?.bytes == Array(#"{"data":1}"#.utf8))
        // Nothing was refused in between, so that one connection did it all, or two that crossed.
        #expect(Set(requests.map(\.connection)).count <= 2)
    }

    private static let failures: [(MockAnswer, attempts: Int)] = [
        (.answer(200, "{}", headers: []), 2), (.answer(500, "{}"), 2), (.answer(400, "{}"), 2), (.answer(401, "{}"), 2),
        (.answer(404, "{}"), 2), (.close, 2), (.answer(206, ""), 2), (.answer(206, #"[{"op":"Bogus"}]"#), 2),
        (.answer(200, "{}", headers: [("X-Inngest-SDK", "x-y:v1"), ("X-Inngest-No-Retry", "true")]), 1),
        (.answer(500, "{}", headers: [("X-Inngest-SDK", "x-y:v1"), ("X-Inngest-No-Retry", "true")]), 1),
        (.answer(400, "{}", headers: [("X-Inngest-SDK", "x-y:v1"), ("X-Inngest-No-Retry", "true")]), 1),
        (.answer(502, "<html>", headers: []), 2),
    ]

    @Test(arguments: 0..<12)
    func `a call that fails is made as often as the function says, and no more`(index: Int) async throws {
        let (mocked, expected) = Self.failures[index]
        let (record, requests) = try await run { _ in mocked }
        #expect(record.member("k")?.string == "run.failed")
        #expect(attempts(requests) == Array(0..<expected).map(Int64.init))
    }

    @Test func `an app that is down fails the run with the usual text`() async throws {
        try await LiveNode.run { live in
            try await MockApp.run({ _ in .hang }) { mock in try await register(live, mock) }
            let record = try await live.run(Self.event)
            #expect(record.member("k")?.string == "run.failed")
            #expect(record.at(path: "error.message")?.string == "Unable to reach SDK URL")
        }
    }

    @Test func `a function that is registered no more starts no runs`() async throws {
        try await MockApp.run({ _ in .answer(200, "1") }) { mock in
            try await LiveNode.run { live in
                try await register(live, mock)
                #expect(await live.host.apps().map(\.functionCount) == [1])
                let none = await live.host.register(body: Array(wireApp(url: mock.url).utf8), expectedKind: nil)
                #expect(Answered(none).bool("modified") == true)
                let receipts = try await live.publish(Self.event)
                #expect(receipts.map(\.outcome.started.count) == [0])
                #expect(await live.host.apps().map(\.functionCount) == [0])
                try await register(live, mock)
                let record = try await live.run(Self.event)
                #expect(record.member("k")?.string == "run.completed")
                #expect(await live.host.apps().first?.revision == 3)
            }
        }
    }

    @Test func `an app with another address is called there`() async throws {
        try await MockApp.run({ _ in .answer(200, "1") }) { first in
            try await MockApp.run({ _ in .answer(200, "2") }) { second in
                try await LiveNode.run { live in
                    try await register(live, first)
                    try await register(live, second)
                    let record = try await live.run(Self.event)
                    #expect(record.member("out")?.bytes == Array("2".utf8))
                    #expect(first.requests.isEmpty)
                    #expect(await live.host.apps().count == 1)
                }
            }
        }
    }

    @Test func `an app that was given calls back to register and is then called`() async throws {
        try await LiveNode.run { live in
            let host = live.host
            try await MockApp.run({ request in
                guard request.method == "PUT" else { return .answer(200, #""done""#) }
                let url = "http://\(request.header("host") ?? "")/api/inngest"
                let function = wireFunction(url: "\(url)?fnId=shop-charge&stepId=step")
                let answer = await host.register(body: Array(wireApp(function, url: url).utf8), expectedKind: "dev")
                return .answer(status: 200, body: answer.json)
            }) { mock in
                #expect(await host.syncNow(url: mock.url).status == 200)
                let record = try await live.run(Self.event)
                #expect(record.member("out")?.string == "done")
                #expect(await host.apps().first?.connection == .connected)
            }
        }
    }
}
