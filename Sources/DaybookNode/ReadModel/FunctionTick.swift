package import DaybookCore
package import DaybookValues

/// An instant at which a function is started by its schedule.
package struct FunctionTick: Sendable, Equatable {
    package var at: Timestamp
    package var function: String
    package var cron: String

    /// The next ticks of all functions, in order of time.
    /// - Parameter count: of ticks in all.
    package static func next(
        of functions: [FunctionSummary], after instant: Timestamp, count: Int
    ) -> [FunctionTick] {
        var ticks: [FunctionTick] = []
        for function in functions where !function.isRemoved {
            for case .cron(let text, let zone, _) in function.config.triggers {
                guard let schedule = try? CronSchedule(text) else { continue }
                var last = instant
                for _ in 0..<count {
                    guard let tick = schedule.nextTick(after: last, in: zone) else { break }
                    ticks.append(FunctionTick(at: tick, function: function.config.id, cron: text))
                    last = tick
                }
            }
        }
        ticks.sort { ($0.at, $0.function) < ($1.at, $1.function) }
        return Array(ticks.prefix(count))
    }

    /// Appends the tick as an object of one line.
    package func append(to json: inout [UInt8]) {
        json.append(json: #"{"at":"#)
        json.append(jsonString: at.rfc3339Short)
        json.append(json: #","function":"#)
        json.append(jsonString: function)
        json.append(json: #","cron":"#)
        json.append(jsonString: cron)
        json.append(UInt8(ascii: "}"))
    }
}
