internal import DaybookValues

/// One op, read from its JSON.
struct OpReader {
    private var code = ""
    private var id = ""
    private var name: String?
    private var displayName: String?
    private var options: JSONView?
    private var data: JSONView?
    private var error: JSONView?
    private var userlandID: String?
    private var userlandIndex: Int?

    init(_ value: JSONView) throws(OpsError) {
        guard value.kind == .object else {
            throw OpsError("error reading generator opcode response: an op is an object, not \(Ops.name(of: value))")
        }
        var members: [(name: String, value: JSONView)] = []
        value.forEachMember { rawName, member in
            if !member.isNull { members.append((unescape(rawName), member)) }
            return true
        }
        for (member, value) in members {
            switch member {
            case "op": code = try Self.string(value, of: member)
            case "id": id = try Self.string(value, of: member)
            case "name": name = try Self.string(value, of: member)
            case "displayName": displayName = try Self.string(value, of: member)
            case "opts": options = value
            case "data": data = value
            case "error": error = value
            case "userland":
                userlandID = value.member("id")?.string
                userlandIndex = value.member("index")?.integer.flatMap { Int(exactly: $0) }
            default: break
            }
        }
    }

    private static func string(_ value: JSONView, of member: String) throws(OpsError) -> String {
        guard let string = value.string else {
            throw OpsError(
                "error reading generator opcode response: '\(member)' of an op must be a string, not "
                    + Ops.name(of: value))
        }
        return string
    }

    func op() throws(OpsError) -> WireOp {
        let kind = try kind()
        switch kind {
        case .runComplete, .discoveryRequest, .none, .deferAbort, .malformed: break
        default:
            guard !id.isEmpty else {
                throw OpsError("error reading generator opcode response: \(code) needs the id of its step")
            }
        }
        return WireOp(
            wireID: id,
            key: StepID.key(
                wireID: id, userlandID: userlandID, userlandIndex: userlandIndex, displayName: displayName, name: name),
            isRace: options?.member("parallelMode")?.string == "race", kind: kind)
    }

    private func kind() throws(OpsError) -> WireOp.Kind {
        // Codes are known as they are and all in lower case.
        switch code {
        case "StepRun", "steprun": return .stepRun(data: try output(data))
        case "Step", "step": return .step(data: try output(data))
        case "StepError", "steperror": return .stepError(error: try stepError())
        case "StepFailed", "stepfailed":
            return .stepFailed(error: error == nil ? Array("null".utf8) : try stepError())
        case "StepPlanned", "stepplanned": return .stepPlanned
        case "Sleep", "sleep": return sleep()
        case "WaitForEvent", "waitforevent": return waitForEvent()
        case "WaitForSignal", "waitforsignal": return waitForSignal()
        case "InvokeFunction", "invokefunction": return invoke()
        case "Gateway", "gateway": return gateway()
        case "AIGateway", "aigateway": return aiGateway()
        case "RunComplete", "runcomplete": return .runComplete(data: Self.compacted(data))
        case "SyncRunComplete", "syncruncomplete":
            return .runComplete(data: Self.compacted(data?.kind == .object ? data?.member("data") : data))
        case "DiscoveryRequest", "discoveryrequest": return .discoveryRequest
        case "DeferAdd", "deferadd": return deferAdd()
        case "DeferAbort", "deferabort": return deferAbort()
        case "None", "none": return .none
        default:
            throw OpsError("error reading generator opcode response: \(code) does not belong to Opcode values")
        }
    }

    /// What people call the step.
    private var shownName: String {
        [displayName, userlandID, name].lazy.compactMap { $0 }.first { !$0.isEmpty } ?? id
    }

    // MARK: - Results

    private func output(_ value: JSONView?) throws(OpsError) -> [UInt8] {
        let bytes = value.map { CanonicalJSON.encode($0) } ?? Array("null".utf8)
        guard bytes.count <= Ops.outputBytesMax else {
            throw OpsError(
                "error validating generator opcode \(shownName): step output size is greater than the limit",
                isTooLarge: true)
        }
        return bytes
    }

    /// Results of runs are never sent back, so they keep their numbers and the order of their members.
    private static func compacted(_ value: JSONView?) -> [UInt8] {
        guard let value else { return Array("null".utf8) }
        do throws(JSONError) {
            return try JSONText.compact(value.bytes)
        } catch {
            return CanonicalJSON.encode(value)
        }
    }

