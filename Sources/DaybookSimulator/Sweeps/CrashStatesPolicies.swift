import DaybookFakes

/// Which losses of power are tried on one disk.
///
/// Losses of everything, of nothing, of all sizes and all names are always among them. Those that name one piece or one
/// change of a name are tried for the newest ones and for a few of the older, which change with the number of the
/// boundary: what was not flushed long ago is there at many boundaries, and needs its turn only once.
struct CrashPolicies {
    var newPieces = 8
    var oldPieces = 4
    var newNames = 6
    var oldNames = 2
    var randoms = 4

    func all(for disk: MemoryDisk, boundary: Int) -> [PowerLossPolicy] {
        let pieces = disk.pendingPieceList
        let names = disk.pendingNameChanges
        var policies: [PowerLossPolicy] = [.allKept, .noneKept]
        if !pieces.isEmpty { policies += [.reversed, .sizesOnly, .sizesLost] }
        if names > 0 { policies += [.namesLost, .namesOnly] }
        for index in chosen(pieces.count, new: newPieces, old: oldPieces, boundary) {
            let piece = pieces[index]
            policies += [.tornWrite(piece: index), .onlyLost(piece: index), .onlyKept(piece: index)]
            guard piece.kind == .data else { continue }
            policies += [.tornInZeros(piece: index), .zeroFilled(piece: index)]
            // In its first byte, in its middle, and before its last one, which is often a line feed.
            for byte in Set([1, piece.bytes / 2, piece.bytes - 1]).sorted() where byte > 0 && byte < piece.bytes {
                policies.append(.tornAtByte(piece: index, byte: byte))
            }
        }
        for index in chosen(names, new: newNames, old: oldNames, boundary) {
            policies += [.nameLost(index), .nameKept(index), .namesBefore(index)]
        }
        if pieces.count + names > 1 {
            policies += (0..<randoms).map { .random(seed: UInt64(boundary * 16 + $0)) }
        }
        return policies
    }

    private func chosen(_ count: Int, new: Int, old: Int, _ boundary: Int) -> [Int] {
        let firstNew = max(0, count - new)
        // Steps that share no divisor with most counts go through all of them.
        let older = firstNew == 0 ? [] : (0..<min(old, firstNew)).map { (boundary * 31 + $0 * 17) % firstNew }
        return Set(older).sorted() + Array(firstNew..<count)
    }
}
