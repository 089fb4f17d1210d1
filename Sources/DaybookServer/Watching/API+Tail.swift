import DaybookNode
import DaybookValues
import Hummingbird
import NIOCore
import Synchronization

extension API {
    /// Every line of the journal from now on, as it is flushed: one JSON object a line, until the reader leaves or the
    /// server stops.
    func tail(_ call: Call) async -> Response {
        let (node, tails) = (node, tails)
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson; charset=utf-8"],
            body: ResponseBody { writer in
                let tail = Tail()
                let number = await node.addTap { tail.append($0) }
                tails.add(number, tail)
                defer {
                    node.removeTap(number)
                    tails.remove(number)
                }
                // An empty line tells the reader that it misses nothing from here on.
                try await writer.write(ByteBuffer(string: "\n"))
                while let lines = await tail.next() { try await writer.write(ByteBuffer(bytes: lines)) }
                try await writer.finish(nil)
            })
    }
}

/// Lines on their way to one reader. A reader that is too slow loses lines and is told how many batches.
package final class Tail: Sendable {
    /// Bytes that wait for the reader: 8 MiB.
    private static let waitingBytesMax = 8 * 1_048_576

    private struct State {
        var waiting: [UInt8] = []
        var droppedBatches = 0
        var reader: CheckedContinuation<Void, Never>?
        var isFinished = false
    }

    private let state = Mutex(State())

    package init() {}

    /// On the writer's thread.
    package func append(_ lines: [UInt8]) {
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.waiting.count + lines.count > Self.waitingBytesMax, !state.waiting.isEmpty {
                state.droppedBatches += 1
                return nil
            }
            if state.droppedBatches > 0 {
                state.waiting.append(json: #"{"droppedBatches":"#)
                state.waiting.append(json: state.droppedBatches)
                state.waiting.append(json: "}\n")
                state.droppedBatches = 0
            }
            state.waiting.append(contentsOf: lines)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    package func finish() {
        let reader = state.withLock { state in
            state.isFinished = true
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Nil after the end.
    package func next() async -> [UInt8]? {
        while true {
            let (lines, isFinished) = state.withLock { state in
                defer { state.waiting = [] }
                return (state.waiting, state.isFinished)
            }
            if !lines.isEmpty { return lines }
            if isFinished { return nil }
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isReady = state.withLock { state in
                    if state.isFinished || !state.waiting.isEmpty { return true }
                    state.reader = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }
}

/// The tails that are open, so that they end with the server.
final class OpenTails: Sendable {
    private let tails = Mutex<(open: [UInt64: Tail], isFinished: Bool)>(([:], false))

    func add(_ number: UInt64, _ tail: Tail) {
        let isFinished = tails.withLock { tails in
            tails.open[number] = tail
            return tails.isFinished
        }
        if isFinished { tail.finish() }
    }

    func remove(_ number: UInt64) {
        tails.withLock { _ = $0.open.removeValue(forKey: number) }
    }

    func finish() {
        let open = tails.withLock { tails in
            tails.isFinished = true
            return Array(tails.open.values)
        }
        for tail in open { tail.finish() }
    }
}