    /// The members of an error that SDKs read again, in canonical order.
    private func stepError() throws(OpsError) -> [UInt8] {
        guard let error else {
            throw OpsError("error validating generator opcode \(shownName): a step error needs its error")
        }
        var name = "Error"
        var message = ""
        var stack: JSONView?
        var data: JSONView?
        var cause: JSONView?
        var noRetry: Bool?
        if let text = error.string {
            message = text
        } else {
            guard error.kind == .object else {
                throw OpsError(
                    "error validating generator opcode \(shownName): a step's error must be an object, not "
                        + Ops.name(of: error))
            }
            error.forEachMember { rawName, value in
                switch String(decoding: rawName, as: UTF8.self) {
                case "name": if let text = value.string, !text.isEmpty { name = text }
                case "message":
                    message = value.isNull ? "" : value.string ?? String(decoding: value.slice, as: UTF8.self)
                case "stack": stack = value.kind == .string ? value : nil
                case "data": data = value
                case "cause": cause = value.isNull ? nil : value
                case "noRetry": noRetry = value.bool
                default: break
                }
                return true
            }
        }
        var json: [UInt8] = [UInt8(ascii: "{")]
        if let cause {
            json.append(json: #""cause":"#)
            CanonicalJSON.append(cause, to: &json)
            json.append(UInt8(ascii: ","))
        }
        if let data {
            json.append(json: #""data":"#)
            CanonicalJSON.append(data, to: &json)
            json.append(UInt8(ascii: ","))
        }
        json.append(json: #""message":"#)
        json.append(canonical: message)
        json.append(json: #","name":"#)
        json.append(canonical: name)
        if let noRetry {
            json.append(json: #","noRetry":"#)
            json.append(json: noRetry)
        }
        if let stack {
            json.append(json: #","stack":"#)
            CanonicalJSON.append(stack, to: &json)
        }
        json.append(UInt8(ascii: "}"))
        return try output(JSONView(json))
    }

    // MARK: - Waiting

    private func sleep() -> WireOp.Kind {
        let duration = option("duration")
        if let duration, duration.kind != .string {
            return runFailure("the duration of sleep '\(shownName)' must be a string, not \(Ops.name(of: duration))")
        }
        if let text = duration?.string, !text.isEmpty { return .sleep(text: text) }
        return .sleep(text: name ?? "")
    }

    private func waitForEvent() -> WireOp.Kind {
        for member in ["event", "timeout", "if"] {
            if let value = option(member), value.kind != .string {
                return runFailure(
                    "'\(member)' of wait '\(shownName)' must be a string, not \(Ops.name(of: value))")
            }
        }
        let event = option("event")?.string.flatMap { $0.isEmpty ? nil : $0 } ?? name ?? ""
        guard !event.isEmpty else { return runFailure("wait '\(shownName)' does not name the event it waits for") }
        return .waitForEvent(
            event: event, timeout: option("timeout")?.string ?? "",
            condition: option("if")?.string.flatMap { $0.isEmpty ? nil : $0 })
    }

    private func waitForSignal() -> WireOp.Kind {
        guard let signal = option("signal")?.string, !signal.isEmpty else {
            return runFailure("wait '\(shownName)' does not name the signal it waits for")
        }
        if let timeout = option("timeout"), timeout.kind != .string {
            return runFailure("the timeout of wait '\(shownName)' must be a string, not \(Ops.name(of: timeout))")
        }
        return .waitForSignal(
            signal: signal, timeout: option("timeout")?.string ?? "",
            replacesOther: option("conflict")?.string == "replace")
    }

    private func invoke() -> WireOp.Kind {
        let payload = option("payload")
        if let payload, payload.kind != .object {
            return stepFailure("the payload of an invocation must be an object, not \(Ops.name(of: payload))")
        }
        let data = payload.flatMap { Self.member("data", of: $0) }
        if let data, data.kind != .object {
            return stepFailure("the data of an invocation must be an object, not \(Ops.name(of: data))")
        }
        if let timeout = option("timeout"), timeout.kind != .string {
            return stepFailure("the timeout of an invocation must be a string, not \(Ops.name(of: timeout))")
        }
        let user = payload.flatMap { Self.member("user", of: $0) }
        return .invoke(
            function: option("function_id")?.string ?? "", data: Self.canonicalObject(data),
            user: user?.kind == .object ? user.map { CanonicalJSON.encode($0) } : nil,
            version: payload?.member("v")?.string, timeout: option("timeout")?.string ?? "")
    }

    // MARK: - Requests in the function's place

    private func gateway() -> WireOp.Kind {
        guard let url = option("url")?.string, !url.isEmpty else { return gatewayFailure("opts.url is missing") }
        for member in ["method", "body"] {
            if let value = option(member), value.kind != .string {
                return gatewayFailure("opts.\(member) must be a string, not \(Ops.name(of: value))")
            }
        }
        guard let headers = headers() else { return gatewayFailure("opts.headers must be an object of strings") }
        let method = option("method")?.string ?? ""
        return .gateway(
            GatewayRequest(
                url: url, method: method.isEmpty ? "POST" : method.uppercased(), headers: headers,
                body: Array((option("body")?.string ?? "").utf8)))
    }

    private func aiGateway() -> WireOp.Kind {
        guard let url = option("url")?.string, !url.isEmpty else { return aiFailure("opts.url is missing") }
        guard let headers = headers() else { return aiFailure("opts.headers must be an object of strings") }
        guard let body = option("body") else { return aiFailure("opts.body is missing") }
        return .aiGateway(
            AIGatewayRequest(
                url: url, authKey: option("auth_key")?.string ?? "", format: option("format")?.string ?? "",
                headers: headers, body: Self.compacted(body)))
    }

    /// Nil when they are anything but an object of strings; none when there are none.
    private func headers() -> [(name: String, value: String)]? {
        guard let value = option("headers") else { return [] }
        guard value.kind == .object else { return nil }
        var headers: [(name: String, value: String)] = []
        var isValid = true
        value.forEachMember { rawName, header in
            if let text = header.string {
                headers.append((unescape(rawName), text))
            } else {
                isValid = false
            }
            return isValid
        }
        return isValid ? headers : nil
    }

    // MARK: - Defers

    private func deferAdd() -> WireOp.Kind {
        guard let function = option("fn_slug")?.string, !function.isEmpty else {
            return ignored("defer '\(shownName)' does not name its function and is left out")
        }
        let input = option("input")
        if let input, input.kind != .object {
            return ignored(
                "the input of defer '\(shownName)' must be an object, not \(Ops.name(of: input)); it is left out")
        }
        return .deferAdd(function: function, input: Self.canonicalObject(input))
    }

    private func deferAbort() -> WireOp.Kind {
        guard let target = option("target_hashed_id")?.string, !target.isEmpty else {
            return ignored("an op to abort a defer does not name the defer and is left out")
        }
        return .deferAbort(target: target)
    }

    // MARK: - Options

    /// A member of the options that is not `null`.
    private func option(_ name: String) -> JSONView? { options.flatMap { Self.member(name, of: $0) } }

    private static func member(_ name: String, of object: JSONView) -> JSONView? {
        object.member(name).flatMap { $0.isNull ? nil : $0 }
    }

    private static func canonicalObject(_ value: JSONView?) -> [UInt8] {
        value.map { CanonicalJSON.encode($0) } ?? Array("{}".utf8)
    }

    private func runFailure(_ message: String) -> WireOp.Kind {
        .malformed(WireOp.Malformed(name: "Error", message: message, failsStep: false))
    }

    private func stepFailure(_ message: String) -> WireOp.Kind {
        .malformed(WireOp.Malformed(name: "Error", message: message, failsStep: true))
    }

    private func gatewayFailure(_ reason: String) -> WireOp.Kind {
        .malformed(
            WireOp.Malformed(
                name: "GatewayError", message: "Error making gateway request: \(reason)", failsStep: true))
    }

    private func aiFailure(_ reason: String) -> WireOp.Kind {
        .malformed(
            WireOp.Malformed(name: "AIGatewayError", message: "Error making AI request: \(reason)", failsStep: true))
    }

    private func ignored(_ message: String) -> WireOp.Kind {
        .malformed(WireOp.Malformed(name: "Error", message: message, failsStep: false, isIgnored: true))
    }
}
