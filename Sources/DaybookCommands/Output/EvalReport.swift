import DaybookCEL
import DaybookValues

/// What an expression comes to for an event, and what each place would make of that.
struct EvalReport: Sendable {
    /// What comes of it in one place.
    enum Verdict: Sendable, Equatable {
        /// A condition. `lookup` is the field below `async` by which waits for such an event are found, if there is one.
        case condition(Bool, lookup: String?)
        case key(Expression.KeyResult)
        case priority(Int64)
        case fails(String)
        /// The place does not take the expression at all.
        case refused(String)
    }

    private enum Outcome: Sendable {
        case value(ResultValue?)
        case fails(String)
    }

    private let outcome: Outcome
    private let verdicts: [(place: EvalPlace, verdict: Verdict)]
    /// Why there is no result to go by: the expression has no value, or not one for the place that was asked for.
    let failure: String?

    /// - Parameter place: which place to look at; for `any`, all that see the events that are given.
    init(_ expression: Expression, place: EvalPlace, event: [UInt8]?, async: [UInt8]?, now: Moment) {
        do throws(EvaluationError) {
            outcome = .value(try expression.value(event: event, async: async, now: now))
        } catch {
            outcome = .fails(error.description)
        }
        let places: [EvalPlace] =
            place != .any ? [place] : async == nil ? [.trigger, .key, .priority] : [.wait, .cancel]
        verdicts = places.map { ($0, Self.verdict(expression.source, $0, event: event, async: async, now: now)) }
        failure =
            switch (outcome, place == .any ? nil : verdicts.first?.verdict) {
            case (.fails(let message), _), (_, .fails(let message)): message
            default: nil
            }
    }

    private static func verdict(
        _ source: String, _ place: EvalPlace, event: [UInt8]?, async: [UInt8]?, now: Moment
    ) -> Verdict {
        let expression: Expression
        do throws(ExpressionError) {
            expression = try Expression(source, for: place.use)
        } catch {
            return .refused(error.message)
        }
        let nothing = Array("{}".utf8)
        do throws(EvaluationError) {
            switch place {
            case .any, .trigger: return .condition(try expression.isTrue(event: event, now: now), lookup: nil)
            case .wait, .cancel:
                let captured = expression.capture(event: event ?? nothing)
                return .condition(
                    try expression.isTrue(captured: captured, async: async ?? nothing, now: now),
                    lookup: expression.equality(captured: captured)?.path)
            case .key: return .key(try expression.key(event: event ?? nothing, now: now))
            case .priority: return .priority(try expression.integer(event: event ?? nothing, now: now))
            }
        } catch {
            return .fails(error.description)
        }
    }

    // MARK: - For people

    /// Two columns, without a line break at the end.
    var text: String {
        var rows: [(String, String)] = []
        switch outcome {
        case .value(let value?): rows = [("value", harmless(value.json)), ("type", value.typeName)]
        case .value(nil): rows = [("value", "missing: a field is not there, or a conversion or an operation failed")]
        case .fails(let message): rows = [("value", "none: \(harmless(message))")]
        }
        rows += verdicts.map { ($0.place.rawValue, Self.text(of: $0.verdict, in: $0.place)) }
        return rows.map { $0.0 + String(repeating: " ", count: 10 - $0.0.count) + $0.1 }.joined(separator: "\n")
    }

    private static func text(of verdict: Verdict, in place: EvalPlace) -> String {
        switch verdict {
        case .condition(let result, let lookup):
            let follows = "\(result) → \(consequence(of: result, in: place))"
            guard place == .wait || place == .cancel else { return follows }
            return follows + (lookup.map { "; found by async.\(harmless($0))" } ?? "; tried on each such event")
        case .key(.text(let key)): return "\(quoted(key))"
        case .key(.missing), .key(.isFalse):
            return #""false" for concurrency, throttle, debounce and batch; "#
                + "rateLimit, idempotency and singleton do not apply"
        case .priority(let seconds):
            let clamped = min(max(seconds, -prioritySecondsMax), prioritySecondsMax)
            let limit = clamped == seconds ? "" : ", the most there is"
            return clamped == 0 ? "0 s" : "\(clamped.magnitude) s \(clamped > 0 ? "earlier" : "later")\(limit)"
        case .fails(let message):
            switch place {
            case .any, .trigger, .wait, .cancel:
                return "error → \(consequence(of: false, in: place)): \(harmless(message))"
            case .key:
                return "error → rateLimit and idempotency: no run starts; singleton: does not apply; "
                    + "concurrency and throttle: \"<nil>\"; debounce: \"<invalid>\": \(harmless(message))"
            case .priority: return "error → 0 s: \(harmless(message))"
            }
        case .refused(let message): return "refused at registration: \(harmless(message))"
        }
    }

    private static func consequence(of result: Bool, in place: EvalPlace) -> String {
        switch place {
        case .wait: result ? "the wait is over" : "the wait goes on"
        case .cancel: result ? "the run is cancelled" : "the run goes on"
        default: result ? "a run starts" : "no run starts"
        }
    }

    /// Priorities beyond half a day are cut.
    private static let prioritySecondsMax: Int64 = 43_200

    private static func quoted(_ text: String) -> String {
        var json: [UInt8] = []
        json.append(jsonString: text)
        return harmless(String(decoding: json, as: UTF8.self))
    }

    // MARK: - For programs

    /// One object: `value` and `type` (`"missing"` without a value), or `error`; and a member for each place.
    var json: [UInt8] {
        var json = Array("{".utf8)
        switch outcome {
        case .value(let value?):
            json.append(json: #""value":"#)
            json.append(contentsOf: value.json.utf8)
            json.append(json: #","type":"#)
            json.append(jsonString: value.typeName)
        case .value(nil): json.append(json: #""type":"missing""#)
        case .fails(let message):
            json.append(json: #""error":"#)
            json.append(jsonString: message)
        }
        for (place, verdict) in verdicts {
            json.append(contentsOf: ",\"\(place.rawValue)\":{".utf8)
            Self.append(verdict, to: &json)
            json.append(UInt8(ascii: "}"))
        }
        json.append(UInt8(ascii: "}"))
        return json
    }

    private static func append(_ verdict: Verdict, to json: inout [UInt8]) {
        func member(_ name: String, _ text: String) {
            json.append(contentsOf: "\"\(name)\":".utf8)
            json.append(jsonString: text)
        }
        switch verdict {
        case .condition(let result, let lookup):
            json.append(contentsOf: "\"result\":\(result)".utf8)
            if let lookup {
                json.append(json: ",")
                member("foundBy", "async." + lookup)
            }
        case .key(.text(let key)): member("key", key)
        case .key(.missing): json.append(json: #""missing":true"#)
        case .key(.isFalse): json.append(json: #""result":false"#)
        case .priority(let seconds): json.append(contentsOf: "\"seconds\":\(seconds)".utf8)
        case .fails(let message): member("error", message)
        case .refused(let message): member("refused", message)
        }
    }
}
