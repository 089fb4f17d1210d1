package import Daybook
package import DaybookCore
package import DaybookSystem
package import DaybookValues

/// Why the functions of a program cannot be registered. Nothing was changed.
package struct RegistrationError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// The functions of a program, as the core registers them and as the node runs them.
package struct AppFunctions: Sendable {
    package let app: String
    package let configs: [FunctionConfig]
    /// By whole id.
    package let registrations: [String: FunctionRegistration]

    /// Puts the app's id before the functions' ids and looks up the zones of their schedules.
    /// - Throws: `RegistrationError` naming the function: two with one id, a cron text that is none, an unknown zone.
    package init(
        app: String, functions: [any FunctionDefinition], zones: any ZoneSource = SystemZoneFiles(),
        now: Timestamp = SystemWallClock().now
    ) throws(RegistrationError) {
        var configs: [FunctionConfig] = []
        var registrations: [String: FunctionRegistration] = [:]
        for definition in functions {
            for registration in definition.registrations {
                let id = "\(app)-\(registration.id)"
                guard registrations[id] == nil else {
                    throw RegistrationError("two functions have the id '\(registration.id)'; each needs its own")
                }
                registrations[id] = registration
                configs.append(try Self.config(registration, id: id, app: app, zones: zones, now: now))
            }
        }
        self.app = app
        self.configs = configs
        self.registrations = registrations
    }

    private static func config(
        _ registration: FunctionRegistration, id: String, app: String, zones: any ZoneSource,
        now: Timestamp
    ) throws(RegistrationError) -> FunctionConfig {
        if let problem = registration.problem {
            throw RegistrationError("function '\(registration.id)': \(problem)")
        }
        var triggers: [DaybookCore.Trigger] = []
        for trigger in registration.triggers {
            switch trigger.kind {
            case .event(let name, let condition):
                var matches: [DaybookCore.FieldMatch] = []
                if let handled = registration.handlesFailuresOf {
                    var value: [UInt8] = []
                    value.append(jsonString: "\(app)-\(handled)")
                    matches.append(DaybookCore.FieldMatch(path: "data.function_id", value: value))
                }
                triggers.append(.event(name: name, matches: matches, condition: condition))
            case .cron(let text):
                let schedule: CronSchedule
                do throws(CronError) {
                    schedule = try CronSchedule(text)
                } catch {
                    throw RegistrationError("function '\(registration.id)': cron '\(text)': \(error)")
                }
                let zone = try rules(of: schedule, function: registration.id, zones: zones)
                triggers.append(.cron(text: text, zone: zone.trimmed(from: now)))
            }
        }
        let catchUp: DaybookCore.CatchUp =
            switch registration.catchUp {
            case .latest: .latest
            case .skip: .skip
            case .all(let limit): .all(limit: limit)
            }
        return FunctionConfig(
            id: id, app: app, name: registration.name, triggers: triggers, retries: registration.retries,
            startTimeout: registration.startTimeout.map(milliseconds),
            finishTimeout: registration.finishTimeout.map(milliseconds), catchUp: catchUp,
            flow: FlowConfig(registration.flow))
    }

    private static func rules(
        of schedule: CronSchedule, function: String, zones: any ZoneSource
    ) throws(RegistrationError) -> ZoneRules {
        guard let name = schedule.zoneName else { return .utc }
        do throws(ZoneLookupError) {
            return try lookUpZone(name, in: zones)
        } catch {
            throw RegistrationError("function '\(function)': cron '\(schedule.text)': \(error)")
        }
    }
}

extension FlowConfig {
    /// Durations become whole milliseconds, rounded up; nothing is checked.
    init(_ settings: FlowSettings) {
        self.init()
        concurrency = settings.concurrency.map(ConcurrencyLimit.init)
        runConcurrency = settings.runConcurrency.map(ConcurrencyLimit.init)
        throttle = settings.throttle.map {
            Throttle(limit: $0.limit, period: milliseconds($0.period), burst: $0.burst, key: $0.key)
        }
        rateLimit = settings.rateLimit.map { RateLimit(limit: $0.limit, period: milliseconds($0.period), key: $0.key) }
        idempotency = settings.idempotency
        debounce = settings.debounce.map {
            Debounce(period: milliseconds($0.period), timeout: $0.timeout.map(milliseconds), key: $0.key)
        }
        batch = settings.batch.map {
            Batch(maxSize: $0.maxSize, timeout: milliseconds($0.timeout), key: $0.key, condition: $0.condition)
        }
        priority = settings.priority
        singleton = settings.singleton.map { Singleton(mode: $0.mode == .skip ? .skip : .cancel, key: $0.key) }
        cancelOn = settings.cancelOn.map {
            CancelOn(event: $0.event, condition: $0.condition, timeout: $0.timeout.map(milliseconds))
        }
    }
}

extension ConcurrencyLimit {
    fileprivate init(_ settings: FlowSettings.Concurrency) {
        let scope: Scope =
            switch settings.scope {
            case .function: .function
            case .environment: .environment
            case .account: .account
            }
        self.init(limit: settings.limit, key: settings.key, scope: scope)
    }
}

package struct ZoneLookupError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// The rules of a zone: from the system's files, or else from the table that Daybook carries.
package func lookUpZone(_ name: String, in zones: any ZoneSource) throws(ZoneLookupError) -> ZoneRules {
    if let bytes = zones.zoneFile(named: name) {
        do throws(ZoneError) {
            return try ZoneRules(name: name, tzif: bytes)
        } catch {
            throw ZoneLookupError(description: "the system's file of time zone '\(name)' cannot be read: \(error)")
        }
    }
    if let rules = EmbeddedZones.rules(named: name) { return rules }
    throw ZoneLookupError(
        description: "there is no time zone '\(name)'; zones are named like Europe/Paris or America/New_York")
}

/// Whole milliseconds, rounded up, so that a short duration never becomes none.
package func milliseconds(_ duration: Duration) -> Int64 { duration.wholeMilliseconds }
