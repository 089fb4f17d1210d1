import NIOCore
import NIOPosix

/// Looks for apps on the usual ports of this machine.
struct Discovery: Sendable {
    /// Where SDKs are by default.
    static let paths = [
        "/api/inngest", "/x/inngest", "/.netlify/functions/inngest", "/.redwood/functions/inngest",
    ]

    let caller: HTTPCaller
    let ports: [Int]

    /// The first address with an app of an SDK; nil if there is none. `miss` is told the ports with something else.
    func search(skipping skipped: Set<Int>, miss: (Int) -> Void) async -> String? {
        let open = await openPorts(of: ports.filter { !skipped.contains($0) })
        for port in open {
            if let found = await app(on: port) { return found }
            miss(port)
        }
        return nil
    }

    /// Those on which something listens. A connection to this machine takes no time, so that all are tried at once.
    private func openPorts(of ports: [Int]) async -> [Int] {
        await withTaskGroup(of: Int?.self) { group in
            for port in ports {
                group.addTask {
                    for host in ["127.0.0.1", "::1"] where await Self.isOpen(host, port, on: caller.group) {
                        return port
                    }
                    return nil
                }
            }
            var open: [Int] = []
            for await port in group { if let port { open.append(port) } }
            return open.sorted()
        }
    }

    private static func isOpen(_ host: String, _ port: Int, on group: any EventLoopGroup) async -> Bool {
        guard let address = try? SocketAddress(ipAddress: host, port: port),
            let channel = try? await ClientBootstrap(group: group).connectTimeout(.milliseconds(500))
                .connect(to: address).get()
        else { return false }
        try? await channel.close()
        return true
    }

    private func app(on port: Int) async -> String? {
        for path in Self.paths {
            let url = (WebAddress("http://localhost:\(port)\(path)"))?.text ?? ""
            let exchange = HTTPExchange(
                method: "GET", url: url, headers: [("User-Agent", "Inngest")], body: [], bodyBytesMax: 1_048_576,
                timeout: 2, isRepeatable: true)
            switch await caller.send(exchange) {
            case .success(let answer): if answer.header("X-Inngest-SDK")?.isEmpty == false { return url }
            // What does not answer one path as a web server will not answer another.
            case .failure: return nil
            }
        }
        return nil
    }
}
