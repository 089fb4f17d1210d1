import DaybookCore
import DaybookValues
import Testing

struct EventTests {
    private let id = ULID(high: 0x019A_0000_0000_0000, low: 7)

    private func read(_ text: String, limits: EventLimits = EventLimits()) throws -> Event {
        try JSONText.check(Array(text.utf8))
        return try Event(try #require(JSONView(Array(text.utf8))), id: id, now: start, limits: limits)
    }

    private func problem(_ text: String, limits: EventLimits = EventLimits()) -> String {
        do {
            _ = try read(text, limits: limits)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func `a name is enough`() throws {
        let event = try read(#"{"name":"a/b"}"#)
        #expect(event.name == "a/b")
        #expect(event.id == id)
        #expect(event.key == nil)
        #expect(event.timestamp == start)
        #expect(text(event.json) == #"{"name":"a/b","data":{},"id":"\#(id.text)","ts":1795248000000}"#)
    }

    @Test func `all members are kept, without white space, and unknown ones are left out`() throws {
        let event = try read(
            #" { "ts" : 1700000000123 , "v" : "2" , "x" : 1 , "user" : { "a" : 1 } , "id" : "k\n" , "data" : { "b" : [ 1 , 2 ] } , "name" : "n" } "#
        )
        #expect(event.key == "k\n")
        #expect(
            text(event.json)
                == #"{"name":"n","data":{"b":[1,2]},"id":"k\n","ts":1700000000123,"user":{"a":1},"v":"2"}"#)
    }

    @Test(arguments: [
        #"{"name":"n","data":null,"id":null,"ts":null,"user":null,"v":null}"#, #"{"name":"n","id":"","ts":0}"#,
    ])
    func `null, nothing and zero mean that a member is not given`(text: String) throws {
        let event = try read(text)
        #expect(event.key == nil)
        #expect(event.timestamp == start)
    }

    @Test(arguments: [
        (#"{"name":"n","data":{"_inngest":{"fn_id":"x"},"a":1}}"#, #"{"a":1}"#),
        (#"{"name":"n","data":{"a":1,"_inngest":2,"b":{"_inngest":3}}}"#, #"{"a":1,"b":{"_inngest":3}}"#),
        (#"{"name":"n","data":{"\u005finngest":1,"\"":2}}"#, #"{"\"":2}"#),
        (#"{"name":"n","data":{"_inngest":1}}"#, "{}"),
    ])
    func `what the server keeps for itself is taken out of the data`(text: String, data: String) throws {
        let event = try read(text)
        #expect(JSONView(event.json)?.member("data").map { String(decoding: $0.bytes, as: UTF8.self) } == data)
    }

    @Test(arguments: [
        ("{}", "event name is empty"), (#"{"name":""}"#, "event name is empty"),
        (#"{"name":null}"#, "event name is empty"),
        (#"{"name":5}"#, "\"name\" must be a string"), (#"{"name":"inngest/x"}"#, "reserved"),
        (#"{"name":"InnGest/x"}"#, "reserved"),
        (#"{"name":"n","data":[]}"#, "\"data\" must be an object, but is an array"),
        (#"{"name":"n","data":"x"}"#, "\"data\" must be an object"),
        (#"{"name":"n","user":1}"#, "\"user\" must be an object"),
        (#"{"name":"n","id":5}"#, "\"id\" must be a string"), (#"{"name":"n","v":5}"#, "\"v\" must be a string"),
        (#"{"name":"n","ts":"5"}"#, "\"ts\" must be a whole number"),
        (#"{"name":"n","ts":1.5}"#, "\"ts\" must be a whole number"),
        (#"{"name":"n","ts":99999999999999999999}"#, "\"ts\" must be a whole number"),
        (#"{"name":"n","ts":1}"#, "timestamp is before Jan 1, 1980"),
        (#"{"name":"n","ts":-1}"#, "timestamp is before Jan 1, 1980"),
        (#"{"name":"n","ts":315532799999}"#, "before Jan 1, 1980"),
        (#"{"name":"n","ts":4102444800000}"#, "after Jan 1, 2100"),
        ("[]", "an array"), ("5", "the number 5"), ("\"x\"", "a string"), ("null", "null"),
    ])
    func `what is not an event is refused, and the member is named`(text: String, hint: String) {
        #expect(problem(text).contains(hint), "\(problem(text))")
    }

    @Test func `a year of 2099 and one of 1980 are accepted`() throws {
        #expect(try read(#"{"name":"n","ts":4102444799999}"#).timestamp.rfc3339 == "2099-12-31T23:59:59.999Z")
        #expect(try read(#"{"name":"n","ts":315532800000}"#).timestamp.rfc3339 == "1980-01-01T00:00:00.000Z")
    }

    @Test func `an event or a name over the limit is refused and names the limit`() {
        var limits = EventLimits()
        limits.bytesMax = 40
        limits.nameBytesMax = 10
        #expect(
            problem(#"{"name":"n","data":{"x":"aaaaaaaaaaaaaaaa"}}"#, limits: limits).contains(
                "Max 40 bytes / Size 44 bytes"))
        #expect(problem(#"{"name":"12345678901"}"#, limits: limits).contains("10 bytes"))
        #expect(problem(#"{"name":"1234567890"}"#, limits: limits) == "")
    }
}
