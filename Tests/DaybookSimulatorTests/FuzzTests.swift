import DaybookCore
import DaybookFakes
import DaybookJournal
import DaybookNode
import DaybookSimulator
import DaybookSystem
import Testing

struct FuzzTests {
    private static let corpus = try? FuzzCorpus(
        directory: "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Fuzz")

    private func inputs(of target: FuzzTarget) throws -> [(path: String, bytes: [UInt8])] {
        let inputs = try #require(Self.corpus).inputs(of: target)
        #expect(!inputs.isEmpty, "Tests/Fuzz/Corpus/\(target.corpus) has no seeds")
        return inputs
    }

    @Test(arguments: FuzzTargets.all.map(\.name))
    func `every corpus and regression input passes its target`(name: String) throws {
        let target = try #require(FuzzTargets.named(name))
        for input in try inputs(of: target) {
            #expect(throws: Never.self, "\(input.path)") { try target.run(input.bytes) }
        }
    }

    @Test(arguments: FuzzTargets.all.map(\.name))
    func `mutations of each corpus pass its target`(name: String) throws {
        let target = try #require(FuzzTargets.named(name))
        let corpus = try inputs(of: target).map(\.bytes)
        let report = Fuzzer.run(target, corpus: corpus, seeds: 0..<UInt64(target.quickInputs))
        #expect(report.cases == target.quickInputs)
        #expect(report.violations == [])
    }

    @Test func `the same seed makes the same input again, and another seed another`() throws {
        let target = try #require(FuzzTargets.named("segment"))
        let corpus = try inputs(of: target).map(\.bytes)
        let inputs = (0..<200).map { Fuzzer.input($0, for: target, corpus: corpus) }
        #expect(inputs == (0..<200).map { Fuzzer.input($0, for: target, corpus: corpus) })
        #expect(Set(inputs).count > 190)
        #expect(inputs.allSatisfy { $0.count <= target.bytesMax })
    }

    @Test func `a mutation behind a checksum reaches the core, because checksums can be made right again`() throws {
        let target = try #require(FuzzTargets.named("segment-sealed"))
        let seed = try #require(try inputs(of: target).first { $0.path.hasSuffix("1-start") }).bytes
        let changed = Array(
            String(decoding: seed, as: UTF8.self).replacing("\"retries\":1,", with: "\"retries\":9,").utf8)
        #expect(changed != seed)
        #expect(try retries(recordedIn: seed) == 1)
        // As it is, the changed record is a torn end; sealed, it is a record that says something else.
        #expect(try retries(recordedIn: changed) == nil)
        #expect(try retries(recordedIn: Seal.segment(changed)) == 9)
    }

    private func retries(recordedIn segment: [UInt8]) throws -> Int? {
        let disk = MemoryDisk()
        try disk.makeDirectory("journal")
        try disk.open(SegmentName(firstQ: 1, epoch: 1).path, .create).write(segment, at: 0)
        var replay = CoreReplay(limits: CoreLimits(), retryPolicy: RetryPolicy())
        _ = try Journal.read(disk: disk, replay: &replay)
        return replay.core.function("a-mail")?.retries
    }

    @Test func `a target that breaks its promise is reported with its seed`() throws {
        let target = FuzzTarget.thatRefuses(byte: 0x7B)
        let report = Fuzzer.run(target, corpus: [Array("{}".utf8)], seeds: 0..<50)
        #expect(report.cases == 50)
        #expect((report.counts["violated"] ?? 0) > 10)
        #expect(report.violations.first?.contains("seed ") == true)
        #expect(Fuzzer.run(target, corpus: [Array("{}".utf8)], seeds: 0..<50).violations == report.violations)
    }
}

extension FuzzTarget {
    fileprivate static func thatRefuses(byte: UInt8) -> FuzzTarget {
        FuzzTarget("test") { input in
            if input.contains(byte) { throw FuzzViolation("the byte \(byte) never comes") }
        }
    }
}
