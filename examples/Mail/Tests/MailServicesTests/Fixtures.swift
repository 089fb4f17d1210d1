import Foundation
import Testing

@testable import MailServices

let noon = Date(timeIntervalSince1970: 1_795_348_800)  // Sunday 2026-11-22 12:00 UTC

extension MailMessage {
    static func test(
        key: String = "01RUN:send", from: String = "Mail jobs <jobs@example.com>", to: String = "Ada <ada@example.com>",
        subject: String = "Hello", text: String = "A line.\n", html: String? = nil, date: Date = noon,
        headers: [(name: String, value: String)] = []
    ) throws -> MailMessage {
        try MailMessage(
            id: MessageID(key: key, domain: "example.com"), from: Mailbox(from), to: Mailbox(to), subject: subject,
            text: text, html: html, date: date, headers: headers)
    }

    var asText: String { String(decoding: rfc5322, as: UTF8.self) }
}

/// An empty directory that is gone when the last reference to it is.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "mail-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func files(_ folder: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
    }

    func read(_ name: String) throws -> String {
        try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)"))
    }
}

/// The Python that has aiosmtpd: `DAYBOOK_PYTHON`, or the virtual environment that the repository's Makefile makes.
enum Python {
    static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    static func find() throws -> URL {
        let repository = tests.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let path = ProcessInfo.processInfo.environment["DAYBOOK_PYTHON"] ?? repository.path() + ".build/venv/bin/python"
        try #require(
            FileManager.default.isExecutableFile(atPath: path),
            """
            no Python at \(path). Make it with: python3 -m venv .build/venv && \
            .build/venv/bin/pip install -r examples/Mail/Tests/requirements.txt
            """)
        return URL(filePath: path)
    }

    /// Runs a short program and returns what it printed.
    static func run(_ program: String, _ arguments: String...) throws -> String {
        try output(of: find(), ["-c", program] + arguments)
    }
}

/// Runs a program that says little to its end and returns its standard output.
func output(of program: URL, _ arguments: [String]) throws -> String {
    let process = Process()
    let (out, errors) = (Pipe(), Pipe())
    process.executableURL = program
    process.arguments = arguments
    process.standardOutput = out
    process.standardError = errors
    try process.run()
    let data = try out.fileHandleForReading.readToEnd() ?? Data()
    let errorData = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(
        process.terminationStatus == 0,
        "\(program.path()) \(arguments) failed: \(String(decoding: errorData, as: UTF8.self))")
    return String(decoding: data, as: UTF8.self)
}

/// `Tests/smtp_server.py`, running.
final class SMTPServer: Sendable {
    struct Message: Decodable {
        var sender: String, recipients: [String], tls: Bool, user: String?
        var subject: String, from: String, to: String, messageID: String, date: String
        var text: String?, html: String?, defects: [String]
    }

    let port: Int
    private let process: Process
    private let input: Pipe
    private let directory: TemporaryDirectory

    init(tls: SMTPSettings.Security = .none, credentials: SMTPSettings.Credentials? = nil) throws {
        directory = try TemporaryDirectory()
        process = Process()
        input = Pipe()
        let output = Pipe()
        process.executableURL = try Python.find()
        var arguments = [Python.tests.appending(path: "smtp_server.py").path(), "--directory", directory.path]
        arguments += ["--tls", tls.rawValue]
        if tls != .none {
            arguments += ["--certificate", try Certificate.shared.certificate, "--key", try Certificate.shared.key]
        }
        if let credentials { arguments += ["--user", credentials.user, "--password", credentials.password] }
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = ""
        while !line.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            try #require(!data.isEmpty, "the SMTP server ended before it listened; it said: \(line)")
            line += String(decoding: data, as: UTF8.self)
        }
        port = try #require(line.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) })
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    func messages() throws -> [Message] {
        try directory.files().filter { $0.hasSuffix(".json") }.map {
            try JSONDecoder().decode(Message.self, from: Data(directory.read($0).utf8))
        }
    }
}

/// A self-signed certificate for `localhost`, made once by openssl.
struct Certificate {
    static var shared: Certificate { get throws { try made.get() } }
    private static let made = Result { try Certificate() }

    let directory: TemporaryDirectory
    var certificate: String { directory.path + "/certificate.pem" }
    var key: String { directory.path + "/key.pem" }

    private init() throws {
        directory = try TemporaryDirectory()
        _ = try output(
            of: URL(filePath: "/usr/bin/env"),
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", directory.path + "/key.pem", "-out", directory.path + "/certificate.pem",
            ])
    }
}
