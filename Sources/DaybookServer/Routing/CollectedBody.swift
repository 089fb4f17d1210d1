import Hummingbird
import NIOCore
import Synchronization

/// The whole body of a request.
///
/// Bodies that are at hand at the same time take at most `BodyRoom.bytesMax` together, small ones aside.
final class CollectedBody: Sendable {
    let bytes: [UInt8]
    private let reserved: Int

    /// - Parameter isOpaque: whether it may be compressed, because nobody looks into it.
    /// - Throws: `APIError` when it is larger than `bytesMax`, compressed, cut off, or when there is no room for it.
    init(of request: Request, upTo bytesMax: Int, isOpaque: Bool) async throws(APIError) {
        if !isOpaque, let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw APIError(
                .badRequest, "the body is compressed (Content-Encoding: \(encoding.prefix(40))); send it as it is")
        }
        let tooLarge = APIError(
            .contentTooLarge, "the body is larger than the limit of \(bytesMax) bytes; send less at once")
        let stated = request.headers[.contentLength].flatMap { Int($0) }
        if let stated, stated > bytesMax { throw tooLarge }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(stated ?? 0, BodyRoom.smallBytes))
        var reserved = 0
        do {
            for try await part in request.body {
                let count = bytes.count + part.readableBytes
                guard count <= bytesMax else { throw tooLarge }
                if count > BodyRoom.smallBytes {
                    guard BodyRoom.reserve(count - reserved) else {
                        throw APIError(
                            .serviceUnavailable,
                            "too many large bodies are being received at once; send it again in a moment")
                    }
                    reserved = count
                }
                bytes.append(contentsOf: part.readableBytesView)
            }
        } catch {
            BodyRoom.free(reserved)
            throw error as? APIError ?? APIError(.badRequest, "the body could not be read to its end: \(error)")
        }
        // A connection that ends in the middle of a body looks like the body's end.
        if let stated, bytes.count < stated {
            BodyRoom.free(reserved)
            throw APIError(.badRequest, "the body ends after \(bytes.count) of \(stated) bytes")
        }
        self.bytes = bytes
        self.reserved = reserved
    }

    deinit {
        BodyRoom.free(reserved)
    }
}

/// Memory that bodies of requests may take.
enum BodyRoom {
    /// All bodies over `smallBytes` together: 256 MiB.
    static let bytesMax = 256 * 1_048_576
    /// Up to here a body is not counted: 64 KiB.
    static let smallBytes = 65_536

    private static let taken = Mutex(0)

    static func reserve(_ bytes: Int) -> Bool {
        taken.withLock { taken in
            guard taken + bytes <= bytesMax else { return false }
            taken += bytes
            return true
        }
    }

    static func free(_ bytes: Int) {
        guard bytes > 0 else { return }
        taken.withLock { $0 -= bytes }
    }
}
