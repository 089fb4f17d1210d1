internal import DaybookValues
internal import FoundationEssentials

/// Why JSON is not a value of the wanted type.
struct ValueDecodingError: Error {
    /// Member names and indexes joined by dots; empty for the value itself.
    var path: String
    var reason: String
}

/// Values to JSON and back, the same everywhere: events, step results, function results.
///
/// Scalars are written by hand (FoundationEssentials takes half a microsecond and more for each); all else goes through
/// one encoder and one decoder. Dates are RFC 3339 text with milliseconds.
enum ValueCoding {
    static func encode<Value: Encodable>(_ value: Value) throws -> [UInt8] {
        if let bytes = try encodeScalar(value) { return bytes }
        do {
            return Array(try encoder.encode(value))
        } catch let error as EncodingError {
            throw ErrorFacts(
                name: "EncodingError", message: "\(Value.self) cannot be encoded as JSON: \(describe(error))",
                isRetriable: false)
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        if let value = try decodeScalar(type, from: bytes) { return value }
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw explain(error)
        }
    }

    static let null: [UInt8] = Array("null".utf8)

    /// How results of a function are encoded; nil when the type is neither `Encodable` nor `Void`.
    static func encoder<Output>(for type: Output.Type) -> (@Sendable (Output) throws -> [UInt8])? {
        if type == Void.self { return { _ in null } }
        guard type is any Encodable.Type else { return nil }
        return { value in
            guard let value = value as? any Encodable else { return null }
            return try encode(value)
        }
    }

    // MARK: - Scalars

    @inline(__always)
    private static func reinterpret<A, B>(_ value: A, as type: B.Type) -> B {
        withUnsafePointer(to: value) { $0.withMemoryRebound(to: type, capacity: 1) { $0.pointee } }
    }

    private static func encodeScalar<Value>(_ value: Value) throws -> [UInt8]? {
        if Value.self == String.self { return encode(reinterpret(value, as: String.self)) }
        if Value.self == Int.self { return encode(reinterpret(value, as: Int.self)) }
        if Value.self == Bool.self { return encode(reinterpret(value, as: Bool.self)) }
        if Value.self == Double.self { return try encode(reinterpret(value, as: Double.self)) }
        if Value.self == String?.self { return reinterpret(value, as: String?.self).map { encode($0) } ?? null }
        if Value.self == Int?.self { return reinterpret(value, as: Int?.self).map { encode($0) } ?? null }
        if Value.self == Bool?.self { return reinterpret(value, as: Bool?.self).map { encode($0) } ?? null }
        if Value.self == Double?.self { return try reinterpret(value, as: Double?.self).map { try encode($0) } ?? null }
        return nil
    }

    private static func encode(_ value: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(value.utf8.count + 2)
        bytes.append(jsonString: value)
        return bytes
    }

    private static func encode(_ value: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(json: value)
        return bytes
    }

    private static func encode(_ value: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(json: value)
        return bytes
    }

    private static func encode(_ value: Double) throws -> [UInt8] {
        guard value.isFinite else {
            throw ErrorFacts(
                name: "EncodingError", message: "Double cannot be encoded as JSON: \(value) is no JSON number",
                isRetriable: false)
        }
        var bytes: [UInt8] = []
        // The sign of a negative zero is worth keeping: what comes back is what was recorded.
        if value == 0, value.sign == .minus { bytes.append(json: "-0.0") } else { bytes.append(json: value) }
        return bytes
    }

    private static func decodeScalar<Value>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value? {
        if type == String.self { return reinterpret(try decodeString(bytes), as: type) }
        if type == Int.self { return reinterpret(try decodeInt(bytes), as: type) }
        if type == Bool.self { return reinterpret(try decodeBool(bytes), as: type) }
        if type == Double.self { return reinterpret(try decodeDouble(bytes), as: type) }
        if type == String?.self { return reinterpret(bytes == null ? nil : try decodeString(bytes), as: type) }
        if type == Int?.self { return reinterpret(bytes == null ? nil : try decodeInt(bytes), as: type) }
        if type == Bool?.self { return reinterpret(bytes == null ? nil : try decodeBool(bytes), as: type) }
        if type == Double?.self { return reinterpret(bytes == null ? nil : try decodeDouble(bytes), as: type) }
        return nil
    }

