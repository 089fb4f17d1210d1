import DaybookSystem
import DaybookValues

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The settings of a server in a file: one JSON object whose members are named like the options.
struct ConfigFile {
    /// Looked for where the program is started.
    static let defaultPath = "daybook.json"
    private static let bytesMax = 1_048_576
    private static let names: Set<String> = [
        "host", "port", "no-http", "event-key", "signing-key", "signing-key-fallback", "sdk-url", "poll-interval",
        "no-poll", "no-discovery", "allow-host",
    ]

    let path: String
    private let view: JSONView

    /// - Parameter path: as it was asked for; nil for the default one, which need not exist.
    /// - Throws: `CommandFailure` naming the file and what is wrong with it.
    static func read(_ path: String?) throws(CommandFailure) -> ConfigFile? {
        let wanted = path ?? defaultPath
        guard access(wanted, F_OK) == 0 else {
            guard path != nil else { return nil }
            throw CommandFailure(.usage, "there is no configuration file \(wanted)")
        }
        guard let bytes = readWholeFile(wanted, bytesMax: bytesMax + 1) else {
            let reason = String(cString: strerror(errno))
            throw CommandFailure(.usage, "configuration file \(wanted) cannot be read: \(reason)")
        }
        guard bytes.count <= bytesMax else {
            throw CommandFailure(.usage, "configuration file \(wanted) is larger than 1 MiB")
        }
        return try ConfigFile(path: wanted, bytes)
    }

    init(path: String, _ bytes: [UInt8]) throws(CommandFailure) {
        do throws(JSONError) {
            try JSONText.check(bytes)
        } catch {
            throw CommandFailure(.usage, "configuration file \(path): \(error)")
        }
        guard let view = JSONView(bytes), view.kind == .object else {
            throw CommandFailure(.usage, "configuration file \(path) must be a JSON object")
        }
        self.path = path
        self.view = view
        var unknown: String?
        view.forEachMember { rawName, _ in
            let name = unescape(rawName)
            if !Self.names.contains(name) { unknown = name }
            return unknown == nil
        }
        if let unknown {
            throw CommandFailure(
                .usage,
                "configuration file \(path) has no setting '\(unknown)'; there are \(Self.names.sorted().joined(separator: ", "))"
            )
        }
    }

    private func wrong(_ name: String, _ what: String) -> CommandFailure {
        CommandFailure(.usage, "configuration file \(path): \"\(name)\" must be \(what)")
    }

    func text(_ name: String) throws(CommandFailure) -> String? {
        guard let value = view.member(name), !value.isNull else { return nil }
        if let text = value.string { return text }
        if let number = value.integer { return String(number) }
        throw wrong(name, "a string")
    }

    func list(_ name: String) throws(CommandFailure) -> [String]? {
        guard let value = view.member(name), !value.isNull else { return nil }
        if let text = value.string { return [text] }
        guard value.kind == .array else { throw wrong(name, "a string or an array of strings") }
        var list: [String] = []
        var isWrong = false
        value.forEachElement { element in
            if let text = element.string { list.append(text) } else { isWrong = true }
            return true
        }
        if isWrong { throw wrong(name, "a string or an array of strings") }
        return list
    }

    func number(_ name: String) throws(CommandFailure) -> Int? {
        guard let value = view.member(name), !value.isNull else { return nil }
        guard let number = value.integer else { throw wrong(name, "a whole number") }
        return Int(number)
    }

    func flag(_ name: String) throws(CommandFailure) -> Bool? {
        guard let value = view.member(name), !value.isNull else { return nil }
        guard let flag = value.bool else { throw wrong(name, "true or false") }
        return flag
    }
}
