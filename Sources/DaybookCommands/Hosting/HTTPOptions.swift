import DaybookSDK
import DaybookServer

/// How a server is reached over TCP, and which apps it looks for.
struct HTTPOptions: Sendable {
    var host = TCPServer.defaultHost
    var port = TCPServer.defaultPort
    /// The next free port is taken when this one is not: in `dev`, unless the port was asked for.
    var takesNextPort = false
    var server = ServerSettings()
    var apps = AppHostSettings()
    /// Said once, at the start.
    var warnings: [String] = []
}
