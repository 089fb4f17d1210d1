import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Tells a connection that was dropped while it lay idle from one that an app broke off.
///
/// A server may close an idle connection at any moment, and a request that is on its way then fails for no fault of the
/// app. What tells the two apart is time: the end of an idle connection crosses the request, or answers it at once; an
/// app that has worked on a request for longer and then dies has had it, and must not get it twice as if it had not.
///
/// It stands between the encryption and the HTTP decoder, so that all it sees belongs to requests and answers.
final class StaleConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = NIOAny

    private let limit: TimeAmount
    private var hasServed = false
    /// When the last of a request was written, as long as nothing has come since.
    private var waitingSince: NIODeadline?

    /// The connection counts as dropped while idle if it ends less than `limit` after a request was written.
    init(limit: TimeAmount) {
        self.limit = limit
    }

    /// Puts one into a connection of the client's.
    static func add(to channel: any Channel, limit: TimeAmount) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
            try pipeline.addHandler(StaleConnectionHandler(limit: limit), position: .before(decoder))
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        waitingSince = .now()
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasServed = true
        waitingSince = nil
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(wasStale() ? StaleConnection(wasReset: true) : error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if wasStale() { context.fireErrorCaught(StaleConnection(wasReset: false)) }
        context.fireChannelInactive()
    }

    /// Says so once.
    private func wasStale() -> Bool {
        guard hasServed, let since = waitingSince else { return false }
        waitingSince = nil
        return .now() - since < limit
    }
}
