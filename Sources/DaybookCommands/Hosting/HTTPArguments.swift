import ArgumentParser
import DaybookSDK
import DaybookServer
import DaybookWire

/// What `serve` and `dev` can be told about HTTP and apps: on the command line, else by the environment, else in a file.
struct HTTPArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The address to listen on for HTTP. (default: 127.0.0.1)",
            discussion: "Others than this machine's own need --event-key and --signing-key.", valueName: "address"))
    var host: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The port to listen on; 0 for any that is free. (default: 8288, in `dev` the next one that is free)",
            valueName: "number"))
    var port: Int?

    @Flag(name: .customLong("no-http"), help: "Do not listen for HTTP at all, and call no apps.")
    var isOff = false

    @Option(
        name: .customLong("event-key"),
        help: ArgumentHelp("A key that events may be sent with; can be given several times.", valueName: "key"))
    var eventKeys: [String] = []

    @Option(help: ArgumentHelp("The key shared with the apps: signs calls, and lets SDKs in.", valueName: "key"))
    var signingKey: String?

    @Option(help: ArgumentHelp("The key that was the signing key until lately.", valueName: "key"))
    var signingKeyFallback: String?

    @Option(
        name: [.customLong("sdk-url"), .customShort("u")],
        help: ArgumentHelp(
            "Where an app serves its functions, such as http://localhost:3000/api/inngest; can be given several times.",
            valueName: "url"))
    var urls: [String] = []

    @Option(
        help: ArgumentHelp(
            "How often apps are asked to register again. (default: 5s; `serve` with keys: only those in error)",
            valueName: "duration"))
    var pollInterval: DurationArgument?

    @Flag(help: "Ask apps to register at the start only.")
    var noPoll = false

    @Flag(help: "In `dev`: do not look for apps on the usual ports of this machine.")
    var noDiscovery = false

    @Option(
        name: .customLong("allow-host"),
        help: ArgumentHelp(
            "Without keys: a further name that requests may be addressed to or come from; can be given several times.",
            valueName: "name"))
    var allowedHosts: [String] = []

    @Option(
        help: ArgumentHelp(
            "A JSON file with these settings. (default: $DAYBOOK_CONFIG, else ./daybook.json if there is one)",
            valueName: "file"), completion: .file(extensions: ["json"]))
    var config: String?

    /// All of it together. An option counts more than the environment, and that more than the file.
    /// - Throws: `CommandFailure` naming the setting that cannot be used, and where it comes from.
    func resolved(
        isDev: Bool, environment: @escaping (String) -> String? = DaybookCommands.environment
    ) throws(CommandFailure) -> HTTPOptions? {
        let file = try ConfigFile.read(config ?? environment("DAYBOOK_CONFIG"))
        let settings = SettingSources(environment: environment, file: file)
        if isOff { return nil }
        if try settings.flag("no-http") { return nil }
        var options = HTTPOptions()
        if let host = try settings.text("host", given: host) { options.host = host }
        let port = try settings.number("port", given: self.port)
        options.takesNextPort = isDev && port == nil
        if let port {
            guard (0...65_535).contains(port) else {
                throw CommandFailure(.usage, "the port must be 0…65535, not \(port)")
            }
            options.port = port
        }
        options.server.eventKeys = try settings.list("event-key", given: eventKeys)
        options.server.allowedHosts = try settings.list("allow-host", given: allowedHosts)
        options.server.signingKeys = try keys(settings)
        options.apps.kind = options.server.signingKeys == nil ? .dev : .cloud
        options.apps.keys = options.server.signingKeys
        options.apps.urls = try settings.list("sdk-url", given: urls)
        if let interval = try settings.duration("poll-interval", given: pollInterval) {
            guard interval.milliseconds >= 1_000 else {
                throw CommandFailure(.usage, "the poll interval must be at least 1s")
            }
            options.apps.pollInterval = Int(interval.milliseconds / 1_000)
        }
        let polls = try !settings.flag("no-poll")
        if noPoll || !polls { options.apps.pollInterval = nil }
        let discovers = try !settings.flag("no-discovery")
        options.apps.discovers = isDev && options.apps.urls.isEmpty && discovers && !noDiscovery
        options.apps.extraPort = environment("PORT").flatMap { Int($0) }
        try check(&options, isDev: isDev)
        return options
    }

    private func keys(_ settings: SettingSources) throws(CommandFailure) -> SigningKeys? {
        let fallback = try settings.text("signing-key-fallback", given: signingKeyFallback)
        guard let current = try settings.text("signing-key", given: signingKey) else {
            guard fallback == nil else {
                throw CommandFailure(
                    .usage, "--signing-key-fallback is of no use without --signing-key: it is the key before that one")
            }
            return nil
        }
        var keys: [SigningKey] = []
        for (name, text) in [("signing key", current), ("fallback signing key", fallback)] {
            guard let text else { continue }
            let key = SigningKey(text)
            guard key.bearerHash != nil else {
                throw CommandFailure(
                    .usage,
                    "the \(name) must be hexadecimal digits, an even number of them, with or without `signkey-NAME-` before them; `openssl rand -hex 32` makes one"
                )
            }
            keys.append(key)
        }
        return SigningKeys(current: keys[0], fallback: keys.count > 1 ? keys[1] : nil)
    }

    private func check(_ options: inout HTTPOptions, isDev: Bool) throws(CommandFailure) {
        guard !TCPServer.isLoopback(options.host) else { return }
        let missing = [
            options.server.eventKeys.isEmpty ? "--event-key" : nil,
            options.server.signingKeys == nil ? "--signing-key" : nil,
        ].compactMap { $0 }
        guard !missing.isEmpty else { return }
        let what = missing.joined(separator: " and ")
        guard isDev else {
            throw CommandFailure(
                .usage,
                """
                \(options.host) can be reached from other machines, and without \(what) everybody there could run \
                anything. Nothing was started. Give the server \(what), or let it listen on 127.0.0.1.
                """)
        }
        options.warnings.append(
            "\(options.host) can be reached from other machines, and without \(what) everybody there can run anything")
    }
}

