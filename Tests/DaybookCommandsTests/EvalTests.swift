import DaybookValues
import Testing

@testable import DaybookCommands

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// `daybook eval`, as a person meets it.
@Suite(.enabled(if: SpawnedProgram.path != nil, "the program is not built"))
struct EvalTests {
    let directory = TemporaryDirectory()

    private func file(_ name: String, _ text: String) throws -> String {
        let path = directory.path + "/" + name
        let descriptor = try #require(fopen(path, "w"))
        fputs(text, descriptor)
        fclose(descriptor)
        return path
    }

    private func eval(_ arguments: String...) throws -> SpawnedProgram.Result {
        try SpawnedProgram(["eval"] + arguments).wait()
    }

    @Test func `the value, its type and what comes of it are printed`() throws {
        let event = try file("e.json", #"{"name":"a/b","data":{"n":5,"s":"abc"}}"#)
        let isTrue = try eval("event.data.n > 4", "--event", event)
        #expect(isTrue.code == 0)
        #expect(isTrue.errors == "")
        #expect(
            isTrue.output == """
                value     true
                type      bool
                trigger   true → a run starts
                key       "true"
                priority  refused at registration: a priority is a whole number of seconds, and this is a bool

                """)
        let text = try eval("event.data.s", "--event", event)
        #expect(
            text.output == """
                value     "abc"
                type      string
                trigger   error → no run starts: returned type string (abc), not a boolean
                key       "abc"
                priority  error → 0 s: returned type string (abc), not an int

                """)
        #expect(text.code == 0)
        let priority = try eval("int(event.data.n) * 60", "--event", event, "--use", "priority")
        #expect(priority.output == "value     300\ntype      int\npriority  300 s earlier\n")
        let missing = try eval("event.data.nope", "--event", event, "--use", "key")
        #expect(
            missing.output == """
                value     missing: a field is not there, or a conversion or an operation failed
                key       "false" for concurrency, throttle, debounce and batch; \
                rateLimit, idempotency and singleton do not apply

                """)
    }

    @Test func `a wait sees both events, and says by which field it is found`() throws {
        let event = try file("e.json", #"{"data":{"id":1000000}}"#)
        let same = try file("a.json", #"{"data":{"id":1e6}}"#)
        let other = try file("b.json", #"{"data":{"id":"x"}}"#)
        let source = "event.data.id == async.data.id"
        let match = try eval(source, "--event", event, "--async", same)
        #expect(
            match.output == """
                value     true
                type      bool
                wait      true → the wait is over; found by async.data.id
                cancel    true → the run is cancelled; found by async.data.id

                """)
        let noMatch = try eval(source, "--event", event, "--async", other, "--use", "wait")
        #expect(
            noMatch.output
                == "value     false\ntype      bool\nwait      false → the wait goes on; found by async.data.id\n")
        let narrow = try eval("async.data.id.contains('x')", "--async", other)
        #expect(narrow.output.contains("wait      true → the wait is over; tried on each such event\n"))
        #expect(
            narrow.output.contains(
                "cancel    refused at registration: `contains` is not allowed in the condition of a cancel"))
    }

    @Test func `JSON has the value and a member for each place`() throws {
        let event = try file("e.json", "{\"data\": {\n \"list\": [1,\n 2], \"s\": \"a\\nb\"}}")
        let list = try eval("event.data.list", "--event", event, "--json")
        #expect(
            list.output
                == #"{"value":[1,2],"type":"list","trigger":{"error":"returned type list (…), not a boolean"},"#
                + #""key":{"key":"[1 2]"},"priority":{"error":"returned type list (…), not an int"}}"# + "\n")
        let missing = try eval("event.data.x", "--json", "--use", "trigger")
        #expect(missing.output == #"{"type":"missing","trigger":{"result":false}}"# + "\n")
        let wait = try eval(
            "async.data.s == event.data.s", "--event", event, "--async", event, "--json", "--use", "wait")
        #expect(
            wait.output
                == #"{"value":true,"type":"bool","wait":{"result":true,"foundBy":"async.data.s"}}"# + "\n")
        let failed = try eval("event.data.s > 1", "--event", event, "--json", "--use", "trigger")
        #expect(failed.code == 1)
        let error = try #require(JSONView(Array(failed.output.utf8))?.member("error")?.string)
        #expect(error.hasPrefix("invalid type comparison: no such overload"))
        #expect(failed.errors == "error: the expression fails for this event: \(error)\n")
    }

    @Test func `a refused expression ends with code 64, its line and a caret`() throws {
        let result = try eval("event.data.n ==\n  usr.x")
        #expect(result.code == 64)
        #expect(result.output == "")
        #expect(
            result.errors.hasPrefix("error: the expression is refused: line 2, column 3: `usr` names nothing"))
        #expect(result.errors.hasSuffix("\n    usr.x\n    ^\n"))
        let end = try eval("event.data.x ==", "--json")
        #expect(end.code == 64)
        #expect(end.errors.hasSuffix("\n  event.data.x ==\n                 ^\n"))
    }

    @Test func `a place checks as its registration would`() throws {
        #expect(try eval("size('abc') == 3", "--use", "cancel").code == 64)
        #expect(try eval("size('abc') == 3", "--use", "wait").code == 0)
        let key = try eval("5", "--use", "key")
        #expect(key.output == "value     5\ntype      int\nkey       \"5\"\n")
        let trigger = try eval("5", "--use", "trigger")
        #expect(trigger.code == 64)
        #expect(
            trigger.errors.hasPrefix("error: the expression is refused: line 1, column 1: a condition must be true or"))
        let event = try file("e.json", #"{"data":{"n":5}}"#)
        let number = try eval("event.data.n", "--use", "trigger", "--event", event)
        #expect(number.code == 1)
        #expect(
            number.errors == "error: the expression fails for this event: returned type double (5), not a boolean\n")
        #expect(try eval("--use", "priority", "--", "-50000").output.hasSuffix("43200 s later, the most there is\n"))
        #expect(try eval("1", "--use", "batch").code == 64)
    }

    @Test func `an evaluation error ends with code 1 and says what follows`() throws {
        let event = try file("e.json", #"{"data":{"s":"abc"}}"#)
        let result = try eval("event.data.s > 1", "--event", event)
        #expect(result.code == 1)
        #expect(result.output.hasPrefix("value     none: invalid type comparison: no such overload"))
        #expect(result.output.contains("\ntrigger   error → no run starts: "))
        #expect(result.output.contains("\nkey       error → rateLimit and idempotency: no run starts; "))
        #expect(result.errors.hasPrefix("error: the expression fails for this event: invalid type comparison"))
    }

    @Test func `bad files are named with what is wrong`() throws {
        let broken = try file("broken.json", #"{"data":{"n":5}"#)
        let notJSON = try eval("event.data.n == 5", "--event", broken)
        #expect(notJSON.code == 64)
        #expect(notJSON.errors.hasPrefix("error: --event: \(broken) is not JSON: "))
        let list = try eval("event.data.n == 5", "--async", try file("list.json", "[]"))
        #expect(list.code == 64)
        #expect(list.errors.contains("list.json holds no JSON object. One event is wanted"))
        let nowhere = try eval("true", "--event", directory.path + "/nowhere.json")
        #expect(nowhere.code == 1)
        #expect(nowhere.errors.contains("nowhere.json cannot be read: No such file or directory"))
        let empty = try eval("true", "--event", "-")
        #expect(empty.code == 64)
        #expect(empty.errors.hasPrefix("error: --event: standard input is not JSON: "))
        let dataOnly = try eval("event.data.n == 5", "--event", try file("data.json", #"{"n":5}"#))
        #expect(dataOnly.code == 0)
        #expect(dataOnly.errors.hasPrefix("note: the event in \(directory.path)/data.json has no member 'data'; "))
        #expect(try eval("true", "--event", "-", "--async", "-").code == 64)
        #expect(try eval("true", "--async", broken, "--use", "key").code == 64)
    }

    @Test func `now can be said, and what an event holds cannot move the cursor`() throws {
        let now = try eval("string(now_plus('1d'))", "--now", "2026-11-21T08:00:00Z", "--use", "key")
        #expect(now.output.contains("\nkey       \"2026-11-22T08:00:00Z\"\n"))
        let event = try file("e.json", #"{"data":{"s":"\u001b[31m\u202e\u009b"}}"#)
        let shown = try eval("event.data.s", "--event", event)
        #expect(!shown.output.unicodeScalars.contains { "\u{1B}\u{202E}\u{9B}".unicodeScalars.contains($0) })
    }
}
