import DaybookSystem
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct FileErrorTests {
    @Test(arguments: [ENOSPC, EDQUOT, EFBIG])
    func `a file that may not grow is waited for, but a flush that failed is not`(number: Int32) {
        #expect(FileError(errno: number, operation: .write, path: "events/2026-11-21.jsonl").isOutOfSpace)
        #expect(FileError(errno: number, operation: .write, path: "events/2026-11-21.jsonl").isTemporary)
        #expect(!FileError(errno: number, operation: .sync, path: "events/2026-11-21.jsonl").isTemporary)
    }
}
