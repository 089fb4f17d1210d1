import DaybookValues
import Testing

@testable import DaybookSDK

@Suite struct `Which apps are asked to register` {
    private let noon = Timestamp(milliseconds: 1_795_248_000_000)

    private func address(_ name: String) throws -> WebAddress { try #require(WebAddress("http://\(name)/api")) }

    @Test func `in development all apps are asked, each once at a time`() throws {
        var book = AppBook()
        let (a, b) = (try address("a"), try address("b"))
        book.configure(a)
        #expect(Set(book.takeDue(registered: [b], all: true, limit: 10)) == ["http://a/api", "http://b/api"])
        #expect(book.takeDue(registered: [b], all: true, limit: 10) == [])
        book.end(a)
        #expect(book.takeDue(registered: [b], all: true, limit: 10) == ["http://a/api"])
    }

    @Test func `in production those are asked that were given and never seen, and those in error`() throws {
        var book = AppBook()
        let (a, b) = (try address("a"), try address("b"))
        book.configure(a)
        #expect(book.takeDue(registered: [b], all: false, limit: 10) == ["http://a/api"])
        book.end(a)
        _ = book.noteConnected(a)
        #expect(book.takeDue(registered: [b], all: false, limit: 10) == [])
        _ = book.noteFailed(b, code: "unreachable", message: "gone", at: noon)
        #expect(book.takeDue(registered: [b], all: false, limit: 10) == ["http://b/api"])
    }

    @Test func `with more apps than may be asked at once they take turns`() throws {
        var book = AppBook()
        let all = try ["a", "b", "c", "d", "e"].map(address)
        var asked: [String] = []
        for _ in 0..<5 {
            let due = book.takeDue(registered: all, all: true, limit: 2)
            #expect(due.count == 2)
            asked += due
            for url in due { book.end(try #require(WebAddress(url))) }
        }
        #expect(Set(asked).count == 5)
        #expect(asked.count { $0 == "http://a/api" } == 2)
    }

    @Test func `apps that hang take places of their own only`() throws {
        var book = AppBook()
        let all = try ["a", "b", "c"].map(address)
        #expect(book.takeDue(registered: all, all: true, limit: 2).count == 2)
        #expect(book.takeDue(registered: all, all: true, limit: 2) == [])
        book.end(all[0])
        #expect(book.takeDue(registered: all, all: true, limit: 2) == ["http://c/api"])
    }

    @Test func `an app that was removed is not asked any more`() throws {
        var book = AppBook()
        let a = try address("a")
        #expect(book.takeDue(registered: [a], all: true, limit: 2).count == 1)
        book.end(a)
        #expect(book.takeDue(registered: [], all: true, limit: 2) == [])
        #expect(book[a] == nil)
    }

    @Test func `people are told once that an app is down and once that it is back`() throws {
        var book = AppBook()
        let a = try address("a")
        book.configure(a)
        #expect(book.noteUnanswered(a, message: "refused", at: noon) == .isDown("refused"))
        #expect(book.noteUnanswered(a, message: "refused", at: noon + 20_000) == nil)
        #expect(book.noteFailed(a, code: "unreachable", message: "refused", at: noon + 30_000) == nil)
        #expect(book.noteFailed(a, code: "unreachable", message: "refused", at: noon + 50_000) == nil)
        #expect(book.noteConnected(a) == .isBack)
        #expect(book.noteConnected(a) == nil)
    }

    @Test func `an app that comes and goes is told at most every ten seconds`() throws {
        var book = AppBook()
        let a = try address("a")
        book.configure(a)
        var told = 0
        for second in 0..<30 {
            if book.noteUnanswered(a, message: "lost", at: noon + Int64(second) * 1_000) != nil { told += 1 }
            if book.noteAnswered(a) != nil { told += 1 }
        }
        #expect(told == 6)
    }

    @Test func `an answered call does not hide that an app could not register`() throws {
        var book = AppBook()
        let a = try address("a")
        _ = book.noteFailed(a, code: "invalid_function", message: "bad cron", at: noon)
        #expect(book.noteAnswered(a) == nil)
        #expect(book[a]?.connection.isFailed == true)
    }

    @Test func `the time of a failure is that of its begin`() throws {
        var book = AppBook()
        let a = try address("a")
        _ = book.noteFailed(a, code: "unreachable", message: "refused", at: noon)
        _ = book.noteFailed(a, code: "url_not_found", message: "404", at: noon + 60_000)
        #expect(book[a]?.connection == .failed(code: "url_not_found", message: "404", since: noon))
    }
}
