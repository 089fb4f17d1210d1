import DaybookCore
import DaybookValues
import Testing

struct SnapshotVersionTests {
    /// A little of everything that a snapshot of the second version had.
    private func world() throws -> Bench {
        let bench = Bench([
            function(startTimeout: day), function("app-child", on: []), cronFunction("0 * * * *"),
            limited("app-late", on: "test/late") { $0.debounce = Debounce(period: minute, key: "event.data.user") },
            limited("app-flow", on: "test/flow") {
                $0.throttle = Throttle(limit: 1, period: hour)
                $0.priority = "120"
                $0.singleton = Singleton(mode: .skip, key: "event.data.user")
                $0.cancelOn = [CancelOn(event: "test/stop", condition: "event.data.user == async.data.user")]
            },
        ])
        let run = try bench.startedRun()
        _ = bench.sleep(run, "sleep", day)
        _ = bench.wait(run, "wait", "test/wait", [match("data.a", "1")])
        _ = bench.invoke(run, "call", "app-child")
        _ = bench.failBody(run, "body", attempt: 1)
        let other = try bench.startedRun()
        _ = bench.endBody(other, "done", "[1,2]")
        bench.handle(
            .wait(
                run: other, key: "if", event: "test/wait", matches: [],
                condition: WaitCondition(source: "async.data.b == event.data.b", captured: Array("[5]".utf8)),
                timeout: hour))
        bench.publish("test/late", #"{"user":"u1"}"#)
        bench.publish("test/flow", #"{"user":"u1"}"#)
        bench.publish("test/flow", #"{"user":"u2"}"#, key: "k")
        bench.open(epoch: 2, interrupted: [InterruptedStep(run: other, key: "dying", attempt: 1)])
        return bench
    }

    /// The snapshot that an earlier version of Daybook, whose snapshots were of version 2, made of that world.
    private static let second = """
        0280b0f4d1bf6801d40a08ee087b22636c6f636b4f6666736574223a302c2266756e6374696f6e73223a5b7b22636f6e666967223a7b
        226964223a226170702d66222c22617070223a22617070222c226e616d65223a226170702d66222c2272657472696573223a342c2273
        7461727454696d656f7574223a38363430303030302c2263617463685570223a226c6174657374222c227472696767657273223a5b7b
        226576656e74223a22746573742f676f227d5d7d2c2272656d6f766564223a66616c73652c2263726f6e73223a5b5d7d2c7b22636f6e
        666967223a7b226964223a226170702d6368696c64222c22617070223a22617070222c226e616d65223a226170702d6368696c64222c
        2272657472696573223a342c2263617463685570223a226c6174657374222c227472696767657273223a5b5d7d2c2272656d6f766564
        223a66616c73652c2263726f6e73223a5b5d7d2c7b22636f6e666967223a7b226964223a226170702d63726f6e222c22617070223a22
        617070222c226e616d65223a226170702d63726f6e222c2272657472696573223a342c2263617463685570223a226c6174657374222c
        227472696767657273223a5b7b2263726f6e223a2230202a202a202a202a222c227a6f6e65223a7b226e616d65223a22555443222c22
        6669727374223a307d7d5d7d2c2272656d6f766564223a66616c73652c2263726f6e73223a5b7b2274726967676572223a302c226e65
        7874223a313739353235313630303030302c2268616e646c6564223a5b5d7d5d7d2c7b22636f6e666967223a7b226964223a22617070
        2d6c617465222c22617070223a22617070222c226e616d65223a226170702d6c617465222c2272657472696573223a342c2263617463
        685570223a226c6174657374222c22666c6f77223a7b226465626f756e6365223a7b22706572696f64223a36303030302c226b657922
        3a226576656e742e646174612e75736572227d7d2c227472696767657273223a5b7b226576656e74223a22746573742f6c617465227d
        5d7d2c2272656d6f766564223a66616c73652c2263726f6e73223a5b5d7d2c7b22636f6e666967223a7b226964223a226170702d666c
        6f77222c22617070223a22617070222c226e616d65223a226170702d666c6f77222c2272657472696573223a342c2263617463685570
        223a226c6174657374222c22666c6f77223a7b227468726f74746c65223a7b226c696d6974223a312c22706572696f64223a33363030
        3030307d2c227072696f72697479223a22313230222c2273696e676c65746f6e223a7b226d6f6465223a22736b6970222c226b657922
        3a226576656e742e646174612e75736572227d2c2263616e63656c4f6e223a5b7b226576656e74223a22746573742f73746f70222c22
        6966223a226576656e742e646174612e75736572203d3d206173796e632e646174612e75736572227d5d7d2c22747269676765727322
        3a5b7b226576656e74223a22746573742f666c6f77227d5d7d2c2272656d6f766564223a66616c73652c2263726f6e73223a5b5d7d5d
        2c22636c61696d73223a5b5d7d0101a1fd1e8c008acae474c7c2f3b66de7056479696e6701c448b99b4458fa6eb72f8fdb32769d0380
        b0f4d1bf6801a1fd1e8c008acae474c89f05dfb06d00015cec5785aa8afe11f4ed9c6fd28bce7a8090b4deb2b1b0060101a1fd1e8c00
        8acae474c7d534d066dd030002753180b0f4d1bf6880b0f4d1bf68c0d9fbd1bf68027b7d000101a1fd1e8c00000e0000000000000003
        0009746573742f6c61746580b0f4d1bf685e7b226e616d65223a22746573742f6c617465222c2264617461223a7b2275736572223a22
        7531227d2c226964223a2230314d3759485833303030303730303030303030303030303033222c227473223a31373935323438303030
        3030307d0501a1fd1e8c008acae474c66a4b98b03000000080b0f4d1bf68000180b0f4d1bf6800020000000000000405736c65657001
        80a0a7a4c068020004776169740280eaabd5bf68020209746573742f776169740106646174612e6101310463616c6c0380eaabd5bf68
        020301a1fd1e8c008acae474c706f43a147804626f647904d8f5f8d1bf68040401a1fd1e8c008acae474c706f43a1478010201a1fd1e
        8c008acae474c66a4b98b0300463616c6c0080b0f4d1bf68000000020000000000000001a1fd1e8c008acae474c7c2f3b66de7000000
        80b0f4d1bf68000180b0f4d1bf6800020000020a0000020269660580eaabd5bf68020609746573742f77616974001c6173796e632e64
        6174612e62203d3d206576656e742e646174612e62035b355d056479696e670880b0f4d1bf68040501a1fd1e8c008acae474c88aabcd
        e5a304000080b0f4d1bf68000000020000000000018e017b227468726f74746c65223a22222c2273696e676c65746f6e223a22753122
        2c227072696f72697479223a3132302c2263616e63656c4f6e223a5b7b226576656e74223a22746573742f73746f70222c226966223a
        226576656e742e646174612e75736572203d3d206173796e632e646174612e75736572222c226361707475726564223a5b227531225d
        7d5d7d0000010601000001a1fd1e8c008acae474c89f05dfb06d04000080b0f4d1bf68000000020000000000018e017b227468726f74
        746c65223a22222c2273696e676c65746f6e223a227532222c227072696f72697479223a3132302c2263616e63656c4f6e223a5b7b22
        6576656e74223a22746573742f73746f70222c226966223a226576656e742e646174612e75736572203d3d206173796e632e64617461
        2e75736572222c226361707475726564223a5b227532225d7d5d7d00000107000000
        """

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.filter { $0 != UInt8(ascii: "\n") }.map { $0 > 96 ? $0 - 87 : $0 - 48 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    @Test func `a snapshot of the second version is read, and nothing of it is lost`() throws {
        let old = bytes(Self.second)
        #expect(old.first == 2)
        let bench = try world()
        let core = Core()
        try core.restore(snapshot: old[...])
        #expect(core.encodedState == bench.core.encodedState)
        #expect(core.encodedState.first == 3)
        #expect(core.nextDeadlines == bench.core.nextDeadlines)
    }

    @Test func `a snapshot of a newer version is refused`() throws {
        var newer = try world().core.encodedState
        newer[0] = 4
        #expect(throws: SnapshotError.self) { try Core().restore(snapshot: newer[...]) }
    }

    @Test func `what the second version did not know is refused in a snapshot of it`() throws {
        let bench = Bench([function()])
        let run = try bench.startedRun()
        bench.handle(.waitForSignal(run: run, key: "s", signal: "go", replacesOther: false, timeout: hour))
        var state = bench.core.encodedState
        state[0] = 2
        #expect(throws: SnapshotError.self) { try Core().restore(snapshot: state[...]) }
    }
}
