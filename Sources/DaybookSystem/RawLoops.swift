#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

// The loops around system calls, apart from the calls, so that disks of tests go through the same ones. A raw call
// returns what the system does, or the negated `errno`.

/// Repeats a raw call for as long as signals interrupt it.
package func repeatInterrupted(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -Int(EINTR) { return result }
    }
}

/// Continues a short or interrupted write until everything is written.
/// - Parameter call: writes part of `rest`, which begins `done` bytes into `bytes`, and returns how much.
/// - Returns: 0, or the negated `errno` of the call that failed; what came before it is then written. A call that
///   writes nothing counts as `ENOSPC`: it would go on doing so for ever.
package func writeFully(
    _ bytes: UnsafeRawBufferPointer, _ call: (_ rest: UnsafeRawBufferPointer, _ done: Int) -> Int
) -> Int {
    var done = 0
    while done < bytes.count {
        let count = call(UnsafeRawBufferPointer(rebasing: bytes[done...]), done)
        if count > 0 {
            done += count
        } else if count == 0 {
            return -Int(ENOSPC)
        } else if count != -Int(EINTR) {
            return count
        }
    }
    return 0
}

/// Continues a short or interrupted read until the buffer is full or the file ends.
/// - Parameter call: fills part of `rest`, which begins `done` bytes into `buffer`, and returns how much; 0 at the end
///   of the file.
/// - Returns: the bytes read, or the negated `errno` of the call that failed.
package func readFully(
    into buffer: UnsafeMutableRawBufferPointer, _ call: (_ rest: UnsafeMutableRawBufferPointer, _ done: Int) -> Int
) -> Int {
    var done = 0
    while done < buffer.count {
        let count = call(UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), done)
        if count > 0 {
            done += count
        } else if count == 0 {
            break
        } else if count != -Int(EINTR) {
            return count
        }
    }
    return done
}
