import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Tells a connection that was dropped while it lay idle from one that an app broke off.
///
/// A server may close an idle connection at any moment, and a request that is on its way then fails for no fault of the
/// app. It stands between the encryption and the HTTP decoder, so that all it sees belongs to requests and answers.
final class StaleConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = NIOAny

    private var hasServed = false
    /// A request was written and nothing has come since.
    private var isWaiting = false

    /// Puts one into a connection of the client's.
    static func add(to channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
            try pipeline.addHandler(StaleConnectionHandler(), position: .before(decoder))
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        isWaiting = true
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasServed = true
        isWaiting = false
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if hasServed, isWaiting {
            isWaiting = false
            context.fireErrorCaught(StaleConnection(wasReset: true))
        } else {
            context.fireErrorCaught(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if hasServed, isWaiting {
            isWaiting = false
            context.fireErrorCaught(StaleConnection(wasReset: false))
        }
        context.fireChannelInactive()
    }
}
