/// How the result of a step is recorded. Two types and no closures, so that a step allocates nothing for it.
protocol ResultCoding {
    associatedtype Value
    static func encode(_ value: Value) throws -> [UInt8]
    static func decode(_ bytes: [UInt8]) throws -> Value
}

enum CodableResult<Value: Codable>: ResultCoding {
    static func encode(_ value: Value) throws -> [UInt8] { try ValueCoding.encode(value) }
    static func decode(_ bytes: [UInt8]) throws -> Value { try ValueCoding.decode(Value.self, from: bytes) }
}

/// A step or function without a result: `null` is recorded, and whatever was recorded is accepted.
enum NoResult: ResultCoding {
    static func encode(_ value: Void) throws -> [UInt8] { ValueCoding.null }
    static func decode(_ bytes: [UInt8]) throws {}
}
