/// What a loss of power leaves of what was not flushed, said exactly, so that a sweep can try every case and a report
/// can name the one that failed. See the fault model of `MemoryDisk`.
///
/// A piece is an index into `MemoryDisk.pendingPieces`, a name one into the pending changes of names; both are in the
/// order in which things were done.
package enum PowerLossPolicy: Hashable, Sendable {
    /// Nothing was lost: what a killed process leaves, on a machine that is started anew.
    case allKept
    case noneKept
    /// All that was done before the piece is kept, names too; it and all later is lost. Files end with the last byte
    /// that was kept.
    case tornWrite(piece: Int)
    /// As `tornWrite`, with the first bytes of the piece.
    case tornAtByte(piece: Int, byte: Int)
    /// As `tornWrite`, but files are as long as they were made: what was lost at their ends reads as zeros.
    case tornInZeros(piece: Int)
    case onlyLost(piece: Int)
    case onlyKept(piece: Int)
    /// Everything is kept but this piece, whose bytes are zeros.
    case zeroFilled(piece: Int)
    /// The later half of the pieces is kept, the earlier half is lost.
    case reversed
    /// Files have their new sizes and names, and not one byte of new content.
    case sizesOnly
    /// Files have their new content as far as their old sizes go.
    case sizesLost
    /// Everything is kept but this change of a name.
    case nameLost(Int)
    /// All content is kept, and of the changes of names only this one.
    case nameKept(Int)
    /// All content is kept, and the changes of names that were done before this one.
    case namesBefore(Int)
    /// All content is kept, and no change of a name.
    case namesLost
    /// All changes of names are kept, and no content.
    case namesOnly
    /// As `powerLoss(random:)` with this seed.
    case random(seed: UInt64)
}

/// Something that was done to a file and not flushed; a write is cut into one piece for each sector it touches.
package struct PendingPiece: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Bytes that a write covers, all within one sector.
        case data
        /// A sector that was stored to through a mapping.
        case mapped
        /// The size a write gave to its file.
        case growth
        /// The size a file was set to.
        case size
    }

    package var kind: Kind
    package var inode: UInt64
    /// Where the piece begins within its file; for sizes, the size.
    package var offset: Int
    /// 0 for sizes.
    package var bytes: Int
}
