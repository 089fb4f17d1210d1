import DaybookValues

/// Finds the open waits that an event fulfils.
///
/// Waits on one name are kept by their first condition: its path, then the value it asks for, so that an event meets
/// only the waits whose first condition holds, however many there are. Conditions on arrays and objects, and waits without
/// any, are looked at one by one.
struct WaitIndex {
    struct Entry {
        let run: ULID
        let number: UInt64
        let matches: [FieldMatch]
    }

    private struct NamedWaits {
        /// By path, then by the scalar's key; each list in the order in which the waits were opened.
        var keyed: [String: [String: [Entry]]] = [:]
        var others: [Entry] = []
        var count = 0
    }

    private var byName: [String: NamedWaits] = [:]

    func hasWaits(on name: String) -> Bool { byName[name] != nil }

    mutating func add(_ entry: Entry, on name: String) {
        if let (path, key) = Self.place(of: entry.matches) {
            byName[name, default: NamedWaits()].keyed[path, default: [:]][key, default: []].append(entry)
        } else {
            byName[name, default: NamedWaits()].others.append(entry)
        }
        byName[name]?.count += 1
    }

    mutating func remove(number: UInt64, matches: [FieldMatch], on name: String) {
        guard byName[name] != nil else { return }
        if let (path, key) = Self.place(of: matches) {
            byName[name]?.keyed[path]?[key]?.removeAll { $0.number == number }
            if byName[name]?.keyed[path]?[key]?.isEmpty == true { byName[name]?.keyed[path]?[key] = nil }
            if byName[name]?.keyed[path]?.isEmpty == true { byName[name]?.keyed[path] = nil }
        } else {
            byName[name]?.others.removeAll { $0.number == number }
        }
        byName[name]?.count -= 1
        if byName[name]?.count == 0 { byName[name] = nil }
    }

    /// The waits that the event fulfils, in the order in which they were opened.
    func fulfilled(by event: JSONView, named name: String) -> [Entry] {
        guard let waits = byName[name] else { return [] }
        var found = waits.others
        // The order in which the paths are met does not matter: what is found is sorted below.
        for (path, byKey) in waits.keyed {
            guard let value = event.at(path: path), let key = FieldMatch.scalarKey(value) else { continue }
            found.append(contentsOf: byKey[key] ?? [])
        }
        return found.filter { $0.matches.allSatisfy { $0.holds(for: event) } }.sorted { $0.number < $1.number }
    }

    private static func place(of matches: [FieldMatch]) -> (path: String, key: String)? {
        guard let first = matches.first, let value = JSONView(first.value), let key = FieldMatch.scalarKey(value) else {
            return nil
        }
        return (first.path, key)
    }
}
