import DaybookCore
import DaybookValues
import Testing

/// Nothing that comes from outside traps or hangs, and whatever is accepted keeps its promises.
struct CronFuzzTests {
    @Test(arguments: 0..<8)
    func `mutated schedules are read or refused, and what is read goes forward`(seed: Int) throws {
        var random = CronFixtures.Random(state: UInt64(seed))
        let zones = try CronFixtures.zones.map { try $0.rules() }
        var accepted = 0
        for _ in 0..<10_000 {
            let source = CronSyntaxTests.accepted.randomElement(using: &random)?.text ?? ""
            var bytes = Array(source.utf8)
            CronFixtures.mutate(&bytes, using: &random)
            do {
                let schedule = try CronSchedule(String(decoding: bytes, as: UTF8.self))
                accepted += 1
                let zone = zones[Int.random(in: 0..<zones.count, using: &random)]
                let instant = Timestamp(milliseconds: Int64.random(in: 0...4_000_000_000_000, using: &random))
                let next = try #require(schedule.nextTick(after: instant, in: zone), "\(schedule)")
                #expect(next > instant)
                #expect(schedule.latestTick(atOrBefore: next, notBefore: .zero, in: zone) == next, "\(schedule)")
            } catch let error as CronError {
                #expect(!error.reason.isEmpty)
                #expect((1...300).contains(error.position))
                #expect(error.message.unicodeScalars.allSatisfy { $0.value >= 0x20 })
            }
        }
        // The mutations leave enough schedules whole for the promises to be tested at all.
        #expect(accepted > 400)
    }

    @Test(arguments: 0..<8)
    func `mutated zone files are read or refused, and what is read gives ticks in order`(seed: Int) throws {
        var random = CronFixtures.Random(state: UInt64(seed))
        let schedules = try ["0 9 * * *", "30 * * * *", "0 0 29 2 *"].map { try CronSchedule($0) }
        var accepted = 0
        for round in 0..<1_500 {
            let fixture = CronFixtures.zones[round % CronFixtures.zones.count]
            var bytes = CronFixtures.tzif(
                version: round % 5 == 0 ? 0 : UInt8(ascii: "2"), firstOffset: fixture.firstOffset,
                changes: fixture.changes,
                posix: EmbeddedZones.rules(named: fixture.name)?.posix?.text ?? "")
            CronFixtures.mutate(&bytes, using: &random)
            guard let zone = try? ZoneRules(name: fixture.name, tzif: bytes) else { continue }
            accepted += 1
            for instant in [Int64.min, 0, 1_500_000_000_000, 1_700_000_000_000, .max].map(Timestamp.init(milliseconds:))
            {
                _ = zone.trimmed(from: instant)
                _ = zone.resolve(CivilDate(day: instant.day % 3_000_000), secondOfDay: 9_000)
                for schedule in schedules {
                    guard let next = schedule.nextTick(after: instant, in: zone) else { continue }
                    #expect(next > instant)
                    #expect(schedule.latestTick(atOrBefore: next, notBefore: instant + 1, in: zone) == next)
                }
            }
        }
        #expect(accepted > 100)
    }

    @Test func `mutated POSIX rules are read or refused`() throws {
        var random = CronFixtures.Random(state: 3)
        let daily = try CronSchedule("0 2 * * *")
        let texts = EmbeddedZones.names.compactMap { EmbeddedZones.rules(named: $0)?.posix?.text }
        for _ in 0..<5_000 {
            var bytes = Array(texts.randomElement(using: &random)!.utf8)
            CronFixtures.mutate(&bytes, using: &random)
            guard let zone = try? ZoneRules(name: "Test", posix: String(decoding: bytes, as: UTF8.self)) else {
                continue
            }
            let instant = Timestamp(milliseconds: 1_700_000_000_000)
            let next = try #require(daily.nextTick(after: instant, in: zone))
            #expect(next > instant)
        }
    }
}
