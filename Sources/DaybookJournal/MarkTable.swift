package import DaybookSystem
package import DaybookValues
internal import Synchronization

/// A step that was running inside a process when it died.
package struct StepMark: Hashable, Sendable {
    package var run: ULID
    package var epoch: UInt32
    /// From 1.
    package var attempt: UInt32
    /// The first 200 bytes of the step's id.
    package var stepIDStart: [UInt8]
    /// Length and checksum of the whole id, so that long ids are told apart too.
    package var stepIDBytes: Int
    package var stepIDChecksum: UInt32

    package func isOf(step id: some Collection<UInt8>) -> Bool {
        let bytes = Array(id)
        return bytes.count == stepIDBytes && checksum(bytes[...]) == stepIDChecksum && bytes.starts(with: stepIDStart)
    }
}

/// Which in-process step is running where. A mark is a store into memory shared with a file: it outlives the process
/// at the price of a few nanoseconds, and need not outlive the power, because then nothing was running that could
/// have brought the machine down again.
///
/// All methods may be called from any thread; one slot belongs to whoever claimed it.
package final class MarkTable: Sendable {
    private struct Slots: Sendable {
        var free: [Int] = []
        var regions: [any MappedRegion] = []
        /// Slots that still hold marks of an earlier epoch.
        var dead: [Int] = []
    }

    static let path = "journal/marks"
    static let slotBytes = 256
    static let stepIDBytesMax = 200
    private static let blockBytes = 256 << 10
    private static let slotsPerBlock = blockBytes / slotBytes

    private let disk: any Disk
    private let epoch: UInt32
    private let slots: Mutex<Slots>
    /// What was running when an earlier process died, in the order of run, attempt and step.
    package let deadMarks: [StepMark]

    /// Opens the file and reads the marks of earlier epochs.
    init(disk: any Disk, epoch: UInt32) throws(FileError) {
        self.disk = disk
        self.epoch = epoch
        var slots = Slots()
        var dead: [StepMark] = []
        let bytes = try disk.stat(Self.path)?.bytes ?? 0
        let blocks = max(1, bytes / Self.blockBytes)
        for block in 0..<blocks {
            let region = try disk.map(Self.path, at: block * Self.blockBytes, bytes: Self.blockBytes)
            slots.regions.append(region)
            var content = [UInt8](repeating: 0, count: Self.blockBytes)
            content.withUnsafeMutableBytes { region.load(into: $0, at: 0) }
            // The first slot of the file is the recovery note.
            for slot in (block == 0 ? 1 : 0)..<Self.slotsPerBlock {
                let start = slot * Self.slotBytes
                if let mark = Self.decode(content[start..<start + Self.slotBytes]) {
                    dead.append(mark)
                    slots.dead.append(block * Self.slotsPerBlock + slot)
                } else {
                    slots.free.append(block * Self.slotsPerBlock + slot)
                }
            }
        }
        // Handed out from the back: low numbers first keeps the used part of the file small.
        slots.free.reverse()
        self.slots = Mutex(slots)
        deadMarks = dead.sorted { a, b in
            if a.run != b.run { return a.run < b.run }
            if a.attempt != b.attempt { return a.attempt < b.attempt }
            return a.stepIDStart.lexicographicallyPrecedes(b.stepIDStart)
        }
    }

    /// A slot for one step at a time.
    /// - Throws: when the file has to grow and cannot; then the step must wait.
    package func claim() throws(FileError) -> Int {
        while true {
            let (slot, block) = slots.withLock { ($0.free.popLast(), $0.regions.count) }
            if let slot { return slot }
            let region = try disk.map(Self.path, at: block * Self.blockBytes, bytes: Self.blockBytes)
            slots.withLock { slots in
                // Other threads may have grown the file meanwhile, and even taken every slot that this gave.
                guard slots.regions.count == block else { return }
                slots.regions.append(region)
                let first = block * Self.slotsPerBlock
                slots.free.insert(contentsOf: (first..<first + Self.slotsPerBlock).reversed(), at: 0)
            }
        }
    }

    /// Notes that a step is about to run. Must be called before it does.
    package func write(_ slot: Int, run: ULID, step id: UnsafeBufferPointer<UInt8>, attempt: UInt32) {
        withUnsafeTemporaryAllocation(byteCount: Self.slotBytes, alignment: 8) { buffer in
            let start = id.prefix(Self.stepIDBytesMax)
            let idChecksum = id.baseAddress.map { checksum($0, id.count) } ?? 0
            buffer.storeBytes(of: run.high, toByteOffset: 4, as: UInt64.self)
            buffer.storeBytes(of: run.low, toByteOffset: 12, as: UInt64.self)
            buffer.storeBytes(of: epoch, toByteOffset: 20, as: UInt32.self)
            buffer.storeBytes(of: attempt, toByteOffset: 24, as: UInt32.self)
            buffer.storeBytes(of: UInt32(truncatingIfNeeded: id.count), toByteOffset: 28, as: UInt32.self)
            buffer.storeBytes(of: idChecksum, toByteOffset: 32, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: buffer[Self.headBytes...]).copyBytes(from: start)
            let used = Self.headBytes + start.count
            let body = UnsafeRawBufferPointer(rebasing: buffer[4..<used])
            let sum = body.withMemoryRebound(to: UInt8.self) { bytes in
                bytes.baseAddress.map { checksum($0, bytes.count) } ?? 0
            }
            buffer.storeBytes(of: sum, as: UInt32.self)
            store(UnsafeRawBufferPointer(rebasing: buffer[..<used]), slot)
        }
    }

    /// Ends the mark and gives the slot back. Only once the step's result is on disk, or it is known to have none.
    package func release(_ slot: Int) {
        clear(slot)
        slots.withLock { $0.free.append(slot) }
    }

    /// Forgets the marks of earlier epochs, once records about them are on disk.
    package func clearDeadMarks() {
        let dead = slots.withLock { slots in
            defer { slots.dead = [] }
            return slots.dead
        }
        for slot in dead { clear(slot) }
        slots.withLock { $0.free.append(contentsOf: dead) }
    }

    // MARK: - The recovery note

    /// Two words in the first slot: the record being applied by a start, and the one at which the last start died.
    func recoveryNote() -> (applying: UInt64, suspect: UInt64) {
        var words = [UInt64](repeating: 0, count: 2)
        let region = slots.withLock { $0.regions[0] }
        words.withUnsafeMutableBytes { region.load(into: $0, at: 0) }
        return (UInt64(littleEndian: words[0]), UInt64(littleEndian: words[1]))
    }

    func noteRecovery(applying: UInt64, suspect: UInt64) {
        let words = [applying.littleEndian, suspect.littleEndian]
        let region = noteRegion
        words.withUnsafeBytes { region.store($0, at: 0) }
    }

    var noteRegion: any MappedRegion { slots.withLock { $0.regions[0] } }

    // MARK: - Slots

    private static let headBytes = 36

    private func store(_ bytes: UnsafeRawBufferPointer, _ slot: Int) {
        let region = slots.withLock { $0.regions[slot / Self.slotsPerBlock] }
        region.store(bytes, at: slot % Self.slotsPerBlock * Self.slotBytes)
    }

    private func clear(_ slot: Int) {
        // Without its checksum and its run a slot holds no mark.
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 8) { zeros in
            zeros.initializeMemory(as: UInt8.self, repeating: 0)
            store(UnsafeRawBufferPointer(zeros), slot)
        }
    }

    /// The mark in a slot; nil when there is none, or only half of one: then its step had not begun.
    private static func decode(_ slot: ArraySlice<UInt8>) -> StepMark? {
        slot.withUnsafeBytes { bytes -> StepMark? in
            guard
                bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self) != 0
                    || bytes.loadUnaligned(fromByteOffset: 12, as: UInt64.self) != 0
            else { return nil }
            let length = Int(bytes.loadUnaligned(fromByteOffset: 28, as: UInt32.self))
            let used = headBytes + min(length, stepIDBytesMax)
            let run = ULID(
                high: bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self),
                low: bytes.loadUnaligned(fromByteOffset: 12, as: UInt64.self))
            let body = slot[slot.startIndex + 4..<slot.startIndex + used]
            guard bytes.loadUnaligned(as: UInt32.self) == checksum(body) else { return nil }
            return StepMark(
                run: run, epoch: bytes.loadUnaligned(fromByteOffset: 20, as: UInt32.self),
                attempt: bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self),
                stepIDStart: Array(slot[slot.startIndex + headBytes..<slot.startIndex + used]), stepIDBytes: length,
                stepIDChecksum: bytes.loadUnaligned(fromByteOffset: 32, as: UInt32.self))
        }
    }
}
