import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird
import NIOCore

extension API {
    /// What happens from now on, as server-sent events: each record of the journal that the filter takes, once it is
    /// flushed. `?run=`, `?function=` and `?kinds=run,step.failed` choose.
    func stream(_ call: Call) async throws -> Response {
        var filter = LiveView.Filter()
        if let text = call.query("run") {
            filter.run = try await read(text) { (model) throws(ReadError) in try model.resolve(text) }
        }
        if let text = call.query("function") { filter.function = try await wholeID(ofFunction: text) }
        if let text = call.query("kinds") { filter.kinds = text.split(separator: ",").map(String.init) }
        let (node, watch) = (node, watch)
        guard watch.hasRoomForViews else {
            throw APIError(.serviceUnavailable, "there are \(Watch.viewsMax) live views already; close one first")
        }
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache"],
            body: ResponseBody { [filter] writer in
                let view = LiveView(filter)
                watch.add(view)
                defer { watch.remove(view) }
                if let function = filter.function {
                    // After the view was added: a run that is queued in between is followed already.
                    view.follow(
                        await node.inspect { core in
                            core.unfinishedRuns(of: function, queuedAfter: nil, queuedBefore: nil)
                        })
                }
                // Comes back when the view sees what happens; from here on its reader misses nothing.
                _ = await node.inspect { $0.runCount }
                try await writer.write(ByteBuffer(string: ": watching\n\n"))
                while let bytes = await view.next() { try await writer.write(ByteBuffer(bytes: bytes)) }
                try await writer.finish(nil)
            })
    }
}
