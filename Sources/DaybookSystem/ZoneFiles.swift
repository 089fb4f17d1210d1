#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Where the rules of time zones come from: compiled TZif files by IANA name.
package protocol ZoneSource: Sendable {
    /// Nil when there is no zone of that name.
    func zoneFile(named name: String) -> [UInt8]?
}

/// The zone files of the operating system: the directory in `TZDIR`, else `/usr/share/zoneinfo`.
package struct SystemZoneFiles: ZoneSource {
    package let directory: String

    package init() {
        if let configured = getenv("TZDIR"), configured.pointee != 0 {
            directory = String(cString: configured)
        } else {
            directory = "/usr/share/zoneinfo"
        }
    }

    package init(directory: String) {
        self.directory = directory
    }

    package func zoneFile(named name: String) -> [UInt8]? {
        guard Self.isZoneName(name), let bytes = readWholeFile(directory + "/" + name, bytesMax: 1 << 20),
            bytes.starts(with: Array("TZif".utf8))
        else { return nil }
        return bytes
    }

    /// Names come from job files and events, so nothing that could leave the directory is let through.
    package static func isZoneName(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 255 else { return false }
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"),
                UInt8(ascii: "/"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard allowed else { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && part != "." && part != ".."
        }
    }
}
