import DaybookCore
import DaybookNode
import DaybookValues
import Hummingbird
import NIOCore

/// An answer that is not a success: `{"error":"…","status":404}`.
struct APIError: Error, HTTPResponseError {
    let status: HTTPResponse.Status
    let message: String

    init(_ status: HTTPResponse.Status, _ message: String) {
        self.status = status
        self.message = message
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

    func response(from request: Request, context: some RequestContext) throws -> Response {
        var json: [UInt8] = []
        json.append(json: #"{"error":"#)
        json.append(jsonString: message)
        json.append(json: #","status":"#)
        json.append(json: status.code)
        json.append(UInt8(ascii: "}"))
        return Response(json, status: status)
    }
}

extension Response {
    init(_ json: [UInt8], status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }

    /// `{"data":[…]}`, and where the list goes on.
    init<Element>(list: some Sequence<Element>, next: String? = nil, _ append: (Element, inout [UInt8]) -> Void) {
        var json: [UInt8] = []
        json.append(json: #"{"data":["#)
        var isFirst = true
        for element in list {
            if !isFirst { json.append(UInt8(ascii: ",")) }
            isFirst = false
            append(element, &json)
        }
        json.append(UInt8(ascii: "]"))
        if let next {
            json.append(json: #","cursor":"#)
            json.append(jsonString: next)
        }
        json.append(UInt8(ascii: "}"))
        self.init(json)
    }
}

/// Turns whatever is thrown into an answer of our own shape.
struct APIErrors<Context: RequestContext>: RouterMiddleware {
    @concurrent func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as APIError {
            return try error.response(from: request, context: context)
        } catch is NIOTooManyBytesError {
            let error = APIError(
                .contentTooLarge, "the body is larger than the limit of \(API.bodyBytesMax) bytes; send less at once")
            return try error.response(from: request, context: context)
        } catch let error as any HTTPResponseError {
            let message =
                error.status == .notFound
                ? "there is no \(request.method.rawValue) \(request.uri.path) here" : error.status.reasonPhrase
            return try APIError(error.status, message).response(from: request, context: context)
        }
    }
}
