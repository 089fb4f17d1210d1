import DaybookCore
import DaybookJournal
import DaybookSystem
import DaybookValues

extension FuzzTargets {
    private static let jsonTokens = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", "\\u0000", "\\ud83d\\ude00", "\\ud800",
        "\u{FEFF}", "1e400", "\"a\":", "{\"\":[]}", "//", "NaN",
    ]

    /// JSON, events and the small texts that stand in names, options and queries.
    static let textTargets: [FuzzTarget] = [
        FuzzTarget("json", tokens: jsonTokens, run: checkJSON),
        FuzzTarget(
            "event", tokens: jsonTokens + ["\"name\":", "\"data\":", "\"ts\":", "\"id\":", "\"user\":", "_inngest"],
            run: checkEvent),
        FuzzTarget(
            "text", bytesMax: 256,
            tokens: [
                "T", "Z", "-", ":", ".", "+", "60", "99", "00", "02-29", "run/", "events/", "system/", "/", "..",
                ".jsonl", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "-000001",
            ], run: checkText),
    ]

    // MARK: - JSON

    private static func checkJSON(_ bytes: [UInt8]) throws {
        if let compact = try? JSONText.compact(bytes) {
            try require((try? JSONText.check(bytes)) != nil, "compact and check agree on \(shown(bytes))")
            try require((try? JSONText.compact(compact)) == compact, "compacting \(shown(compact)) changes nothing")
            guard let view = JSONView(bytes), let same = JSONView(compact) else {
                throw FuzzViolation("checked JSON can be looked at: \(shown(bytes))")
            }
            try require(view.kind != nil, "checked JSON has a kind: \(shown(bytes))")
            try require(view.equals(view), "a value equals itself: \(shown(bytes))")
            try require(view.equals(same) && same.equals(view), "compacting changes no value: \(shown(bytes))")
            try checkFields(of: compact)
        } else {
            try require((try? JSONText.check(bytes)) == nil, "compact and check agree on \(shown(bytes))")
        }
        look(at: bytes)
    }

    /// The two readers of compact objects agree on what the members are.
    private static func checkFields(of compact: [UInt8]) throws {
        guard let view = JSONView(compact), view.kind == .object else { return }
        var names: [[UInt8]] = []
        var values: [[UInt8]] = []
        view.forEachMember { name, value in
            names.append(Array(name))
            values.append(value.bytes)
            return true
        }
        try compact.withUnsafeBufferPointer { text in
            var fields = JSONFields.Field(value: text).fields
            var index = 0
            while let field = fields.next() {
                try require(index < names.count, "JSONFields finds no more members than there are: \(shown(compact))")
                try require(
                    Array(field.name) == names[index] && field.bytes == values[index],
                    "JSONFields and JSONView agree on member \(index) of \(shown(compact))")
                index += 1
            }
            try require(index == names.count, "JSONFields finds all members of \(shown(compact))")
        }
    }

    /// Views of text that nobody has checked answer something, or nothing.
    private static func look(at bytes: [UInt8]) {
        if let view = JSONView(bytes) {
            _ = (view.kind, view.string, view.integer, view.double, view.bool, view.isNull, view.equals(view))
            _ = (view.at(path: "data.a.1"), view.member("a"), view.element(3))
            view.forEachMember { name, value in
                _ = (unescape(name), value.string, value.kind)
                return true
            }
            view.forEachElement { element in
                _ = (element.string, element.integer, element.member("a"))
                return true
            }
        }
        bytes.withUnsafeBufferPointer { text in
            var fields = JSONFields(text)
            while let field = fields.next() {
                _ = (field.string, field.integer, field.bool, field.ulid, field.timestamp)
                field.forEachElement { _ = JSONFields.Field(value: $0).string }
            }
            let field = JSONFields.Field(value: text)
            _ = (field.string, field.integer, field.ulid)
            field.forEachElement { _ = JSONFields.Field(value: $0).integer }
        }
    }

    // MARK: - Events

    private static func checkEvent(_ bytes: [UInt8]) throws {
        guard (try? JSONText.check(bytes)) != nil, let view = JSONView(bytes) else { return }
        let id = ULID(high: 0x0199_0000_0000_1234, low: 0x5678)
        let now = Timestamp(milliseconds: 1_795_248_000_000)
        let event: Event
        do throws(EventError) {
            event = try Event(view, id: id, now: now)
        } catch {
            try require(!error.message.isEmpty, "a refused event says why: \(shown(bytes))")
            return
        }
        try require(
            (try? JSONText.compact(event.json)) == event.json, "an event is compact JSON: \(shown(event.json))")
        guard let json = JSONView(event.json) else { throw FuzzViolation("an event can be looked at") }
        try require(json.member("name")?.string == event.name, "the name stays \(event.name)")
        try require(json.member("id")?.string == event.key ?? id.text, "the id stays that of \(shown(bytes))")
        try require(
            json.member("ts")?.integer == event.timestamp.milliseconds, "the time stays that of \(shown(bytes))")
        try require(json.member("data")?.kind == .object, "data is an object: \(shown(event.json))")
        try require(json.member("data")?.member("_inngest") == nil, "data has no _inngest: \(shown(event.json))")
        if let data = view.member("data"), data.kind == .object, data.member("_inngest") == nil {
            try require(json.member("data")?.equals(data) == true, "data stays what it was: \(shown(bytes))")
        }
        // An event that went through once goes through again, unless it was the last that fits.
        let again = try? Event(json, id: id, now: now, limits: EventLimits())
        try require(
            again?.json == event.json && again?.name == event.name, "an event is read again the same: \(shown(bytes))")
    }

    // MARK: - Small texts

    private static func checkText(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        if let time = Timestamp(rfc3339: bytes[...]) {
            if time <= .distantFuture, time.milliseconds >= -62_167_219_200_000 {
                try require(Timestamp(rfc3339: time.rfc3339) == time, "\(time.rfc3339) is read as it is written")
                try require(Timestamp(rfc3339: time.rfc3339Short) == time, "\(time.rfc3339Short) is read as written")
            }
            _ = (time.day, time.hour, time.month)
        }
        if let id = ULID(utf8: bytes) {
            try require(id.text == text.uppercased(), "\(text) is written as it was read, not as \(id.text)")
            try require(!StreamID.run(id).path.isEmpty, "a run has a path")
            _ = (id.time.rfc3339, RunPath.hour(of: id))
        }
        if let stream = StreamID(text) {
            try require(stream.text == text, "stream \(text) is written as it was read, not as \(stream.text)")
            try require(!stream.path.contains(".."), "the path of \(text) stays inside the directory")
        }
        if let name = SegmentName(text) {
            try require(SegmentName(name.description) == name, "segment \(text) is read as it is written")
        }
        let isZoneName = ZoneRules.isWellFormedName(bytes[...])
        if isZoneName || SystemZoneFiles.isZoneName(text) {
            try require(
                !text.hasPrefix("/") && !text.split(separator: "/").contains("..") && !bytes.contains(0),
                "the zone name \(shown(bytes)) cannot leave its directory")
        }
        var quoted: [UInt8] = []
        quoted.append(jsonString: text)
        try require(JSONView(quoted)?.string == text, "a text comes back from JSON: \(shown(bytes))")
    }
}
