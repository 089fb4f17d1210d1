import Synchronization

/// How many requests were answered, by route and status.
final class RequestMetrics: Sendable {
    struct Key: Hashable, Sendable {
        /// Of the route in the table; nil for a path that is none of ours.
        var route: Int?
        var status: Int
    }

    private let requests = Mutex<[Key: Int]>([:])

    var counts: [Key: Int] { requests.withLock { $0 } }

    func count(route: Int?, status: Int) {
        requests.withLock { $0[Key(route: route, status: status), default: 0] += 1 }
    }
}
