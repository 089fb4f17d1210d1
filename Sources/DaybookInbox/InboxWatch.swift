/// What a watch noticed in the inbox. Names are those of directory entries.
package enum InboxWatchEvent: Sendable, Equatable {
    /// Renamed into the inbox, or closed by its writer: it is complete.
    case delivered(String)
    /// Made in the inbox; its writer may be at work on it.
    case created(String)
    /// Some events were dropped: only a scan can tell.
    case overflowed
    /// The watch has ended, because the directory is gone or cannot be watched any more.
    case lost(reason: String)
}

package struct InboxWatchError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Tells the inbox where to look. A hint: what it misses, a scan finds.
package protocol InboxWatch: Sendable {
    /// Begins to watch; called again after `lost`. What happens after it returns is reported.
    /// - Parameter handler: called from any thread; short.
    func start(_ handler: @escaping @Sendable ([InboxWatchEvent]) -> Void) throws(InboxWatchError)
    /// Ends the watch, if there is one. Waits until no more events come.
    func stop()
}
