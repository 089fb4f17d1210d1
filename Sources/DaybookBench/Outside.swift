import DaybookSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

func fatal(_ message: String) -> Never {
    let line = Array("daybook-bench: \(message)\n".utf8)
    _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(1)
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

/// User and system time of this process.
func processorSeconds() -> Double {
    var usage = rusage()
    #if canImport(Glibc)
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
        getrusage(RUSAGE_SELF, &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Memory of this process that is in RAM, in bytes.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
    let parts = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
        separator: " ")
    return parts.count > 1 ? (Int(parts[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
}

/// What the disk itself does: the same bytes in the same number of flushes, appended to a prefilled file by one thread
/// that does nothing else.
func measureRaw(directory: String, flushes: Int, bytes: Int) throws -> Double {
    let disk = try RealDisk(root: directory)
    let file = try disk.open("raw", .create)
    let bytesPerFlush = max(1, bytes / max(1, flushes))
    let total = bytesPerFlush * flushes
    let lineFeeds = [UInt8](repeating: 10, count: 1 << 20)
    var offset = 0
    while offset < total {
        try lineFeeds.withUnsafeBytes { try file.write($0, at: offset) }
        offset += lineFeeds.count
    }
    try file.sync()
    let batch = [UInt8](repeating: 97, count: bytesPerFlush)
    let clock = ContinuousClock()
    let start = clock.now
    for number in 0..<flushes {
        try batch.withUnsafeBytes { try file.write($0, at: number * bytesPerFlush) }
        try file.sync()
    }
    let elapsed = seconds(clock.now - start)
    file.close()
    try disk.unlink("raw")
    return elapsed
}

/// Removes a directory that an earlier measurement left.
func removeTree(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
        unlink(path)
        return
    }
    guard let directory = opendir(path) else { fatal("\(path) cannot be listed") }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { try removeTree("\(path)/\(name)") }
    }
    rmdir(path)
}

func sizeFigure(of binary: String) throws -> Figure {
    var status = stat()
    guard lstat(binary, &status) == 0 else { fatal("\(binary) is not there") }
    return Figure(
        name: "static, stripped daybook", value: Double(status.st_size) / 1e6, unit: "MB", most: 50,
        detail: binary)
}
