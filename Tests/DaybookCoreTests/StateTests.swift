import DaybookCore
import DaybookValues
import Testing

/// State is a pure function of the journal, and a snapshot is as good as the journal before it.
struct StateTests {
    /// Runs a random world and calls `body` after every move.
    private func run(
        seed: UInt64, moves: Int,
        _ body: (_ bench: Bench, _ move: RandomWorld.Move, _ outcome: Outcome, Int) throws -> Void
    ) rethrows {
        var world = RandomWorld(seed: seed)
        let bench = Bench(
            RandomWorld.functions(variant: Int(seed % 12)),
            retryPolicy: RetryPolicy(fixedWait: seed % 2 == 0 ? 2_000 : nil),
            seed: seed)
        for index in 0..<moves {
            let move = world.next(bench.core, bench.time)
            try body(bench, move, bench.make(move), index)
        }
    }

    @Test(arguments: 0..<16)
    func `after every command the replayed records give the same state, byte for byte`(seed: UInt64) throws {
        let replica = Bench.silent()
        var position = 0
        try run(seed: seed, moves: 250) { bench, move, _, index in
            while position < bench.lines.count {
                let line = bench.lines[position]
                let reread = try Line.reread(line)
                try #require(reread == line.record, "seed \(seed), move \(index): \(line)")
                try replica.core.apply(reread, stream: line.stream, at: bench.times[position])
                position += 1
            }
            try #require(
                replica.core.encodedState == bench.core.encodedState, "seed \(seed), move \(index): \(move)")
        }
    }

    @Test(arguments: 0..<16)
    func `a restored core gives the same state and decides the same from there on`(seed: UInt64) throws {
        var twin: Bench?
        try run(seed: seed, moves: 250) { bench, move, outcome, index in
            if let twin {
                let other = twin.make(move)
                try #require(
                    other.lines == outcome.lines && other.answer == outcome.answer,
                    "seed \(seed), move \(index): \(move)\n\(outcome.lines)\n\(other.lines)")
            }
            if twin == nil || index % 25 == Int(seed % 25) { twin = try bench.restored() }
            try #require(twin?.core.encodedState == bench.core.encodedState, "seed \(seed), move \(index)")
        }
    }

    @Test(arguments: 0..<12)
    func `a core that replayed the journal decides the same from there on`(seed: UInt64) throws {
        var twin: Bench?
        try run(seed: seed, moves: 200) { bench, move, outcome, index in
            if let twin {
                let other = twin.make(move)
                try #require(
                    other.lines == outcome.lines && other.answer == outcome.answer,
                    "seed \(seed), move \(index): \(move)\n\(outcome.lines)\n\(other.lines)")
            }
            if twin == nil || index % 40 == Int(seed % 40) { twin = try bench.replayed() }
        }
    }

    @Test(arguments: 0..<10)
    func `a snapshot taken in slices is the state as it was at its beginning`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed &+ 99)
        var wanted: [UInt8] = []
        var taken: [UInt8]?
        var snapshots = 0
        try run(seed: seed, moves: 300) { bench, _, _, index in
            if taken == nil {
                wanted = bench.core.encodedState
                taken = bench.core.beginSnapshot()
                if random.chance(10) {
                    bench.core.abandonSnapshot()
                    taken = bench.core.beginSnapshot()
                }
            } else if random.chance(60) {
                if let slice = bench.core.nextSnapshotSlice(runsMax: 1 + random.below(3)) {
                    taken?.append(contentsOf: slice)
                } else {
                    try #require(taken == wanted, "seed \(seed), move \(index)")
                    taken = nil
                    snapshots += 1
                }
            }
        }
        #expect(snapshots > 0)
    }

    @Test(arguments: 0..<5)
    func `the same commands, times and seeds give the same records and effects`(seed: UInt64) {
        func outcome() -> ([Line], [Effect]) {
            var last: Bench?
            run(seed: seed, moves: 200) { bench, _, _, _ in last = bench }
            return (last?.lines ?? [], last?.effects ?? [])
        }
        let (first, second) = (outcome(), outcome())
        #expect(first.0 == second.0)
        #expect(first.1 == second.1)
        #expect(first.0.count > 100)
    }

    @Test(arguments: 0..<10)
    func `nothing that was pending is lost over a restart`(seed: UInt64) throws {
        try run(seed: seed, moves: 150) { bench, _, _, index in
            guard index % 10 == 9 else { return }
            let other = try bench.restored()
            let effects = other.core.outstandingEffects(at: other.time)
            let deadlines = other.core.nextDeadlines
            for run in other.core.runSummaries {
                let isLoaded = effects.contains { effect in
                    switch effect {
                    case .run(run.id, input: nil), .cancel(run.id, reason: _): true
                    default: false
                    }
                }
                if run.isParked {
                    // Whatever a parked run waits for comes by a timer, an event, another run, or its turn as a suspect.
                    #expect(isLoaded || !run.open.isEmpty || run.retryAt != nil, "seed \(seed), move \(index): \(run)")
                } else {
                    let isLater = (run.startAt ?? .zero) > other.time.wall || (run.retryAt ?? .zero) > other.time.now
                    #expect(isLoaded || isLater, "seed \(seed), move \(index): \(run)")
                }
                for step in run.open where step.kind != .retry {
                    #expect(
                        deadlines.now.map { $0 <= step.due } == true || deadlines.wall.map { $0 <= step.due } == true)
                }
            }
        }
    }

    @Test(arguments: 0..<10)
    func `a changed or cut snapshot is refused or restored, and never traps`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        run(seed: seed, moves: 60) { bench, _, _, _ in
            var bytes = bench.core.encodedState
            for _ in 0...random.below(3) {
                switch random.below(3) {
                case 0: bytes[random.below(bytes.count)] = UInt8(random.below(256))
                case 1: bytes.removeLast(random.below(bytes.count))
                default: bytes.remove(at: random.below(bytes.count))
                }
                if bytes.isEmpty { break }
            }
            let core = Core()
            do throws(SnapshotError) {
                try core.restore(snapshot: bytes[...])
                _ = core.outstandingEffects(at: bench.time)
                _ = core.runSummaries
            } catch {
                _ = error.description
            }
        }
    }
}

extension Bench {
    /// A core that has been told nothing.
    static func silent() -> Bench { Bench(core: Core()) }

    func make(_ move: RandomWorld.Move) -> Outcome {
        switch move {
        case .command(let command): return handle(command)
        case .time(let milliseconds, let wallJump):
            now = now + milliseconds
            wallOffset += wallJump
            return fire()
        }
    }
}
