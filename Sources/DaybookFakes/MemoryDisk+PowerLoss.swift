internal import DaybookSystem
internal import Synchronization

extension MemoryDisk {
    /// The machine dies. See the fault model.
    package func powerLoss(random: SeededRandom) {
        lock.withLock { _ in
            // Losses that keep nearly all or nearly nothing find other mistakes than those that keep half.
            let percents = [0, 10, 50, 50, 90, 100]
            let keptPercent = percents[random.below(percents.count)]
            let rules = dirty.map { _ in [Node.SizeRule.kept, .lost, .covering][random.below(3)] }
            let names = namesKept(random)
            lose(names: names) { piece in
                let isSize = piece.change.kind == .size || piece.change.kind == .growth
                let fate: Node.Fate
                if random.chance(percent: keptPercent) {
                    fate = .kept
                } else if isSize || random.chance(percent: 60) {
                    fate = .lost
                } else if random.chance(percent: 50) {
                    fate = .torn(byte: random.below(piece.range.count))
                } else {
                    fate = .zeroed
                }
                return (fate, rules[piece.owner])
            }
        }
    }

    private func namesKept(_ random: SeededRandom) -> (Int) -> Bool {
        if random.chance(percent: 50) {
            let kept = random.below(pendingNames.count + 1)
            return { $0 < kept }
        }
        let kept = pendingNames.map { _ in random.chance(percent: 50) }
        return { kept[$0] }
    }

    /// The machine dies in the worst way there is: nothing that was not flushed survives.
    package func powerLossOfAllUnflushed() {
        powerLoss(.noneKept)
    }

    /// The machine dies and leaves exactly what the policy says.
    package func powerLoss(_ policy: PowerLossPolicy) {
        if case .random(let seed) = policy { return powerLoss(random: SeededRandom(seed: seed)) }
        lock.withLock { _ in
            let pieces = pendingPieceParts()
            // A policy about a point in time says the same about names as about content.
            func namesBefore(piece: Int) -> (Int) -> Bool {
                guard pieces.indices.contains(piece) else { return { _ in true } }
                let end = pieces[piece].change.sequence
                let sequences = pendingNames.map(\.sequence)
                return { sequences[$0] < end }
            }
            func isSize(_ piece: Piece) -> Bool { piece.change.kind == .size || piece.change.kind == .growth }
            switch policy {
            case .allKept: lose(pieces, names: { _ in true }) { _ in (.kept, .kept) }
            case .noneKept: lose(pieces, names: { _ in false }) { _ in (.lost, .lost) }
            case .tornWrite(let index):
                lose(pieces, names: namesBefore(piece: index)) { ($0.index < index ? .kept : .lost, .covering) }
            case .tornAtByte(let index, let byte):
                lose(pieces, names: namesBefore(piece: index)) { piece in
                    (piece.index < index ? .kept : piece.index == index ? .torn(byte: byte) : .lost, .covering)
                }
            case .tornInZeros(let index):
                lose(pieces, names: namesBefore(piece: index)) { piece in
                    (piece.index < index || isSize(piece) ? .kept : .lost, .kept)
                }
            case .onlyLost(let index):
                lose(pieces, names: { _ in true }) { ($0.index == index ? .lost : .kept, .kept) }
            case .onlyKept(let index):
                lose(pieces, names: { _ in true }) { ($0.index == index ? .kept : .lost, .covering) }
            case .zeroFilled(let index):
                lose(pieces, names: { _ in true }) { ($0.index == index ? .zeroed : .kept, .kept) }
            case .reversed:
                lose(pieces, names: { _ in true }) { piece in
                    (piece.index >= pieces.count / 2 || isSize(piece) ? .kept : .lost, .kept)
                }
            case .sizesOnly: lose(pieces, names: { _ in true }) { (isSize($0) ? .kept : .lost, .kept) }
            case .sizesLost: lose(pieces, names: { _ in true }) { (isSize($0) ? .lost : .kept, .lost) }
            case .nameLost(let index): lose(pieces, names: { $0 != index }) { _ in (.kept, .kept) }
            case .nameKept(let index): lose(pieces, names: { $0 == index }) { _ in (.kept, .kept) }
            case .namesBefore(let index): lose(pieces, names: { $0 < index }) { _ in (.kept, .kept) }
            case .namesLost: lose(pieces, names: { _ in false }) { _ in (.kept, .kept) }
            case .namesOnly: lose(pieces, names: { _ in true }) { _ in (.lost, .lost) }
            case .random: break
            }
        }
    }

    /// The same number for disks with the same names and bytes, as reads see them, and nearly always another for
    /// others. What is not flushed does not count.
    package var fingerprint: UInt64 { lock.withLock { _ in root.fingerprint } }

    /// How many pieces a policy may name.
    package var pendingPieces: Int { lock.withLock { _ in pendingPieceParts().count } }

    /// The pieces, in the order in which they were done.
    package var pendingPieceList: [PendingPiece] {
        lock.withLock { _ in
            pendingPieceParts().map { piece in
                let kind: PendingPiece.Kind =
                    switch piece.change.kind {
                    case .data: .data
                    case .mapped: .mapped
                    case .growth: .growth
                    case .size: .size
                    }
                return PendingPiece(
                    kind: kind, inode: piece.node.inode, offset: piece.change.offset + piece.range.lowerBound,
                    bytes: piece.range.count)
            }
        }
    }

    /// How many changes of names a policy may name.
    package var pendingNameChanges: Int { lock.withLock { _ in pendingNames.count } }

    /// Part of a change that a loss of power treats as one.
    private struct Piece {
        var index = 0
        /// Where its node is in `dirty`.
        var owner: Int
        var node: Node
        var change: Node.Change
        /// Within the change; empty for sizes.
        var range: Range<Int>
    }

    private func pendingPieceParts() -> [Piece] {
        var pieces: [Piece] = []
        for (owner, node) in dirty.enumerated() {
            for change in node.changes {
                guard change.kind == .data else {
                    pieces.append(Piece(owner: owner, node: node, change: change, range: 0..<change.count))
                    continue
                }
                var start = 0
                while start < change.count {
                    let sectorEnd = ((change.offset + start) / Self.sectorBytes + 1) * Self.sectorBytes
                    let end = min(change.count, sectorEnd - change.offset)
                    pieces.append(Piece(owner: owner, node: node, change: change, range: start..<end))
                    start = end
                }
            }
        }
        pieces.sort { a, b in
            if a.change.sequence != b.change.sequence { return a.change.sequence < b.change.sequence }
            return (a.change.offset, a.range.lowerBound) < (b.change.offset, b.range.lowerBound)
        }
        for index in pieces.indices { pieces[index].index = index }
        return pieces
    }

    private func lose(
        _ pieces: [Piece]? = nil, names: (Int) -> Bool, _ fate: (Piece) -> (Node.Fate, Node.SizeRule)
    ) {
        endProcess()
        for piece in pieces ?? pendingPieceParts() {
            let (fate, rule) = fate(piece)
            piece.node.apply(piece.change, piece.range, fate, rule)
        }
        for node in dirty {
            node.adoptDurable()
            node.isListed = false
        }
        dirty.removeAll(keepingCapacity: true)
        for (index, change) in pendingNames.enumerated() where names(index) { change.applyDurably() }
        for change in pendingNames {
            for directory in [change.source?.directory, change.target?.directory] {
                guard let directory else { continue }
                directory.names = directory.durableNames
                for node in directory.names.values { node.isNamed = true }
            }
        }
        pendingNames.removeAll(keepingCapacity: true)
        forgetFoundPaths()
        usedBytes = root.totalBytes
    }
}
