import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import Hummingbird
import NIOCore

extension API {
    /// Takes one event or an array of them, all or none, and answers once they are on disk; with `outcomes=true` it also
    /// says what came of each.
    func ingest(_ request: Request) async -> Response {
        do throws(APIError) {
            let bytes = try await eventBody(request)
            let events = try events(in: bytes)
            guard !events.isEmpty else { return Self.accepted([""]) }
            guard case .published(let published) = try await submit(.publish(events, claim: nil)) else {
                throw APIError(.internalServerError, "the events were not recorded")
            }
            let saysOutcomes = request.query("outcomes") == "true"
            return Self.accepted(published.map(\.id.text), outcomes: saysOutcomes ? published.map(\.outcome) : [])
        } catch {
            var json: [UInt8] = []
            json.append(json: #"{"ids":[""],"status":"#)
            json.append(json: error.status.code)
            json.append(json: #","error":"#)
            json.append(jsonString: error.message)
            json.append(UInt8(ascii: "}"))
            return Response(json, status: error.status)
        }
    }

    /// An event by its whole id, and what came of it.
    func event(_ text: String) async throws -> Response {
        let event = try await read([]) { (model) throws(ReadError) in try model.event(text) }
        var json: [UInt8] = []
        json.append(json: #"{"data":"#)
        event.append(to: &json)
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    private static func accepted(_ ids: [String], outcomes: [EventOutcome] = []) -> Response {
        var json: [UInt8] = []
        json.append(json: #"{"ids":["#)
        for (index, id) in ids.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json.append(jsonString: id)
        }
        json.append(json: #"],"status":200"#)
        if !outcomes.isEmpty {
            json.append(json: #","outcomes":["#)
            for (index, outcome) in outcomes.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                json.append(UInt8(ascii: "{"))
                outcome.appendMembers(to: &json)
                json.append(UInt8(ascii: "}"))
            }
            json.append(UInt8(ascii: "]"))
        }
        json.append(UInt8(ascii: "}"))
        return Response(json)
    }

    private func eventBody(_ request: Request) async throws(APIError) -> [UInt8] {
        if let type = request.headers[.contentType]?.lowercased(),
            type.hasPrefix("multipart/") || type.hasPrefix("application/x-www-form-urlencoded")
        {
            throw APIError(.badRequest, "events are sent as application/json, not as \(type.prefix(80))")
        }
        do {
            return Array(try await request.body.collect(upTo: Self.bodyBytesMax).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw APIError(
                .contentTooLarge, "the body is larger than the limit of \(Self.bodyBytesMax) bytes; send less at once")
        } catch {
            throw APIError(.badRequest, "the body could not be read: \(error)")
        }
    }

    private func events(in bytes: [UInt8]) throws(APIError) -> [DaybookCore.Event] {
        if bytes.allSatisfy({ $0 <= 0x20 }) { return [] }
        do throws(JSONError) {
            try JSONText.check(bytes)
        } catch {
            throw APIError(.badRequest, "the body is not JSON: \(error)")
        }
        guard let view = JSONView(bytes), view.kind == .object || view.kind == .array else {
            throw APIError(.badRequest, "Request body must contain an event object or an array of event objects")
        }
        let now = now
        let limits = EventLimits()
        if view.kind == .object { return [try event(view, position: nil, now, limits)] }
        var views: [JSONView] = []
        view.forEachElement { element in
            views.append(element)
            return views.count <= limits.countMax
        }
        guard views.count <= limits.countMax else {
            throw APIError(.badRequest, "Cannot have more than \(limits.countMax) events in a batch")
        }
        var events: [DaybookCore.Event] = []
        events.reserveCapacity(views.count)
        for (position, view) in views.enumerated() { events.append(try event(view, position: position, now, limits)) }
        return events
    }

    private func event(
        _ view: JSONView, position: Int?, _ now: Timestamp, _ limits: EventLimits
    ) throws(APIError) -> DaybookCore.Event {
        do throws(EventError) {
            return try Event(view, id: ULID(at: now, random: (random.next(), random.next())), now: now, limits: limits)
        } catch {
            // The text alone is what SDKs know; with several events, which of them it was helps more.
            throw APIError(.badRequest, position.map { "event \($0): \(error.message)" } ?? error.message)
        }
    }
}
