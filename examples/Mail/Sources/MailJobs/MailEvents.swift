public import Daybook

/// A user was created in the research platform.
public struct UserCreated: Event {
    public static let name = "auth/user.created"
    public var userId: String
    /// Needed when the contact store does not know the user yet.
    public var email: String?
    /// In a function it is read as `event.data.name`: `event.name` is the event's own.
    public var name: String?

    public init(userId: String, email: String? = nil, name: String? = nil) {
        self.userId = userId
        self.email = email
        self.name = name
    }
}

/// A user pressed the button that confirms the address.
public struct UserConfirmed: Event {
    public static let name = "auth/user.confirmed"
    public var userId: String

    public init(userId: String) {
        self.userId = userId
    }
}

/// A user signed up for the contact manager.
public struct UserSignedUp: Event {
    public static let name = "user/signed.up"
    public var userId: String
    /// Needed when the contact store does not know the user yet.
    public var email: String?
    /// In a function it is read as `event.data.name`: `event.name` is the event's own.
    public var name: String?

    public init(userId: String, email: String? = nil, name: String? = nil) {
        self.userId = userId
        self.email = email
        self.name = name
    }
}
