import DaybookSystem
import DaybookValues
import Testing

@testable import DaybookCommands

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The whole program, as a person meets it.
@Suite(.enabled(if: SpawnedProgram.path != nil, "the program is not built"))
struct ProgramTests {
    let directory = TemporaryDirectory()
    private var data: String { directory.path + "/var" }

    private func serve(_ arguments: String..., body: (SpawnedProgram) throws -> Void = { _ in }) throws
        -> SpawnedProgram.Result
    {
        let notify = try NotifySocket(in: directory.path)
        defer { unlink(notify.path) }
        let server = try SpawnedProgram(
            arguments + ["--data", data, "--log-level", "error"], environment: ["NOTIFY_SOCKET=\(notify.path)"],
            isServer: true)
        let state = notify.next()
        if state != "READY=1" { Issue.record("the server is not ready: \(server.wait())") }
        try body(server)
        server.signal(SIGTERM)
        return server.wait()
    }

    @Test func `version is printed, as text and as JSON`() throws {
        let text = try SpawnedProgram.run("version")
        #expect(text == SpawnedProgram.Result(code: 0, output: "daybook \(daybookVersion)\n", errors: ""))
        let json = try SpawnedProgram.run("version", "--json")
        #expect(json.output == #"{"app":"daybook","daybook":"\#(daybookVersion)","journalFormat":1}"# + "\n")
    }

    @Test func `the next instants of a schedule are printed, one a line`() throws {
        let result = try SpawnedProgram.run(
            "cron", "next", "0 8 * * 1", "--tz", "Europe/Paris", "--from", "2026-10-19T00:00:00Z", "--count", "3")
        #expect(result.output == "2026-10-19T06:00:00Z\n2026-10-26T07:00:00Z\n2026-11-02T07:00:00Z\n")
        #expect(result.code == 0)
    }

    @Test func `a bad cron line and a bad zone end with code 64`() throws {
        let bad = try SpawnedProgram.run("cron", "next", "0 0 31 2 *")
        #expect(bad.code == 64)
        #expect(bad.errors.hasPrefix("error: cron '0 0 31 2 *': "))
        let zone = try SpawnedProgram.run("cron", "next", "* * * * *", "--tz", "Nowhere/Land")
        #expect(zone.code == 64)
        #expect(zone.errors.contains("Nowhere/Land"))
    }

    @Test func `a directory that is not there is not made by looking at it`() throws {
        for command in ["runs", "verify"] {
            let result = try SpawnedProgram.run(command, "--data", data)
            #expect(result.code == 4)
            #expect(result.errors.contains("it does not exist"))
        }
        #expect(access(data, F_OK) != 0)
    }

    @Test func `what needs a server says that none is running`() throws {
        for arguments in [
            ["tail"], ["cancel", "01ARZ3NDEK"], ["cancel", "--function", "f"], ["retry", "01ARZ3NDEK"], ["pause", "f"],
            ["resume", "f"], ["clock", "advance", "1d"],
        ] {
            let result = try SpawnedProgram(arguments + ["--data", data]).wait()
            #expect(result.code == 4)
            #expect(result.errors.hasPrefix("error: no server is running on data directory \(data)."))
        }
    }

    @Test func `a filter that is wrong is refused before a server is asked, an expression with its place`() throws {
        let result = try SpawnedProgram.run("cancel", "--function", "f", "--if", "event.data.n >", "--data", data)
        #expect(result.code == 64)
        #expect(result.errors.hasPrefix("error: --if: line 1, column 15: "))
        #expect(result.errors.hasSuffix("Nothing was cancelled.\nevent.data.n >\n              ^\n"))
        let never = try SpawnedProgram.run(
            "cancel", "--function", "f", "--queued-after", "1h", "--queued-before", "2h", "--data", data)
        #expect(never.code == 64)
    }

