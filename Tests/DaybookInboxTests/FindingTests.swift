import DaybookCore
import DaybookFakes
import DaybookInbox
import DaybookSystem
import DaybookValues
import Testing

struct FindingTests {
    @Test
    func `without a watch a file is taken once it has not changed for two seconds`() {
        let world = InboxWorld()
        world.put("inbox/a.jsonl", Array("\(event(0))\n".utf8))
        for n in 1..<5 {
            world.run(milliseconds: 1_500)
            world.append("inbox/a.jsonl", event(n) + "\n")
        }
        #expect(world.accepted == [])
        world.run(milliseconds: 3_100)
        #expect(world.accepted == [0, 1, 2, 3, 4])
    }

    @Test
    func `at the start what is older than two seconds is taken at once`() {
        let world = InboxWorld(opensAtOnce: false)
        world.drop("old.json", event(0))
        world.clock.advance(milliseconds: 1_500)
        world.drop("young.json", event(1))
        world.clock.advance(milliseconds: 1_000)
        world.run()
        #expect(world.accepted == [0])
        world.run(milliseconds: 2_000)
        #expect(world.accepted == [0, 1])
    }

    @Test
    func `what a watch calls delivered is taken at once`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.watch?.send(.delivered("a.json"))
        world.run()
        #expect(world.accepted == [0])
    }

    @Test
    func `a hint that comes twice, or too late, does nothing`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.watch?.send(.created("a.json"), .delivered("a.json"), .delivered("a.json"))
        world.run()
        world.watch?.send(.delivered("a.json"), .delivered("never-there.json"))
        world.run()
        world.settle()
        #expect(world.accepted == [0])
        #expect(world.log.count("warning") == 0)
    }

    @Test
    func `a file that its writer still has open is not taken for its pauses`() {
        let world = InboxWorld(watched: true)
        world.put("inbox/a.jsonl", Array("\(event(0))\n".utf8))
        world.watch?.send(.created("a.jsonl"))
        world.run(milliseconds: 40_000)
        #expect(world.accepted == [])
        world.append("inbox/a.jsonl", event(1))
        world.watch?.send(.delivered("a.jsonl"))
        world.run()
        #expect(world.accepted == [0, 1])
    }

    @Test
    func `a file whose closing was never seen is taken in the end`() {
        let world = InboxWorld(watched: true)
        world.put("inbox/a.json", Array(event(0).utf8))
        world.watch?.send(.created("a.json"))
        world.run(milliseconds: 61_000)
        #expect(world.accepted == [0])
    }

    @Test
    func `a new link to a file that is complete is taken at once`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.clock.advance(milliseconds: 5_000)
        world.watch?.send(.created("a.json"))
        world.run()
        #expect(world.accepted == [0])
    }

    @Test
    func `a file that is closed empty is given time to be written`() {
        let world = InboxWorld(watched: true)
        world.put("inbox/a.json", [])
        world.watch?.send(.created("a.json"), .delivered("a.json"))
        world.run(milliseconds: 1_000)
        world.append("inbox/a.json", event(0))
        world.watch?.send(.delivered("a.json"))
        world.run()
        #expect(world.accepted == [0])
    }

    @Test
    func `an unknown extension is given time to be renamed`() throws {
        let world = InboxWorld(watched: true)
        world.drop("a.json.new", event(0))
        world.watch?.send(.delivered("a.json.new"))
        world.run(milliseconds: 1_500)
        try world.disk.rename("inbox/a.json.new", to: "inbox/a.json")
        world.watch?.send(.delivered("a.json"))
        world.run(milliseconds: 5_000)
        #expect(world.accepted == [0])
        #expect(world.paths(in: "inbox/rejected") == [])
    }

    @Test
    func `an overflow is followed by a scan`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.run(milliseconds: 5_000)
        #expect(world.accepted == [])
        world.watch?.send(.overflowed)
        world.run(milliseconds: 2_500)
        #expect(world.accepted == [0])
    }

    @Test
    func `what the watch misses a scan finds within half a minute`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.run(milliseconds: 33_000)
        #expect(world.accepted == [0])
    }

    @Test
    func `a watch that is lost is begun again, and its files are found`() {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.watch?.send(.lost(reason: "test"))
        world.run(milliseconds: 3_000)
        #expect(world.accepted == [0])
        #expect(world.watch?.startCount == 2)
    }

    @Test
    func `without inotify the inbox says so and scans`() {
        let world = InboxWorld(watched: true, opensAtOnce: false)
        world.watch?.failToStart("too many watches")
        world.run()
        world.drop("a.json", event(0))
        world.run(milliseconds: 3_500)
        #expect(world.accepted == [0])
        #expect(world.log.count("it cannot be watched reason=too many watches") == 1)
    }

    @Test
    func `a clock that is set back does not hold a file up`() {
        let world = InboxWorld()
        world.drop("a.json", event(0))
        let yesterday = Timestamp(milliseconds: world.clock.now.milliseconds - 86_400_000)
        world.clock.setWall(yesterday)
        world.run(milliseconds: 3_500)
        #expect(world.accepted == [0])
    }

    @Test
    func `a file that the disk shows under its old name and as claimed is taken once`() throws {
        let world = InboxWorld(watched: true)
        world.drop("a.json", event(0))
        world.watch?.send(.delivered("a.json"))
        _ = world.inbox.step()
        world.journal.die(keeping: 0)
        // The power went inside a rename that is not atomic, as on a file system without a journal.
        let claimed = world.paths(in: "inbox/.claimed")[0]
        world.put("inbox/a.json", Array(event(0).utf8))
        let inode = try world.disk.stat(claimed)?.inode ?? 0
        world.tap.setInode(inode, ofPathsEndingIn: "inbox/a.json")
        world.clock.advance(milliseconds: 5_000)
        world.start(seed: 2)
        world.settle()
        #expect(world.accepted == [0])
        #expect(world.text("inbox/rejected/a.json.reason.txt")?.contains("the disk shows this file twice") == true)
    }
}