/// Where settings come from beside the command line.
private struct SettingSources {
    let environment: (String) -> String?
    let file: ConfigFile?

    /// `DAYBOOK_EVENT_KEY`, else `INNGEST_EVENT_KEY`, as SDKs read it.
    private func variable(_ name: String) -> (name: String, value: String)? {
        let suffix = name.uppercased().replacing("-", with: "_")
        for prefix in ["DAYBOOK_", "INNGEST_"] {
            // `INNGEST_DEV`, `INNGEST_ENV` and others are the SDKs' own; names that both have mean the same.
            if let value = environment(prefix + suffix) { return (prefix + suffix, value) }
        }
        return nil
    }

    func text(_ name: String, given: String?) throws(CommandFailure) -> String? {
        if let given { return given }
        if let variable = variable(name) { return variable.value }
        return try file?.text(name)
    }

    func list(_ name: String, given: [String]) throws(CommandFailure) -> [String] {
        if !given.isEmpty { return given }
        if let variable = variable(name) {
            return variable.value.split(separator: ",").map { String($0.trimmingPrefix(while: \.isWhitespace)) }
        }
        guard let list = try file?.list(name) else { return [] }
        return list
    }

    func number(_ name: String, given: Int?) throws(CommandFailure) -> Int? {
        if let given { return given }
        guard let variable = variable(name) else { return try file?.number(name) }
        guard let number = Int(variable.value) else {
            throw CommandFailure(.usage, "$\(variable.name) must be a whole number, not '\(variable.value)'")
        }
        return number
    }

    func duration(_ name: String, given: DurationArgument?) throws(CommandFailure) -> DurationArgument? {
        if let given { return given }
        var found = variable(name)
        if found == nil, let file, let text = try file.text(name) { found = ("\(name) in \(file.path)", text) }
        guard let found else { return nil }
        // The reference server takes plain seconds.
        if let seconds = Int64(found.value) { return DurationArgument(milliseconds: seconds * 1_000) }
        guard let duration = DurationArgument(argument: found.value) else {
            throw CommandFailure(.usage, "\(found.name) must be a duration such as 5s, not '\(found.value)'")
        }
        return duration
    }

    func flag(_ name: String) throws(CommandFailure) -> Bool {
        guard let variable = variable(name) else {
            let flag = try file?.flag(name)
            return flag ?? false
        }
        switch variable.value.lowercased() {
        case "1", "true", "yes", "on": return true
        case "0", "false", "no", "off": return false
        default:
            throw CommandFailure(.usage, "$\(variable.name) must be true or false, not '\(variable.value)'")
        }
    }
}
