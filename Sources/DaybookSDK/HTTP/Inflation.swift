internal import CZlib

/// Reads what `gzip` and `deflate` have written, up to a limit.
enum Inflation {
    enum Failure: Error, Equatable {
        /// More would come out than is wanted.
        case tooLarge
        case damaged
    }

    /// Bytes that are decompressed at a time: 64 KiB.
    private static let sliceBytes = 65_536

    /// The whole of what was compressed; several streams one behind the other count as one, as the format says.
    static func inflate(_ compressed: [UInt8], bytesMax: Int) throws(Failure) -> [UInt8] {
        // zlib remembers where the stream lies, so that it must not move.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer { stream.deallocate() }
        // 15 for the largest window; 32 more for telling gzip and zlib apart by their first bytes.
        guard inflateInit2_(stream, 15 + 32, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .damaged
        }
        defer { inflateEnd(stream) }
        var output: [UInt8] = []
        var slice = [UInt8](repeating: 0, count: sliceBytes)
        var consumed = 0
        while true {
            let (result, written, read) = step(stream, compressed, from: consumed, into: &slice)
            output.append(contentsOf: slice[..<written])
            consumed += read
            if output.count > bytesMax { throw .tooLarge }
            switch result {
            case Z_STREAM_END:
                if consumed == compressed.count { return output }
                guard inflateReset(stream) == Z_OK else { throw .damaged }
            case Z_OK where written > 0 || read > 0: continue
            // Cut off, or no compressed bytes at all.
            default: throw .damaged
            }
        }
    }

    private static func step(
        _ stream: UnsafeMutablePointer<z_stream>, _ input: [UInt8], from start: Int, into slice: inout [UInt8]
    ) -> (result: Int32, written: Int, read: Int) {
        input.withUnsafeBufferPointer { input in
            slice.withUnsafeMutableBufferPointer { slice in
                let available = input.count - start
                stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress.map { $0 + start })
                stream.pointee.avail_in = UInt32(available)
                stream.pointee.next_out = slice.baseAddress
                stream.pointee.avail_out = UInt32(slice.count)
                let result = CZlib.inflate(stream, Z_NO_FLUSH)
                let written = slice.count - Int(stream.pointee.avail_out)
                let read = available - Int(stream.pointee.avail_in)
                stream.pointee.next_in = nil
                stream.pointee.next_out = nil
                return (result, written, read)
            }
        }
    }
}
