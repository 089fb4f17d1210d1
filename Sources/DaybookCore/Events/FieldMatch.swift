package import DaybookValues

/// One condition on an event: the value at a path equals a value.
package struct FieldMatch: Sendable, Equatable {
    /// From the event's root, names joined by dots: `data.userId`.
    package let path: String
    /// JSON text, compact.
    package let value: [UInt8]

    package init(path: String, value: [UInt8]) {
        self.path = path
        self.value = value
    }

    /// Whether the event has that value at that path. A missing value equals nothing, not even null.
    package func holds(for event: JSONView) -> Bool {
        guard let found = event.at(path: path), let wanted = JSONView(value) else { return false }
        return found.equals(wanted)
    }

    /// A text that is equal for equal scalars, for use as a dictionary key; nil for arrays and objects. Scalars that
    /// differ may share one, such as large whole numbers that are the same as a `Double`.
    static func scalarKey(_ value: JSONView) -> String? {
        switch value.kind {
        case .string: value.string.map { "s" + $0 }
        // 1 and 1.0 are one number, and so are 0 and -0.
        case .number: (value.integer.map(Double.init) ?? value.double).map { "n\(($0 + 0).bitPattern)" }
        case .bool: value.bool == true ? "true" : "false"
        case .null: "null"
        case .object, .array, nil: nil
        }
    }
}
