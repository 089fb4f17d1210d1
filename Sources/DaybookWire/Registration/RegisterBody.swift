internal import DaybookValues

/// Why a registration cannot be read.
package struct RegisterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `Invalid request: …`, naming function and field.
    package var message: String
    package var description: String { message }

    init(_ reason: String) {
        message = "Invalid request: \(reason)"
    }
}

/// What an app registers: the body of `POST /fn/register`, and the answer to a PUT by which an app registers in band.
///
/// Only the types of fields are checked, not what they mean. Names of fields are read in any case, for SDKs differ;
/// unknown ones are passed over, and `null` is as good as absent. So is an empty string, except as the app's name.
package struct RegisterBody: Sendable, Equatable {
    /// `appName`, or `app_id` in band; empty when there is none.
    package var appName: String
    /// Where the app is served.
    package var url: String?
    /// `lang:version`, such as `py:v0.5.18`; empty when unknown.
    package var sdk: String
    package var framework: String?
    package var platform: String?
    package var environment: String?
    package var appVersion: String?
    package var deployType: String?
    package var functions: [WireFunction]
    /// What tells this registration from another: canonical JSON of the body without what changes from one to the next.
    package var checksumBytes: [UInt8]

    /// - Parameter json: checked here.
    package init(_ json: [UInt8]) throws(RegisterError) {
        do throws(JSONError) {
            try JSONText.check(json)
        } catch {
            throw RegisterError(String(describing: error))
        }
        guard let body = JSONView(json), body.kind == .object else {
            throw RegisterError("the body must be an object")
        }
        let reader = FieldReader(body, path: "")
        appName = try reader.firstString("appName", "app_id") ?? ""
        url = try reader.string("url")
        framework = try reader.string("framework")
        deployType = try reader.string("deployType")
        appVersion = try reader.string("appVersion")
        let headers = try reader.object("headers")
        let headerPlatform = try headers?.string("platform")
        platform = try reader.string("platform") ?? headerPlatform
        let headerEnvironment = try headers?.string("env")
        environment = try reader.string("env") ?? headerEnvironment
        if let sdk = try reader.string("sdk") {
            self.sdk = sdk
        } else if let language = try reader.string("sdk_language"), let version = try reader.string("sdk_version") {
            sdk = version.hasPrefix("v") ? "\(language):\(version)" : "\(language):v\(version)"
        } else {
            sdk = ""
        }
        var functions: [WireFunction] = []
        for (index, value) in try reader.array("functions").enumerated() {
            functions.append(try WireFunction(value, number: index + 1))
        }
        self.functions = functions
        checksumBytes = Self.checksumBytes(of: body)
    }

    /// Fields that differ between registrations that are the same, or say nothing about what is registered.
    private static let volatile: Set<String> = ["featureobservations", "deployid", "idempotencykey", "inspection"]

    private static func checksumBytes(of body: JSONView) -> [UInt8] {
        var kept: [UInt8] = [UInt8(ascii: "{")]
        body.forEachMember { rawName, value in
            if volatile.contains(unescape(rawName).lowercased()) { return true }
            if kept.count > 1 { kept.append(UInt8(ascii: ",")) }
            kept.append(UInt8(ascii: "\""))
            kept.append(contentsOf: rawName)
            kept.append(json: "\":")
            kept.append(contentsOf: value.slice)
            return true
        }
        kept.append(UInt8(ascii: "}"))
        return JSONView(kept).map { CanonicalJSON.encode($0) } ?? kept
    }
}

/// The fields of an object, found whatever the case of their names.
struct FieldReader {
    /// Where the object stands, in words, with what separates it from a field's name; for errors.
    private let path: String
    private var fields: [String: JSONView] = [:]

    /// - Parameter value: an object; anything else has no fields.
    init(_ value: JSONView, path: String) {
        self.path = path
        var fields: [String: JSONView] = [:]
        value.forEachMember { rawName, field in
            fields[unescape(rawName).lowercased()] = field
            return true
        }
        self.fields = fields
    }

    /// The field, unless it is absent or `null`.
    subscript(_ name: String) -> JSONView? {
        fields[name.lowercased()].flatMap { $0.isNull ? nil : $0 }
    }

    /// Nil also for an empty string.
    func string(_ name: String) throws(RegisterError) -> String? {
        guard let value = self[name] else { return nil }
        guard let string = value.string else { throw wrong(name, must: "a string", is: value) }
        return string.isEmpty ? nil : string
    }

    /// The first of these fields that is there.
    func firstString(_ names: String...) throws(RegisterError) -> String? {
        for name in names {
            if let string = try string(name) { return string }
        }
        return nil
    }

    func requiredString(_ name: String) throws(RegisterError) -> String {
        guard let string = try string(name) else { throw RegisterError("\(path)\(name) is missing") }
        return string
    }

    /// A whole number; one that does not fit stops at the end of `Int64`.
    func integer(_ name: String) throws(RegisterError) -> Int64? {
        guard let value = self[name] else { return nil }
        guard let integer = Self.integer(value) else { throw wrong(name, must: "a whole number", is: value) }
        return integer
    }

    static func integer(_ value: JSONView) -> Int64? {
        guard value.kind == .number else { return nil }
        if let integer = value.integer { return integer }
        let isNegative = value.slice.first == UInt8(ascii: "-")
        let digits = value.slice.dropFirst(isNegative ? 1 : 0)
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return isNegative ? .min : .max
    }

    func object(_ name: String) throws(RegisterError) -> FieldReader? {
        guard let value = self[name] else { return nil }
        guard value.kind == .object else { throw wrong(name, must: "an object", is: value) }
        return FieldReader(value, path: "\(path)\(name).")
    }

    /// The elements of an array; none when it is absent.
    func array(_ name: String) throws(RegisterError) -> [JSONView] {
        guard let value = self[name] else { return [] }
        guard value.kind == .array else { throw wrong(name, must: "an array", is: value) }
        var elements: [JSONView] = []
        value.forEachElement {
            elements.append($0)
            return true
        }
        return elements
    }

    /// The elements of an array of objects, each with its place for errors.
    func objects(_ name: String) throws(RegisterError) -> [FieldReader] {
        var readers: [FieldReader] = []
        for (index, value) in try array(name).enumerated() {
            guard value.kind == .object || value.isNull else {
                throw wrong("\(name)[\(index)]", must: "an object", is: value)
            }
            readers.append(FieldReader(value, path: "\(path)\(name)[\(index)]."))
        }
        return readers
    }

    /// What is said about a field of this object, with where the object stands before it.
    func place(of text: String) -> String { path + text }

    func wrong(_ name: String, must: String, is value: JSONView) -> RegisterError {
        RegisterError("\(path)\(name) must be \(must), not \(Ops.name(of: value))")
    }
}
