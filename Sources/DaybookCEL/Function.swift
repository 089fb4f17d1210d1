/// What is known of a value's type before it is evaluated. Fields of events can be anything.
enum StaticType: String, Hashable, Sendable {
    case dynamic = "any value"
    case null
    case bool
    case int
    case uint
    case double
    case string
    case bytes
    case list
    case map
    case timestamp
    case duration
    case type

    /// Whether a value of this type may turn out to be one of those.
    func fits(_ wanted: Set<StaticType>) -> Bool {
        self == .dynamic || wanted.isEmpty || wanted.contains(self)
    }
}

/// The functions and methods of the language: CEL's standard library and Daybook's additions.
enum Function: String, CaseIterable, Sendable {
    case size, contains, startsWith, endsWith, matches
    case int, uint, double, string, bytes, bool, timestamp, duration, type, dyn
    case getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear
    case getHours, getMinutes, getSeconds, getMilliseconds
    case lowercase, uppercase, b64decode, date, now
    case jsonParse = "json_parse"
    case nowPlus = "now_plus"
    case nowMinus = "now_minus"

    /// How a function may be called, and with what. For a method, the receiver is the first argument.
    struct Signature: Sendable {
        var isFunction = true
        var isMethod = false
        /// The types each argument may have; an empty set is any.
        let parameters: [Set<StaticType>]
        /// How many of the parameters may be left out, from the end.
        var optionalCount = 0
        let result: StaticType
    }

    var signature: Signature {
        switch self {
        case .size:
            Signature(isMethod: true, parameters: [[.string, .bytes, .list, .map]], result: .int)
        case .contains, .startsWith, .endsWith:
            Signature(isFunction: false, isMethod: true, parameters: [[.string], [.string]], result: .bool)
        case .matches: Signature(isMethod: true, parameters: [[.string], [.string]], result: .bool)
        case .int:
            Signature(parameters: [[.int, .uint, .double, .string, .timestamp, .duration]], result: .int)
        case .uint: Signature(parameters: [[.int, .uint, .double, .string]], result: .uint)
        case .double: Signature(parameters: [[.int, .uint, .double, .string]], result: .double)
        case .string:
            Signature(
                parameters: [[.string, .bool, .bytes, .int, .uint, .double, .timestamp, .duration]], result: .string)
        case .bytes: Signature(parameters: [[.bytes, .string]], result: .bytes)
        case .bool: Signature(parameters: [[.bool, .string]], result: .bool)
        case .timestamp: Signature(parameters: [[.timestamp, .string, .int]], result: .timestamp)
        case .duration: Signature(parameters: [[.duration, .string, .int]], result: .duration)
        case .type: Signature(parameters: [[]], result: .type)
        case .dyn: Signature(parameters: [[]], result: .dynamic)
        case .getFullYear, .getMonth, .getDate, .getDayOfMonth, .getDayOfWeek, .getDayOfYear:
            Signature(
                isFunction: false, isMethod: true, parameters: [[.timestamp], [.string]], optionalCount: 1,
                result: .int)
        case .getHours, .getMinutes, .getSeconds, .getMilliseconds:
            Signature(
                isFunction: false, isMethod: true, parameters: [[.timestamp, .duration], [.string]],
                optionalCount: 1, result: .int)
        case .lowercase, .uppercase, .b64decode: Signature(parameters: [[.string]], result: .string)
        case .jsonParse: Signature(parameters: [[.string]], result: .map)
        case .date: Signature(parameters: [[.string, .int]], result: .timestamp)
        case .now: Signature(parameters: [], result: .timestamp)
        case .nowPlus, .nowMinus: Signature(parameters: [[.string]], result: .timestamp)
        }
    }

    var takesZone: Bool { signature.optionalCount > 0 }
}

/// What to say about a name that does not exist.
enum Suggestion {
    /// Names of other languages and of CEL's optional libraries, with what does the same here.
    private static let translations: [String: String] = [
        "lowerAscii": "`lowercase(…)`", "upperAscii": "`uppercase(…)`", "toLowerCase": "`lowercase(…)`",
        "toUpperCase": "`uppercase(…)`", "includes": "`contains(…)` or `in`", "length": "`size()`", "len": "`size(…)`",
        "count": "`size()`", "some": "`exists(…)`", "every": "`all(…)`", "any": "`exists(…)`", "find": "`exists(…)`",
        "indexOf": "`contains(…)`", "join": "`+`", "existsOne": "`exists_one(…)`", "parseInt": "`int(…)`",
        "float": "`double(…)`", "str": "`string(…)`", "getDay": "`getDayOfWeek()`", "hasField": "`has(…)`",
        "match": "`matches(…)`", "test": "`matches(…)`",
    ]

    /// `; did you mean …?`, or nothing if nothing is near.
    static func text(for name: String, among known: [String]) -> String {
        if let translation = translations[name] { return "; here it is \(translation)" }
        let nearest = known.map { (name: $0, distance: distance(name, $0)) }.min { $0.distance < $1.distance }
        guard let nearest, nearest.distance <= max(1, name.count / 3) else { return "" }
        return "; did you mean `\(nearest.name)`?"
    }

    /// How many letters must be changed, added or taken away, upper and lower case being the same.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased().utf8.prefix(64)), Array(b.lowercased().utf8.prefix(64)))
        var previous = Array(0...b.count)
        for (row, byte) in a.enumerated() {
            var current = [row + 1]
            for (column, other) in b.enumerated() {
                current.append(
                    min(previous[column] + (byte == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[b.count]
    }
}
