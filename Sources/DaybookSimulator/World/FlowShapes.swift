import DaybookValues

// The few expressions that simulated functions use, each with its text for the product and with the checker's own idea of
// what it comes to.

/// A value of an event, as far as expressions look at it.
enum EventValue: Sendable, Equatable {
    case missing
    case null
    case bool(Bool)
    case number(Double)
    case text(String)

    init(_ view: JSONView?) {
        guard let view else {
            self = .missing
            return
        }
        switch view.kind {
        case .null: self = .null
        case .bool: self = .bool(view.bool == true)
        case .number: self = .number(Double(String(decoding: view.slice, as: UTF8.self)) ?? .nan)
        case .string: self = .text(view.string ?? "?")
        default: self = .missing
        }
    }

    /// `a == b`; what is missing equals nothing but null.
    static func isEqual(_ a: EventValue, _ b: EventValue) -> Bool {
        switch (a, b) {
        case (.missing, .missing): false
        case (.missing, .null), (.null, .missing): true
        default: a == b
        }
    }

    /// `self > text`; nil when the two cannot be compared.
    func isAfter(_ text: String) -> Bool? {
        switch self {
        case .missing, .null: false
        case .text(let own): own > text
        case .bool, .number: nil
        }
    }

    /// `self > number`.
    func isAbove(_ number: Double) -> Bool? {
        switch self {
        case .missing: false
        case .null: 0 > number
        case .number(let own): own > number
        case .bool, .text: nil
        }
    }
}

/// The members of an event's data that expressions look at.
struct EventValues: Sendable, Equatable {
    /// A small number.
    var k = EventValue.missing
    /// A letter, or something else.
    var g = EventValue.missing
    /// Seconds of priority, or something else.
    var w = EventValue.missing

    init() {}

    /// - Parameter view: the event, or an array whose first is meant.
    init(_ view: JSONView?) {
        let event = view?.kind == .array ? view?.element(0) : view
        guard let data = event?.member("data") else { return }
        k = EventValue(data.member("k"))
        g = EventValue(data.member("g"))
        w = EventValue(data.member("w"))
    }

    subscript(name: String) -> EventValue { name == "k" ? k : g }
}

/// What a key comes to.
enum KeyValue: Sendable, Equatable {
    case text(String)
    /// Missing, or false.
    case nothing
    case failed
}

/// A key.
enum KeyShape: Sendable, Equatable {
    /// `k` or `g`.
    case field(String)
    case constant(String)
    /// Whether `g` comes after that letter; fails where it is no text.
    case after(String)

    var source: String {
        switch self {
        case .field(let name): "event.data.\(name)"
        case .constant(let text): "'\(text)'"
        case .after(let letter): "event.data.g > '\(letter)'"
        }
    }

    func value(_ event: EventValues) -> KeyValue {
        switch self {
        case .constant(let text): return .text(text)
        case .after(let letter):
            guard let isAfter = event.g.isAfter(letter) else { return .failed }
            return isAfter ? .text("true") : .nothing
        case .field(let name):
            switch event[name] {
            case .missing, .bool(false): return .nothing
            case .bool(true): return .text("true")
            case .null: return .text("<nil>")
            case .number(let number): return .text(String(Int(number)))
            case .text(let text): return .text(text)
            }
        }
    }

    /// The bucket of a limit; what cannot be told has one, too.
    static func bucket(_ key: KeyShape, _ event: EventValues, failed: String) -> String {
        switch key.value(event) {
        case .text(let text): text
        case .nothing: "false"
        case .failed: failed
        }
    }
}

/// What an event must be like.
enum ConditionShape: Sendable, Equatable {
    case above(Int)
    case isGroup(String)
    /// Fails where `g` is no text.
    case after(String)

    var source: String {
        switch self {
        case .above(let number): "event.data.k > \(number)"
        case .isGroup(let letter): "event.data.g == '\(letter)'"
        case .after(let letter): "event.data.g > '\(letter)'"
        }
    }

    /// Nil when it fails.
    func isTrue(_ event: EventValues) -> Bool? {
        switch self {
        case .above(let number): event.k.isAbove(Double(number))
        case .isGroup(let letter): EventValue.isEqual(event.g, .text(letter))
        case .after(let letter): event.g.isAfter(letter)
        }
    }
}

/// What an event must be like for a run that listens.
enum ListenerShape: Sendable, Equatable, CaseIterable {
    case sameNumber
    case sameGroup
    case large
    /// Fails where `g` is no text.
    case lateGroup
    case largeOfSameGroup

    var source: String {
        switch self {
        case .sameNumber: "event.data.k == async.data.k"
        case .sameGroup: "event.data.g == async.data.g"
        case .large: "async.data.k > 1"
        case .lateGroup: "async.data.g > 'a'"
        case .largeOfSameGroup: "async.data.k > 0 && async.data.g == event.data.g"
        }
    }

    init?(source: String) {
        guard let shape = Self.allCases.first(where: { $0.source == source }) else { return nil }
        self = shape
    }

    /// - Parameters:
    ///   - own: of the run's own event.
    ///   - incoming: of the one that came.
    func matches(_ own: EventValues, _ incoming: EventValues) -> Bool {
        /// What is missing in the own event is null for a listener.
        func fixed(_ value: EventValue) -> EventValue { value == .missing ? .null : value }
        return switch self {
        case .sameNumber: EventValue.isEqual(fixed(own.k), incoming.k)
        case .sameGroup: EventValue.isEqual(fixed(own.g), incoming.g)
        case .large: incoming.k.isAbove(1) ?? false
        case .lateGroup: incoming.g.isAfter("a") ?? false
        case .largeOfSameGroup:
            (incoming.k.isAbove(0) ?? false) && EventValue.isEqual(fixed(own.g), incoming.g)
        }
    }
}

/// Seconds of priority.
enum PriorityShape: Sendable, Equatable, CaseIterable {
    case weight
    case large
    /// Always fails, or has nothing to say: a JSON number is no whole number.
    case bare

    var source: String {
        switch self {
        case .weight: "int(event.data.w)"
        case .large: "event.data.k > 1 ? 120 : 0"
        case .bare: "event.data.w"
        }
    }

    func seconds(_ event: EventValues) -> Int64 {
        switch self {
        case .weight:
            guard case .number(let number) = event.w else { return 0 }
            return min(max(Int64(number), -43_200), 43_200)
        case .large: return event.k.isAbove(1) == true ? 120 : 0
        case .bare: return 0
        }
    }
}
