import DaybookCEL
import DaybookValues

/// Finds those who listen for an event: open waits, and what cancels runs.
///
/// Listeners on one name are kept by one equality that must hold for them, by its path and then by the value it asks for, so
/// that an event meets only those for whom it holds, however many there are. The others, those with no such part or one
/// that asks for an array or object, are looked at one by one.
struct WaitIndex {
    struct Entry {
        let run: ULID
        /// Tells the listener from every other, and orders them.
        let number: UInt64
        var matches: [FieldMatch] = []
        var condition: Condition?
    }

    /// An expression with what it needs of the listener's own event.
    struct Condition {
        /// Nil for one that only a newer version understands: it matches nothing.
        let expression: Expression?
        let captured: [UInt8]
    }

    /// An event that is looked up.
    struct Incoming {
        let event: Event
        let view: JSONView
        let moment: Moment
    }

    /// Where a listener is kept.
    private enum Place {
        /// By a field match.
        case field(path: String, key: String)
        /// By an equality of an expression. Kept apart, because a missing value is equal to null there.
        case equality(path: String, key: String)
        case others
    }

    private struct NamedWaits {
        /// By path, then by the value's key, then by number, so that thousands that wait for one event are taken out as
        /// fast as a few.
        var byField: [String: [String: [UInt64: Entry]]] = [:]
        var byEquality: [String: [String: [UInt64: Entry]]] = [:]
        var others: [UInt64: Entry] = [:]
        var count = 0
    }

    private var byName: [String: NamedWaits] = [:]

    func hasWaits(on name: String) -> Bool { byName[name] != nil }

    mutating func add(_ entry: Entry, on name: String) {
        switch Self.place(of: entry) {
        case .field(let path, let key):
            byName[name, default: NamedWaits()].byField[path, default: [:]][key, default: [:]][entry.number] = entry
        case .equality(let path, let key):
            byName[name, default: NamedWaits()].byEquality[path, default: [:]][key, default: [:]][entry.number] = entry
        case .others: byName[name, default: NamedWaits()].others[entry.number] = entry
        }
        byName[name]?.count += 1
    }

    mutating func remove(_ entry: Entry, on name: String) {
        guard byName[name] != nil else { return }
        switch Self.place(of: entry) {
        case .field(let path, let key):
            byName[name]?.byField[path]?[key]?[entry.number] = nil
            if byName[name]?.byField[path]?[key]?.isEmpty == true { byName[name]?.byField[path]?[key] = nil }
            if byName[name]?.byField[path]?.isEmpty == true { byName[name]?.byField[path] = nil }
        case .equality(let path, let key):
            byName[name]?.byEquality[path]?[key]?[entry.number] = nil
            if byName[name]?.byEquality[path]?[key]?.isEmpty == true { byName[name]?.byEquality[path]?[key] = nil }
            if byName[name]?.byEquality[path]?.isEmpty == true { byName[name]?.byEquality[path] = nil }
        case .others: byName[name]?.others[entry.number] = nil
        }
        byName[name]?.count -= 1
        if byName[name]?.count == 0 { byName[name] = nil }
    }

    /// The listeners that the event matches, in the order in which they began to listen. A condition that fails does not
    /// match.
    func fulfilled(
        by incoming: Incoming, onFailure: (Entry, Event, EvaluationError) -> Void
    ) -> [Entry] {
        guard let waits = byName[incoming.event.name] else { return [] }
        // The order in which the paths and waits are met does not matter: what is found is sorted below.
        var found = Array(waits.others.values)
        for (path, byKey) in waits.byField {
            guard let value = incoming.view.at(path: path), let key = FieldMatch.scalarKey(value) else { continue }
            if let entries = byKey[key] { found.append(contentsOf: entries.values) }
        }
        for (path, byKey) in waits.byEquality {
            guard let key = Expression.equalityKey(of: incoming.event.json, at: path) else { continue }
            if let entries = byKey[key] { found.append(contentsOf: entries.values) }
        }
        found.sort { $0.number < $1.number }
        return found.filter { entry in
            guard entry.matches.allSatisfy({ $0.holds(for: incoming.view) }) else { return false }
            guard let condition = entry.condition else { return true }
            guard let expression = condition.expression else { return false }
            do throws(EvaluationError) {
                return try expression.isTrue(
                    captured: condition.captured, async: incoming.event.json, now: incoming.moment)
            } catch {
                onFailure(entry, incoming.event, error)
                return false
            }
        }
    }

    private static func place(of entry: Entry) -> Place {
        if let first = entry.matches.first {
            guard let value = JSONView(first.value), let key = FieldMatch.scalarKey(value) else { return .others }
            return .field(path: first.path, key: key)
        }
        if let condition = entry.condition,
            let (path, key) = condition.expression?.equality(captured: condition.captured)
        {
            return .equality(path: path, key: key)
        }
        return .others
    }
}

/// Compiled expressions of waits and cancellations: thousands of runs of one function wait with the same one.
struct ExpressionTable {
    private var bySource: [String: Expression?] = [:]

    /// Nil for one that cannot be compiled.
    mutating func expression(_ source: String) -> Expression? {
        if let known = bySource[source] { return known }
        // Code that puts values into its expressions makes a new one each time.
        if bySource.count >= 4_096 { bySource.removeAll() }
        let expression = try? Expression(source, for: .condition)
        bySource[source] = .some(expression)
        return expression
    }
}