    private static func decodeString(_ bytes: [UInt8]) throws -> String {
        guard let value = JSONView(bytes)?.string else { throw mismatch("a string", bytes) }
        return value
    }

    private static func decodeInt(_ bytes: [UInt8]) throws -> Int {
        guard let view = JSONView(bytes), view.kind == .number else { throw mismatch("a whole number", bytes) }
        if let value = view.integer { return Int(value) }
        // `2.0` and `1e3` are whole numbers too.
        guard let value = view.double.flatMap({ Int(exactly: $0) }) else { throw mismatch("a whole number", bytes) }
        return value
    }

    private static func decodeBool(_ bytes: [UInt8]) throws -> Bool {
        guard let value = JSONView(bytes)?.bool else { throw mismatch("true or false", bytes) }
        return value
    }

    private static func decodeDouble(_ bytes: [UInt8]) throws -> Double {
        guard let value = JSONView(bytes)?.double else { throw mismatch("a number", bytes) }
        return value
    }

    private static func mismatch(_ wanted: String, _ bytes: [UInt8]) -> ValueDecodingError {
        let found: String
        switch JSONView(bytes)?.kind {
        case .object: found = "an object"
        case .array: found = "an array"
        case .string: found = "a string"
        case .number: found = "a number"
        case .bool: found = "true or false"
        case .null: found = "null"
        case nil: found = "nothing"
        }
        return ValueDecodingError(path: "", reason: "is \(found), not \(wanted)")
    }

    // MARK: - All else

    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        // Sorted, so that equal values are equal bytes in every process.
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.asTimestamp.rfc3339)
        }
        return encoder
    }()

    private static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let instant = Timestamp(rfc3339: text) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "'\(text)' is not an RFC 3339 time")
            }
            return Date(instant)
        }
        return decoder
    }()

    private static func explain(_ error: DecodingError) -> ValueDecodingError {
        switch error {
        case .keyNotFound(let key, let context):
            return ValueDecodingError(path: path(context.codingPath + [key]), reason: "is missing")
        case .valueNotFound(let type, let context):
            return ValueDecodingError(path: path(context.codingPath), reason: "is null, not \(type)")
        case .typeMismatch(let type, let context):
            return ValueDecodingError(path: path(context.codingPath), reason: "is not \(type)")
        case .dataCorrupted(let context):
            return ValueDecodingError(
                path: path(context.codingPath), reason: "is not valid: \(context.debugDescription)")
        @unknown default:
            return ValueDecodingError(path: "", reason: String(describing: error))
        }
    }

    private static func describe(_ error: EncodingError) -> String {
        guard case .invalidValue(_, let context) = error else { return String(describing: error) }
        let at = path(context.codingPath)
        return at.isEmpty ? context.debugDescription : "\(at): \(context.debugDescription)"
    }

    private static func path(_ codingPath: [any CodingKey]) -> String {
        codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
}

extension ErrorFacts {
    /// How an error that user code threw is recorded.
    init(_ error: any Error) {
        switch error {
        case let error as ErrorFacts: self = error
        case let error as StepError: self = error.facts
        case let error as NonRetriableError:
            self.init(name: "NonRetriableError", message: error.description, isRetriable: false)
        case let error as RetryAfterError:
            self.init(name: "RetryAfterError", message: error.message, retryTime: error.retryTime)
        case let error as StepMisuseError:
            self.init(name: "StepMisuseError", message: error.message, isRetriable: false)
        case let error as EventDecodingError:
            self.init(name: "EventDecodingError", message: error.description, isRetriable: false)
        default:
            let message = (error as? any LocalizedError)?.errorDescription ?? String(describing: error)
            let cause = (error as? any Encodable).flatMap { try? ValueCoding.encode($0) }
            self.init(name: String(describing: type(of: error)), message: message, cause: cause)
        }
    }
}
