import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import DaybookWire
import Hummingbird
import NIOCore

extension API {
    /// Takes one event or an array of them, all or none, and answers once they are on disk; with `outcomes=true` it also
    /// says what came of each.
    func ingest(_ call: Call) async throws -> Response {
        if !call.isTrusted { try checkEventKey(call.parameter("key")) }
        return try await send(call)
    }

    /// The same without an event key.
    func send(_ call: Call) async throws -> Response {
        let body = try await eventBody(call)
        let events = try events(in: body.bytes, seed: call.request.headers[.eventIDSeed])
        guard !events.isEmpty else { return Self.accepted([]) }
        guard case .published(let published) = try await submit(.publish(events, claim: nil)) else {
            throw APIError(.internalServerError, "the events were not recorded")
        }
        return Self.accepted(published, saysOutcomes: call.query("outcomes") == "true")
    }

    private func checkEventKey(_ key: String) throws(APIError) {
        guard !settings.eventKeys.isEmpty else {
            guard settings.signingKeys == nil else {
                throw APIError(.serviceUnavailable, "Event keys are required to process events securely")
            }
            return
        }
        guard settings.eventKeys.contains(key) else { throw APIError(.unauthorized, "Event key not found") }
    }

    private static func accepted(_ events: [EventReceipt], saysOutcomes: Bool = false) -> Response {
        var json: [UInt8] = []
        json.reserveCapacity(32 + 29 * events.count)
        json.append(json: #"{"ids":["#)
        var isFirst = true
        for event in events {
            if !isFirst { json.append(UInt8(ascii: ",")) }
            isFirst = false
            json.append(UInt8(ascii: "\""))
            event.id.append(to: &json)
            json.append(UInt8(ascii: "\""))
        }
        json.append(json: #"],"status":200"#)
        if saysOutcomes {
            json.append(json: #","outcomes":"#)
            json.append(jsonList: events) { event, json in
                json.append(UInt8(ascii: "{"))
                event.outcome.appendMembers(to: &json)
                json.append(UInt8(ascii: "}"))
            }
        }
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    private func eventBody(_ call: Call) async throws(APIError) -> CollectedBody {
        let headers = call.request.headers
        if let type = headers[.contentType], type.utf8.count >= 10,
            type.utf8.first != UInt8(ascii: "a") || type.utf8.count > 16
        {
            let type = type.lowercased()
            if type.hasPrefix("multipart/") || type.hasPrefix("application/x-www-form-urlencoded") {
                throw APIError(.badRequest, "events are sent as application/json, not as \(type.prefix(80))")
            }
        }
        if let encoding = headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw APIError(
                .badRequest, "\(Self.notEvents). This body is compressed (\(encoding.prefix(40))); send it as it is")
        }
        return try await call.body()
    }

    private static let notEvents = "Request body must contain an event object or an array of event objects"

    /// - Parameter seed: the header that makes the ids of a repeated request the same; one that cannot be read is ignored.
    private func events(in bytes: [UInt8], seed header: String?) throws(APIError) -> [DaybookCore.Event] {
        guard let first = bytes.first(where: { $0 > 0x20 }) else { return [] }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            throw APIError(.badRequest, Self.notEvents)
        }
        do throws(JSONError) {
            try JSONText.check(bytes)
        } catch {
            throw APIError(.badRequest, "the body is not JSON: \(error)")
        }
        guard let view = JSONView(bytes) else { throw APIError(.badRequest, Self.notEvents) }
        let reader = EventReader(now: now, seed: header.flatMap { EventIDSeed($0) }, random: random)
        if view.kind == .object { return [try reader.event(view, number: 1, isAlone: true)] }
        let countMax = reader.limits.countMax
        var views: [JSONView] = []
        view.forEachElement { element in
            views.append(element)
            return views.count <= countMax
        }
        guard views.count <= countMax else {
            throw APIError(.badRequest, "Cannot have more than \(countMax) events in a batch")
        }
        var events: [DaybookCore.Event] = []
        events.reserveCapacity(views.count)
        for (index, view) in views.enumerated() {
            events.append(try reader.event(view, number: index + 1, isAlone: views.count == 1))
        }
        return events
    }
}

/// Makes events of what a request carries.
private struct EventReader {
    let now: Timestamp
    let seed: EventIDSeed?
    let random: any RandomSource
    let limits = EventLimits()

    /// - Parameter number: from 1.
    func event(_ view: JSONView, number: Int, isAlone: Bool) throws(APIError) -> DaybookCore.Event {
        do throws(EventError) {
            guard let seed else {
                let id = ULID(at: now, random: (random.next(), random.next()))
                return try Event(view, id: id, now: now, limits: limits)
            }
            let event = try Event(view, id: seed.id(number: number), now: now, limits: limits)
            guard event.key == nil else { return event }
            // Sent again, it has the same id: with that as its key no function starts twice.
            return Event(
                id: event.id, key: event.id.text, name: event.name, timestamp: event.timestamp, json: event.json)
        } catch {
            // The text alone is what SDKs know; with several events, which of them it was helps more.
            throw APIError(.badRequest, isAlone ? error.message : "event \(number - 1): \(error.message)")
        }
    }
}
