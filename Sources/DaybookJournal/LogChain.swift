internal import DaybookSystem

/// The segments that make up the log, in order: found by walking back from the newest one through the `after` of each
/// header. What a header cuts off, and segments that nothing leads to, do not count.
struct LogChain {
    struct Link {
        var name: SegmentName
        var header: SegmentHeader
        var dataStart: Int
        /// Where the next segment takes over; nil for the newest.
        var limit: Int?
        var headerIsDamaged: Bool
    }

    var links: [Link] = []
    /// Segments on disk that are not part of the log any more, for retention.
    var superseded: [SegmentName] = []

    var firstQ: UInt64? { links.first?.name.firstQ }
    var epochMax: UInt32 = 0
    /// The lock file was written elsewhere: the files need not be of one moment.
    var isCopy = false
    /// In a copy: the last record of its log, where that is certain before the log is gone through.
    var copyLastQ: UInt64?

    static func load(_ disk: any Disk) throws(JournalOpenError) -> LogChain {
        var chain = LogChain()
        var names: [SegmentName] = []
        do throws(FileError) {
            if try disk.stat("journal") != nil {
                names = try disk.list("journal").compactMap { SegmentName(fileName: $0.name) }.sorted()
            }
        } catch {
            throw .file(error)
        }
        var known: [SegmentName: Link] = [:]
        for name in names {
            let start: [UInt8]
            do throws(FileError) {
                start = try disk.open(name.path, .read).read(at: 0, count: 4_096)
            } catch {
                if error.isMissing { continue }
                throw .file(error)
            }
            let parsed = SegmentHeader.parse(start)
            if let format = parsed.format, format != UInt64(journalFormatVersion) {
                throw .newerVersion(path: name.path, what: "log format \(format)")
            }
            // A damaged header costs the links it held; the names alone still give the order.
            let isDamaged = parsed.header?.name != name
            let header =
                isDamaged
                ? SegmentHeader(name: name, proven: name.firstQ - min(1, name.firstQ), previousChecksum: 0, after: nil)
                : parsed.header
            guard let header else { continue }
            known[name] = Link(
                name: name, header: header, dataStart: parsed.bytes, limit: nil, headerIsDamaged: isDamaged)
            chain.epochMax = max(chain.epochMax, name.epoch)
        }
        guard var current = known.values.max(by: { ($0.name.epoch, $0.name.firstQ) < ($1.name.epoch, $1.name.firstQ) })
        else { return chain }
        var reversed = [current]
        known[current.name] = nil
        while true {
            var next: Link?
            if current.headerIsDamaged {
                let before = known.values.filter { $0.name < current.name && $0.name.epoch <= current.name.epoch }
                next = before.max { $0.name < $1.name }
            } else if let after = current.header.after {
                next = known[after.segment]
                next?.limit = after.bytes
            }
            guard let found = next else { break }
            known[found.name] = nil
            reversed.append(found)
            current = found
        }
        chain.links = reversed.reversed()
        chain.superseded = known.keys.sorted()
        do throws(FileError) {
            chain.isCopy = try isCopy(disk)
            if chain.isCopy { try chain.endWhereTheCopyDoes(disk) }
        } catch {
            throw .file(error)
        }
        return chain
    }
}
