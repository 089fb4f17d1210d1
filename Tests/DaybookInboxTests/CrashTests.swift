import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookSystem
import Testing

/// A process that dies anywhere neither loses an event nor doubles it.
struct CrashTests {
    enum Death: CaseIterable { case kill, powerLoss, worstPowerLoss }

    /// One of everything: single events, equal files, several chunks in both formats, a refused file.
    private static func fill(_ world: InboxWorld) {
        world.drop("one.json", event(0))
        world.drop("twin-a.json", event(1))
        world.drop("twin-b.json", event(1))
        world.drop("many.jsonl", (2..<9).map { event($0) }.joined(separator: "\n") + "\n")
        world.drop("array.json", "[" + (9..<14).map { event($0) }.joined(separator: " ,\n ") + "]\n")
        world.drop("bad.json", #"{"name":"a/b","#)
    }

    private static let rejected = "inbox/rejected/bad.json"
    private static let expected = [0, 1, 1] + Array(2..<14)

    private static func makeWorld(_ seed: UInt64) -> InboxWorld {
        var options = InboxOptions()
        options.events.countMax = 2
        options.filesPerRoundMax = 4
        let world = InboxWorld(options: options, seed: seed, opensAtOnce: false)
        fill(world)
        world.clock.advance(milliseconds: 3_000)
        return world
    }

    private static func die(_ death: Death, _ world: InboxWorld, _ random: SeededRandom) {
        world.journal.die(keeping: random.below(world.journal.waitingCount + 1))
        switch death {
        case .kill: world.disk.crash()
        case .powerLoss: world.disk.powerLoss(random: random)
        case .worstPowerLoss: world.disk.powerLossOfAllUnflushed()
        }
        world.clock.advance(milliseconds: 3_000)
        let paths = world.paths
        if paths.contains(rejected) { #expect(paths.contains(rejected + ".reason.txt"), "\(death)") }
    }

    private static func check(_ world: InboxWorld, _ what: String) {
        #expect(world.accepted.sorted() == expected, "\(what)")
        #expect(world.journal.claims == [], "\(what)")
        #expect(world.paths == [rejected, rejected + ".reason.txt"], "\(what)")
        #expect(world.failures.all == [], "\(what)")
    }

    @Test
    func `without a crash everything is taken once`() {
        let world = Self.makeWorld(1)
        world.settle()
        Self.check(world, "no crash")
    }

    @Test(arguments: Death.allCases)
    func `a death at any operation leaves every event accepted exactly once`(death: Death) {
        var end = 0
        while true {
            let random = SeededRandom(seed: UInt64(end))
            let world = Self.makeWorld(7)
            world.tap.doom.end(after: end)
            world.settle()
            guard world.tap.doom.isDead else { break }
            Self.die(death, world, random)
            world.start(seed: 1_000 + UInt64(end))
            world.settle()
            Self.check(world, "\(death) after \(end) operations")
            end += 1
        }
        #expect(end > 100)
    }

    @Test(arguments: [Death.powerLoss, .worstPowerLoss])
    func `a kill and then a loss of power, at any two moments, leave every event accepted exactly once`(second: Death) {
        func makeWorld() -> InboxWorld {
            let world = InboxWorld(opensAtOnce: false)
            world.drop("one.json", event(0))
            world.drop("bad.json", "{")
            world.clock.advance(milliseconds: 3_000)
            return world
        }
        var end = 0
        while true {
            var secondEnd = 0
            while true {
                let random = SeededRandom(seed: UInt64(end * 1_000 + secondEnd))
                let world = makeWorld()
                world.tap.doom.end(after: end)
                world.settle()
                guard world.tap.doom.isDead else { break }
                Self.die(.kill, world, random)
                world.start(seed: 2)
                world.tap.doom.end(after: secondEnd)
                world.settle()
                guard world.tap.doom.isDead else { break }
                Self.die(second, world, random)
                world.start(seed: 3)
                world.settle()
                #expect(world.accepted == [0], "kill after \(end), \(second) after \(secondEnd)")
                #expect(world.journal.claims == [])
                #expect(world.paths == [Self.rejected, Self.rejected + ".reason.txt"])
                secondEnd += 1
            }
            guard secondEnd > 0 else { break }
            end += 1
        }
        #expect(end > 40)
    }

    @Test
    func `deaths in a row, of either kind, leave every event accepted exactly once`() {
        for seed in 0..<400 as Range<UInt64> {
            let random = SeededRandom(seed: seed)
            let world = Self.makeWorld(seed)
            var deaths: [String] = []
            for _ in 0..<1 + random.below(5) {
                let end = random.below(120)
                world.tap.doom.end(after: end)
                world.settle()
                guard world.tap.doom.isDead else { break }
                let death = Death.allCases[random.below(3)]
                deaths.append("\(death) after \(end)")
                Self.die(death, world, random)
                world.start(seed: random.next())
            }
            world.tap.doom.reset()
            world.settle()
            Self.check(world, "seed \(seed): \(deaths)")
        }
    }

    @Test
    func `a call that fails at any point is got over without loss or double`() {
        for operation in [
            FileError.Operation.rename, .open, .stat, .list, .read, .write, .unlink, .sync, .makeDirectory,
        ] {
            for count in 0..<60 {
                let world = Self.makeWorld(3)
                // Out of descriptors or space: trouble that passes.
                world.disk.fail(operation, after: count, errno: operation == .open ? 24 : 28, times: 2)
                world.settle()
                world.settle()
                #expect(world.accepted.sorted() == Self.expected, "\(operation) \(count)")
                #expect(world.journal.claims == [], "\(operation) \(count)")
                // A file that could not be looked at when its grace was over stays until the next start.
                world.disk.clearFailures()
                world.start(seed: 99)
                world.settle()
                Self.check(world, "\(operation) \(count)")
            }
        }
    }

    @Test
    func `a claim that the journal does not know is begun anew, and one it knows goes on at its offset`() {
        var options = InboxOptions()
        options.events.countMax = 2
        for keep in 0...1 {
            let world = InboxWorld(options: options)
            world.drop("a.json", "[" + (0..<5).map { event($0) }.joined(separator: ",") + "]")
            world.clock.advance(milliseconds: 1_000)
            _ = world.inbox.step()
            world.clock.advance(milliseconds: 3_000)
            while world.journal.waitingCount == 0 { _ = world.inbox.step() }
            world.journal.die(keeping: keep)
            world.disk.crash()
            #expect(world.accepted == (keep == 0 ? [] : [0, 1]))
            world.start(seed: 2)
            world.settle()
            #expect(world.accepted == [0, 1, 2, 3, 4])
            #expect(world.paths == [])
        }
    }

    @Test
    func `a claimed file whose taken part has changed is refused, and says what was accepted`() {
        var options = InboxOptions()
        options.events.countMax = 2
        let world = InboxWorld(options: options)
        world.drop("a.jsonl", (0..<5).map { event($0) }.joined(separator: "\n"))
        world.clock.advance(milliseconds: 1_000)
        _ = world.inbox.step()
        world.clock.advance(milliseconds: 3_000)
        while world.journal.waitingCount == 0 { _ = world.inbox.step() }
        world.journal.die(keeping: 1)
        world.disk.crash()
        world.put(world.paths(in: "inbox/.claimed")[0], Array((event(100) + "\n" + event(50) + "\n").utf8))
        world.start(seed: 2)
        world.settle()
        #expect(world.accepted == [0, 1])
        #expect(world.journal.claims == [])
        let reason = world.text("inbox/rejected/a.jsonl.reason.txt") ?? ""
        #expect(reason.contains("changed after it was taken"))
        #expect(reason.contains("Accepted: those in its first 60 bytes"))
    }

    @Test
    func `a claim whose file somebody removed is forgotten, and said to be incomplete`() throws {
        var options = InboxOptions()
        options.events.countMax = 2
        let world = InboxWorld(options: options)
        world.drop("a.jsonl", (0..<5).map { event($0) }.joined(separator: "\n"))
        world.clock.advance(milliseconds: 1_000)
        _ = world.inbox.step()
        world.clock.advance(milliseconds: 3_000)
        while world.journal.waitingCount == 0 { _ = world.inbox.step() }
        world.journal.die(keeping: 1)
        world.disk.crash()
        try world.disk.unlink(world.paths(in: "inbox/.claimed")[0])
        world.start(seed: 2)
        world.settle()
        #expect(world.journal.claims == [])
        #expect(world.log.count("a claimed file has disappeared") == 1)
    }

    @Test
    func `a file that grew between its last event and the restart is kept as changed`() {
        let world = InboxWorld()
        world.drop("a.jsonl", event(1) + "\n")
        world.clock.advance(milliseconds: 1_000)
        _ = world.inbox.step()
        world.clock.advance(milliseconds: 3_000)
        while world.journal.waitingCount == 0 { _ = world.inbox.step() }
        world.journal.die(keeping: 1)
        world.disk.crash()
        world.append(world.paths(in: "inbox/.claimed")[0], event(2) + "\n")
        world.start(seed: 2)
        world.settle()
        #expect(world.accepted == [1])
        #expect(world.text("inbox/rejected/a.jsonl") == event(1) + "\n" + event(2) + "\n")
        #expect(world.journal.claims == [])
    }

    @Test
    func `files that lie in .done at a start are deleted after another grace time`() {
        let world = InboxWorld()
        world.drop("a.json", event(1))
        world.run(milliseconds: 4_000)
        #expect(world.paths(in: "inbox/.done").count == 1)
        world.disk.crash()
        world.start(seed: 2)
        world.run(milliseconds: 5_000)
        #expect(world.paths(in: "inbox/.done").count == 1)
        world.settle()
        #expect(world.paths == [])
    }
}
