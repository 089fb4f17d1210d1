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
        /// By path, then by the scalar's key, then by number, so that thousands that wait for one event are taken out
        /// as fast as a few.
        var keyed: [String: [String: [UInt64: Entry]]] = [:]
        var others: [UInt64: Entry] = [:]
        var count = 0
    }

    private var byName: [String: NamedWaits] = [:]

    func hasWaits(on name: String) -> Bool { byName[name] != nil }

    mutating func add(_ entry: Entry, on name: String) {
        if let (path, key) = Self.place(of: entry.matches) {
            byName[name, default: NamedWaits()].keyed[path, default: [:]][key, default: [:]][entry.number] = entry
        } else {
            byName[name, default: NamedWaits()].others[entry.number] = entry
        }
        byName[name]?.count += 1
    }

    mutating func remove(number: UInt64, matches: [FieldMatch], on name: String) {
        guard byName[name] != nil else { return }
        if let (path, key) = Self.place(of: matches) {
            byName[name]?.keyed[path]?[key]?[number] = nil
            if byName[name]?.keyed[path]?[key]?.isEmpty == true { byName[name]?.keyed[path]?[key] = nil }
            if byName[name]?.keyed[path]?.isEmpty == true { byName[name]?.keyed[path] = nil }
        } else {
            byName[name]?.others[number] = nil
        }
        byName[name]?.count -= 1
        if byName[name]?.count == 0 { byName[name] = nil }
    }

    /// The waits that the event fulfils, in the order in which they were opened.
    func fulfilled(by event: JSONView, named name: String) -> [Entry] {
        guard let waits = byName[name] else { return [] }
        // The order in which the paths and waits are met does not matter: what is found is sorted below.
        var found = Array(waits.others.values)
        for (path, byKey) in waits.keyed {
            guard let value = event.at(path: path), let key = FieldMatch.scalarKey(value) else { continue }
            if let entries = byKey[key] { found.append(contentsOf: entries.values) }
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
