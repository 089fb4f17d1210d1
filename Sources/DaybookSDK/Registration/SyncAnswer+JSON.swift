import DaybookValues

extension SyncAnswer {
    /// An error as SDKs read it.
    ///
    /// - Parameters:
    ///   - text: what SDKs know by heart, or a reason.
    ///   - data: a JSON object with more; nothing reads it but people.
    static func failure(_ status: Int, _ text: String, data: [UInt8]? = nil) -> SyncAnswer {
        var json: [UInt8] = []
        json.append(json: #"{"error":"#)
        json.append(jsonString: text)
        json.append(json: #","data":"#)
        if let data { json.append(contentsOf: data) } else { json.append(json: "null") }
        json.append(json: #","status":"#)
        json.append(json: status)
        json.append(UInt8(ascii: "}"))
        return SyncAnswer(status: status, json: json)
    }

    static func registered(isModified: Bool, sync: String, app: String) -> SyncAnswer {
        var json: [UInt8] = []
        json.append(json: #"{"ok":true,"modified":"#)
        json.append(json: isModified)
        json.append(json: #","sync_id":"#)
        json.append(jsonString: sync)
        json.append(json: #","app_id":"#)
        json.append(jsonString: app)
        json.append(UInt8(ascii: "}"))
        return SyncAnswer(status: 200, json: json)
    }
}