    @Test func `an event sent without a server waits in the inbox for the next one`() throws {
        let sent = try SpawnedProgram.run(
            "send", "a/b", #"{"n":1}"#, "--id", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--data", data)
        let file = data + "/inbox/01ARZ3NDEKTSV4RRFFQ69G5FAV.json"
        #expect(sent.code == 0)
        #expect(
            sent.output == "a/b 01ARZ3NDEKTSV4RRFFQ69G5FAV: no server is running: put into \(file) for the next one\n")
        #expect(
            try Console.readFile(file, bytesMax: 1_000)
                == Array(#"{"name":"a/b","data":{"n":1},"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#.utf8))
    }

    @Test func `an event sent to a server is recorded when the command ends`() throws {
        let stopped = try serve("serve") { _ in
            let sent = try SpawnedProgram.run("send", "a/b", "--id", "x", "--data", data, "--json")
            #expect(sent.code == 0)
            let event = try #require(JSONView(Array(sent.output.utf8))?.member("event")?.string)
            let shown = try SpawnedProgram.run("show", event, "--data", data)
            #expect(shown.output.hasPrefix("Event     \(event)  a/b\nId        x\n"))
            #expect(shown.output.hasSuffix("\nNo run    no function is started by it\n"))
            let paused = try SpawnedProgram.run("pause", "f", "--data", data)
            #expect(paused.code == 3)
            #expect(paused.errors == "error: there is no function 'f'; `functions` lists those there are\n")
            let runs = try SpawnedProgram.run("runs", "--data", data)
            #expect(runs.output == "There are no such runs.\n")
            let unknown = try SpawnedProgram.run("show", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--data", data)
            #expect(unknown.code == 3)
            let clock = try SpawnedProgram.run("clock", "advance", "1d", "--data", data)
            #expect(clock.code == 1)
            #expect(clock.errors.contains("dev mode only"))
        }
        #expect(stopped.code == 0)
        #expect(access(data + "/daybook.sock", F_OK) != 0)
        let verified = try SpawnedProgram.run("verify", "--data", data)
        #expect(verified.code == 0)
        #expect(verified.output.hasSuffix("\nok\n"))
        let unknown = try SpawnedProgram.run("show", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--data", data)
        #expect(unknown.code == 3)
    }

    @Test func `a second server says who holds the directory`() throws {
        _ = try serve("serve") { _ in
            let second = try SpawnedProgram.run("serve", "--data", data)
            #expect(second.code == 4)
            #expect(second.errors.contains("This data directory is in use: process "))
        }
    }

    @Test func `a killed server leaves nothing that keeps the next one from starting`() throws {
        let killed = try serve("serve") { server in server.signal(SIGKILL) }
        #expect(killed.code == -SIGKILL)
        #expect(access(data + "/daybook.sock", F_OK) == 0)
        let sent = try SpawnedProgram.run("send", "a/b", "--data", data)
        #expect(sent.output.contains("no server is running"))
        #expect(try serve("serve").code == 0)
    }

    @Test func `serve refuses a directory whose clock was moved, dev goes on with it`() throws {
        _ = try serve("dev") { _ in
            let moved = try SpawnedProgram.run("clock", "advance", "7d", "--data", data)
            #expect(moved.code == 0)
        }
        let refused = try SpawnedProgram.run("serve", "--data", data)
        #expect(refused.code == 1)
        #expect(refused.errors.contains("stands 7 d 0 h ahead"))
        #expect(try serve("dev").code == 0)
    }

    @Test func `verify does not pass a directory without a journal`() throws {
        _ = try SpawnedProgram.run("send", "a/b", "--data", data)
        let result = try SpawnedProgram.run("verify", "--data", data)
        #expect(result.code == 4)
        #expect(result.errors.contains("there is no journal in it"))
    }

    @Test func `damage ends verify with code 5`() throws {
        _ = try serve("serve")
        let list = "runs/2026-11-21/08/index.jsonl"
        let disk = try RealDisk(root: data)
        try disk.makeDirectory("runs/2026-11-21/08")
        try disk.replace(list, with: Array("no line of ours\n".utf8))
        let result = try SpawnedProgram.run("verify", "--data", data)
        #expect(result.code == 5)
        #expect(result.output.contains("damage  \(list), byte 0: "))
        #expect(result.errors.hasPrefix("error: 1 damaged place in data directory \(data)."))
    }
}
