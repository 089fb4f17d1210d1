/// Which functions an event name starts.
struct Routes {
    /// Function and trigger, by exact name and by wildcard.
    private var byName: [String: [(function: Int, trigger: Int)]] = [:]

    mutating func rebuild(_ functions: [FunctionState]) {
        byName = [:]
        for (index, function) in functions.enumerated() where !function.isRemoved {
            for (number, trigger) in function.config.triggers.enumerated() {
                guard case .event(let name, _, _) = trigger else { continue }
                byName[name, default: []].append((index, number))
            }
        }
    }

    /// Candidates in the order of functions, then of their triggers: those under the name itself and under every
    /// `prefix/*` and `prefix.*` of it.
    func candidates(for name: String) -> [(function: Int, trigger: Int)] {
        if byName.isEmpty { return [] }
        var found = byName[name] ?? []
        let exactCount = found.count
        for index in name.utf8.indices
        where name.utf8[index] == UInt8(ascii: "/") || name.utf8[index] == UInt8(ascii: ".") {
            found.append(contentsOf: byName[name[...index] + "*"] ?? [])
        }
        if found.count > exactCount {
            found.sort { $0.function == $1.function ? $0.trigger < $1.trigger : $0.function < $1.function }
        }
        return found
    }
}
