/// A condition on an event: the field at a path of its data equals a value. Sendable.
///
/// ```swift
/// step.waitForEvent("confirmed", UserConfirmed.self, where: .field("userId", equals: event.userId), timeout: .days(1))
/// ```
public struct FieldMatch: Sendable {
    /// Member names, and indexes into arrays, joined by dots; relative to the event's `data`.
    public let path: String
    /// The value as JSON, or why it is none; told when the condition is used.
    let value: Result<[UInt8], StepMisuseError>

    /// The field at `path` equals `value` as JSON: numbers by value, text by its characters. A missing field equals
    /// nothing, not even nil.
    ///
    /// - Parameters:
    ///   - path: member names joined by dots, relative to the event's `data`: `userId`, `items.0.sku`.
    ///   - value: a string, number, Bool, nil, or a type that is encoded as one of them.
    public static func field(_ path: String, equals value: some Encodable) -> FieldMatch {
        FieldMatch(path: path, value: encode(path, value))
    }

    private static func encode(_ path: String, _ value: some Encodable) -> Result<[UInt8], StepMisuseError> {
        guard !path.isEmpty else { return .failure(StepMisuseError("a field match needs a path")) }
        do {
            let bytes = try ValueCoding.encode(value)
            guard bytes.first != UInt8(ascii: "{"), bytes.first != UInt8(ascii: "[") else {
                return .failure(
                    StepMisuseError("field '\(path)' can only be compared with a string, number, Bool or nil"))
            }
            return .success(bytes)
        } catch {
            return .failure(StepMisuseError("the value to compare field '\(path)' with cannot be encoded: \(error)"))
        }
    }
}
