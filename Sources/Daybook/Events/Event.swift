/// The payload of an event: its name, and the fields of its `data`.
///
/// ```swift
/// struct UserCreated: Event {
///     static let name = "auth/user.created"
///     var userId: String, email: String
/// }
/// ```
/// The stored properties are read from and written to the JSON object `data`. Dates are RFC 3339 text.
public protocol Event: Codable, Sendable {
    /// The event's name, by convention `domain/entity.action`.
    static var name: String { get }
}
