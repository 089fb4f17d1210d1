import DaybookValues

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Standard output and standard error, written whole lines at a time.
enum Console {
    static func print(_ text: String) {
        write(Array((text + "\n").utf8), to: STDOUT_FILENO)
    }

    static func print(line: [UInt8]) {
        var line = line
        line.append(UInt8(ascii: "\n"))
        write(line, to: STDOUT_FILENO)
    }

    static func printError(_ text: String) {
        write(Array((text + "\n").utf8), to: STDERR_FILENO)
    }

    /// A reader that has gone away ends nothing but the output.
    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var offset = 0
        bytes.withUnsafeBytes { buffer in
            while offset < buffer.count {
                guard let base = buffer.baseAddress else { return }
                #if canImport(Darwin)
                    let count = Darwin.write(descriptor, base + offset, buffer.count - offset)
                #elseif canImport(Musl)
                    let count = Musl.write(descriptor, base + offset, buffer.count - offset)
                #else
                    let count = Glibc.write(descriptor, base + offset, buffer.count - offset)
                #endif
                if count < 0, errno == EINTR || errno == EAGAIN { continue }
                guard count > 0 else { return }
                offset += count
            }
        }
    }

    static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }
    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Everything on standard input.
    static func readInput(bytesMax: Int) throws(CommandFailure) -> [UInt8] {
        try read(STDIN_FILENO, "standard input", bytesMax: bytesMax)
    }

    static func readFile(_ path: String, bytesMax: Int) throws(CommandFailure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandFailure("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        return try read(descriptor, path, bytesMax: bytesMax)
    }

    private static func read(
        _ descriptor: Int32, _ name: String, bytesMax: Int
    ) throws(CommandFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            #if canImport(Darwin)
                let count = Darwin.read(descriptor, &chunk, chunk.count)
            #elseif canImport(Musl)
                let count = Musl.read(descriptor, &chunk, chunk.count)
            #else
                let count = Glibc.read(descriptor, &chunk, chunk.count)
            #endif
            if count < 0 {
                if errno == EINTR { continue }
                throw CommandFailure("\(name) cannot be read: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= bytesMax else {
                throw CommandFailure("\(name) is longer than the limit of \(bytesMax) bytes; send it in parts")
            }
        }
    }
}

/// Text from events, outputs and errors, made harmless for a terminal: what would move the cursor, change colours or
/// turn the direction of writing is shown as a code.
func harmless(_ text: String) -> String {
    func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
    guard text.unicodeScalars.contains(where: isHarmful) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
        if scalar == "\n" {
            result += "\\n"
        } else if scalar == "\t" {
            result += " "
        } else if isHarmful(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}
