import DaybookCore
import DaybookNode
import DaybookSystem
import DaybookValues
import Hummingbird

extension API {
    /// Starts a run of a function by its id: `{"data":{…}}`. Answers with the id of the event that does it.
    func invoke(_ call: Call) async throws -> Response {
        let unreadable = APIError(.badRequest, "Unable to read post data request")
        let body = try await call.body()
        guard (try? JSONText.check(body.bytes)) != nil, let view = JSONView(body.bytes), view.kind == .object,
            let invocation = Invocation(view)
        else { throw unreadable }
        let receipt = try await start(call.parameter("slug"), invocation)
        var json: [UInt8] = []
        json.append(json: #"{"id":"#)
        json.append(jsonString: receipt.id.text)
        json.append(json: #","status":200}"#)
        return Response(json)
    }

    /// Starts a run of a function, whatever its triggers are.
    func start(_ text: String, _ invocation: Invocation) async throws(APIError) -> EventReceipt {
        let function = try await wholeID(ofFunction: text)
        let id = ULID(at: now, random: (random.next(), random.next()))
        let event = invocation.event(of: function, id: id, now: now)
        guard case .published(let receipts) = try await submit(.invokeFunction(function: function, event: event)),
            let receipt = receipts.first
        else { throw APIError(.internalServerError, "the function was not invoked") }
        return receipt
    }
}

/// What a function is invoked with.
struct Invocation: Sendable {
    /// Members of `data`, without braces.
    private var data: [UInt8] = []
    private var user: [UInt8]?
    private var version: String?
    /// Makes a second invocation with the same key start nothing for 24 hours.
    var key: String?

    /// - Parameter view: an object with `data` and, if wanted, `user` and `v`; other members are ignored. Nil when one of
    ///   them is of another kind.
    init?(_ view: JSONView) {
        if let value = view.member("data"), !value.isNull {
            guard value.kind == .object else { return nil }
            value.forEachMember { rawName, value in
                guard unescape(rawName) != "_inngest" else { return true }
                data.append(UInt8(ascii: ","))
                data.append(UInt8(ascii: "\""))
                data.append(contentsOf: rawName)
                data.append(json: #"":"#)
                data.append(contentsOf: (try? JSONText.compact(value.bytes)) ?? value.bytes)
                return true
            }
        }
        if let value = view.member("user"), !value.isNull {
            guard value.kind == .object else { return nil }
            user = (try? JSONText.compact(value.bytes)) ?? value.bytes
        }
        if let value = view.member("v"), !value.isNull {
            guard let text = value.string else { return nil }
            version = text
        }
    }

    fileprivate func event(of function: String, id: ULID, now: Timestamp) -> DaybookCore.Event {
        let name = "inngest/function.invoked"
        var json: [UInt8] = []
        json.append(json: #"{"name":"#)
        json.append(jsonString: name)
        json.append(json: #","data":{"_inngest":{"fn_id":"#)
        json.append(jsonString: function)
        json.append(UInt8(ascii: "}"))
        json.append(contentsOf: data)
        json.append(json: #"},"id":"#)
        json.append(jsonString: key ?? id.text)
        json.append(json: #","ts":"#)
        json.append(json: now.milliseconds)
        if let user {
            json.append(json: #","user":"#)
            json.append(contentsOf: user)
        }
        if let version {
            json.append(json: #","v":"#)
            json.append(jsonString: version)
        }
        json.append(UInt8(ascii: "}"))
        return Event(id: id, key: key, name: name, timestamp: now, json: json)
    }
}
