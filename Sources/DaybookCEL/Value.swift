/// A value while an expression is evaluated.
///
/// Values that come from JSON and from the expression's own literals point into memory that outlives the evaluation, so
/// making and copying them costs nothing; a value never leaves its evaluation.
enum Value {
    /// A field that is not there, or an operation that failed (behaviour reference 18.3).
    case missing
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    /// UTF-8 that needs no decoding: a JSON string without escapes, or a literal.
    case text(UnsafeBufferPointer<UInt8>)
    /// UTF-8 that was put together here.
    case ownText([UInt8])
    case bytes([UInt8])
    /// The JSON text of an array, with its brackets.
    case jsonList(UnsafeBufferPointer<UInt8>)
    /// The JSON text of an object, with its braces.
    case jsonMap(UnsafeBufferPointer<UInt8>)
    case list([Value])
    case map(MapValue)
    case timestamp(Moment)
    /// Nanoseconds.
    case duration(Int64)
    case type(String)

    /// As `type()` calls it.
    var typeName: String {
        switch self {
        case .missing: "missing"
        case .null: "null_type"
        case .bool: "bool"
        case .int: "int"
        case .uint: "uint"
        case .double: "double"
        case .text, .ownText: "string"
        case .bytes: "bytes"
        case .jsonList, .list: "list"
        case .jsonMap, .map: "map"
        case .timestamp: "google.protobuf.Timestamp"
        case .duration: "google.protobuf.Duration"
        case .type: "type"
        }
    }

    /// Falsy values are missing, null, false, the empty string and zeros (behaviour reference 18.4).
    var isTruthy: Bool {
        switch self {
        case .missing, .null: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .uint(let value): value != 0
        case .double(let value): value != 0
        case .text(let text): !text.isEmpty
        case .ownText(let text): !text.isEmpty
        default: true
        }
    }

    var isMissing: Bool {
        if case .missing = self { true } else { false }
    }

    var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// Calls `body` with the UTF-8 of a string; nil for anything else.
    @inline(__always)
    func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result? {
        switch self {
        case .text(let text): body(text)
        case .ownText(let text): text.withUnsafeBufferPointer(body)
        default: nil
        }
    }

    /// A string's text, copied; invalid UTF-8 repaired. Nil for anything else.
    var string: String? { withText { String(decoding: $0, as: UTF8.self) } }
}

/// A map that was put together here, with its entries in the order in which they were written.
final class MapValue {
    private(set) var entries: [(key: Value, value: Value)] = []
    private var indices: [MapKey: Int] = [:]

    /// - Returns: Whether the key is new; if it is not, the first value stays.
    @discardableResult
    func insert(_ key: Value, as mapKey: MapKey, _ value: Value) -> Bool {
        if indices[mapKey] != nil { return false }
        indices[mapKey] = entries.count
        entries.append((key, value))
        return true
    }

    subscript(key: MapKey) -> Value? { indices[key].map { entries[$0].value } }
}

/// What makes two keys of a map the same: numbers of different types are, if they have the same value.
enum MapKey: Hashable {
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case text([UInt8])

    /// Nil for values that cannot be keys.
    init?(_ value: Value) {
        switch value {
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .uint(let value): self = Int64(exactly: value).map(MapKey.int) ?? .uint(value)
        case .double(let value):
            self = Int64(exactly: value).map(MapKey.int) ?? UInt64(exactly: value).map(MapKey.uint) ?? .double(value)
        case .text(let text): self = .text(Array(text))
        case .ownText(let text): self = .text(text)
        default: return nil
        }
    }
}
