import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird
import NIOCore

/// An answer that is not a success.
struct APIError: Error, Equatable {
    let status: HTTPResponse.Status
    let message: String
    /// What stands in `data`, as JSON; nil for `null`.
    var data: [UInt8]?
    /// A word for programs, such as `sdk_version_denied`.
    var code: String?

    init(_ status: HTTPResponse.Status, _ message: String, data: [UInt8]? = nil, code: String? = nil) {
        self.status = status
        self.message = message
        self.data = data
        self.code = code
    }

    init(_ error: ReadError) {
        let status: HTTPResponse.Status =
            switch error {
            case .unknownRun, .unknownStep, .unknownFunction, .unknownEvent: .notFound
            case .ambiguousRun, .ambiguousFunction, .notEnded: .conflict
            case .unreadable: .internalServerError
            }
        self.init(status, error.description)
    }

    init(_ refusal: Refusal) {
        let status: HTTPResponse.Status =
            switch refusal {
            case .unknownRun, .unknownFunction, .unknownApp, .unknownSignal: .notFound
            case .runEnded: .conflict
            case .invalidFunction: .badRequest
            case .storageFull: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
            case .stopping: .serviceUnavailable
            }
        self.init(status, refusal.description)
    }

    func response(_ shape: Route.ErrorShape) -> Response {
        var json: [UInt8] = []
        switch shape {
        case .plain, .sdk:
            json.append(UInt8(ascii: "{"))
            if let code {
                json.append(json: #""code":"#)
                json.append(jsonString: code)
                json.append(UInt8(ascii: ","))
            }
            json.append(json: #""error":"#)
            json.append(jsonString: message)
            if shape == .sdk || data != nil {
                json.append(json: #","data":"#)
                json.append(contentsOf: data ?? Array("null".utf8))
            }
            json.append(json: #","status":"#)
            json.append(json: status.code)
        case .event:
            json.append(json: #"{"ids":[],"status":"#)
            json.append(json: status.code)
            // Who may not send is told in the words of another part of the server that SDKs know.
            if status == .unauthorized || status == .serviceUnavailable { json.append(json: ##","message":"""##) }
            json.append(json: #","error":"#)
            json.append(jsonString: message)
        }
        json.append(UInt8(ascii: "}"))
        var response = Response(json, status: status)
        // Nobody reads the rest of a body that is too large, so the connection cannot be used again.
        if status == .contentTooLarge { response.headers[.connection] = "close" }
        if status == .serviceUnavailable { response.headers[.retryAfter] = "1" }
        return response
    }
}

extension Response {
    static let json = "application/json"

    init(_ json: [UInt8], status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: Self.json],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }

    init(text: String, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// `{"data":…}`
    init(data append: (inout [UInt8]) -> Void) {
        var json: [UInt8] = []
        json.append(json: #"{"data":"#)
        append(&json)
        json.append(UInt8(ascii: "}"))
        self.init(json)
    }

    /// `{"data":[…]}`, and where the list goes on.
    init<Element>(list: some Sequence<Element>, next: String? = nil, _ append: (Element, inout [UInt8]) -> Void) {
        var json: [UInt8] = []
        json.append(json: #"{"data":"#)
        json.append(jsonList: list, append)
        if let next {
            json.append(json: #","cursor":"#)
            json.append(jsonString: next)
        }
        json.append(UInt8(ascii: "}"))
        self.init(json)
    }
}

extension [UInt8] {
    /// `[…]`
    mutating func append<Item>(jsonList list: some Sequence<Item>, _ append: (Item, inout [UInt8]) -> Void) {
        self.append(UInt8(ascii: "["))
        var isFirst = true
        for element in list {
            if !isFirst { self.append(UInt8(ascii: ",")) }
            isFirst = false
            append(element, &self)
        }
        self.append(UInt8(ascii: "]"))
    }
}
