/// Where the running command keeps its data, for apps whose functions keep files of their own there.
///
/// ```swift
/// init() async throws {
///     contacts = try FileContacts(directory: DataDirectory.path + "/contacts")
/// }
/// ```
public enum DataDirectory {
    @TaskLocal static var chosen: String?

    /// What `--data` says, else `$DAYBOOK_DATA`, else `./var`; without a slash at its end. It may not exist yet: `serve`
    /// and `dev` make it. Ask for it in `DaybookApp.init` and keep it; elsewhere `--data` is not known.
    public static var path: String { chosen ?? DataOptions.fallback }
}
