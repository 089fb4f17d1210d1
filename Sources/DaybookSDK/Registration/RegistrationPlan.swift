import DaybookCore
import DaybookSystem
import DaybookValues
import DaybookWire

/// What an app registers, as the core takes it.
struct RegistrationPlan {
    var app: AppConfig
    var functions: [FunctionConfig]
    /// What was passed over, for people.
    var notes: [String] = []

    /// Counts changes of how registrations are read, so that an app that says the same to a newer Daybook is read anew.
    private static let revision = 1
    /// Bytes of an app's name.
    static let nameBytesMax = 255

    /// - Parameters:
    ///   - address: where the app was asked to register; nil when it came by itself.
    ///   - sdk: what its answer was marked with, for a registration that does not say.
    ///   - functionsMax: functions of one app.
    ///   - now: what is over by then is left out of the rules of time zones.
    init(
        _ bytes: [UInt8], address: WebAddress?, sdk: String? = nil, functionsMax: Int, zones: any ZoneSource,
        now: Timestamp
    ) throws(RegistrationFailure) {
        let body: RegisterBody
        do throws(RegisterError) {
            body = try RegisterBody(bytes)
        } catch {
            throw RegistrationFailure(.invalidRequest, reason: error.message)
        }
        let name = body.appName
        guard !name.isEmpty else { throw RegistrationFailure(.missingApp, reason: "App ID required") }
        guard name.utf8.count <= Self.nameBytesMax else {
            throw RegistrationFailure(
                .invalidRequest, reason: "Invalid request: the app's name is longer than \(Self.nameBytesMax) bytes")
        }
        guard body.functions.count <= functionsMax else {
            throw RegistrationFailure(
                .tooManyFunctions,
                reason:
                    "Too many functions: app '\(name)' registers \(body.functions.count), and \(functionsMax) are the limit",
                app: name)
        }
        let url = try Self.url(body.url, asked: address, app: name)
        app = AppConfig(
            id: name, url: url, sdk: body.sdk.isEmpty ? Self.shortName(ofSDK: sdk) : body.sdk,
            framework: body.framework, appVersion: body.appVersion,
            checksum: RegisterChecksum.of(Array("\(Self.revision)\n".utf8) + body.checksumBytes))
        functions = []
        var mapping = FunctionMapping(app: name, zones: zones, now: now)
        var positions: [String: Int] = [:]
        for (number, function) in body.functions.enumerated() {
            let config = try mapping.config(of: function, number: number + 1)
            if let position = positions[config.id] {
                functions[position] = config
                mapping.notes.append("function '\(config.id)' is registered twice; the last one counts")
            } else {
                positions[config.id] = functions.count
                functions.append(config)
            }
        }
        notes = mapping.notes
    }

    /// Registrations say `py:v0.5.18` where headers say `inngest-py:v0.5.18`.
    private static func shortName(ofSDK header: String?) -> String {
        let header = (header ?? "").prefix(100)
        return String(header.hasPrefix("inngest-") ? header.dropFirst("inngest-".count) : header)
    }

    private static func url(_ text: String?, asked: WebAddress?, app: String) throws(RegistrationFailure) -> String {
        guard let text, !text.isEmpty else { return asked?.normalized.text ?? "" }
        guard let address = WebAddress(text), FunctionMapping.schemes.contains(address.scheme) else {
            throw RegistrationFailure(
                .invalidRequest, reason: "Invalid request: url: '\(text.prefix(200))' is no address of an app", app: app
            )
        }
        return address.normalized.text
    }
}
