/// A bar on standard error for work that may be long; nothing where that is no terminal.
struct ProgressBar {
    private static let width = 30
    private let label: String
    private let isShown: Bool
    private var lastPercent = -1

    init(_ label: String) {
        self.label = label
        isShown = Console.errorIsTerminal
    }

    mutating func show(done: Int, total: Int) {
        guard isShown, total > 0 else { return }
        let percent = min(100, done * 100 / total)
        guard percent != lastPercent else { return }
        lastPercent = percent
        Console.write(Array(("\r" + Self.text(label, percent: percent)).utf8), to: 2)
    }

    static func text(_ label: String, percent: Int) -> String {
        let filled = width * percent / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: width - filled)
        return "\(label) [\(bar)] \(percent) %"
    }

    /// Takes the bar away.
    mutating func end() {
        guard lastPercent >= 0 else { return }
        Console.write(Array("\r\u{1B}[K".utf8), to: 2)
        lastPercent = -1
    }
}
