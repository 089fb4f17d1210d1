/// The paths below `event` and `async` that an expression reads, as a tree of names. One pass over an event finds them
/// all and stops at the last one.
struct FieldTree {
    struct Node {
        /// Where the name stands in the program's texts.
        var name: UnsafeBufferPointer<UInt8>
        /// Children of one node follow each other.
        var firstChild: Int32 = 0
        var childCount: Int32 = 0
        /// The value is read.
        var isWanted = false
        /// `has()` asks whether it is there.
        var isAskedFor = false
        /// How many nodes here and below are looked for.
        var weight: Int32 = 0
    }

    /// What was found for a node.
    struct Found {
        /// Nil if the field is not there.
        var start: UnsafePointer<UInt8>?
        var count = 0
        /// It is known to be a string without escapes, which needs no second look.
        var isPlainText = false

        init() {}

        init(_ text: UnsafeBufferPointer<UInt8>) {
            start = text.baseAddress
            count = text.count
        }

        @inline(__always)
        var text: UnsafeBufferPointer<UInt8>? {
            start.map { UnsafeBufferPointer(start: $0, count: count) }
        }
    }
}

/// The tree while a program is built.
struct MutableFieldTree {
    struct Node {
        var name: [UInt8]
        var children: [Int] = []
        var isWanted = false
        var isAskedFor = false
        var weight: Int32 = 0
    }

    static let event = 0
    static let async = 1
    private(set) var nodes = [Node(name: Array("event".utf8)), Node(name: Array("async".utf8))]

    /// The number of a path's last node.
    mutating func add(root: Int, _ names: [[UInt8]], isPresence: Bool) -> Int {
        var index = root
        for name in names {
            if let child = nodes[index].children.first(where: { nodes[$0].name == name }) {
                index = child
            } else {
                nodes.append(Node(name: name))
                nodes[index].children.append(nodes.count - 1)
                index = nodes.count - 1
            }
        }
        if isPresence { nodes[index].isAskedFor = true } else { nodes[index].isWanted = true }
        return index
    }

    /// The nodes in an order in which the children of one follow each other, with weights; the new number of each; and
    /// that of `async`, which stands behind everything below `event`.
    func flattened() -> (nodes: [Node], numbers: [Int], asyncRoot: Int) {
        let eventOrder = order(from: Self.event)
        let newOrder = eventOrder + order(from: Self.async)
        var numbers = Array(repeating: 0, count: nodes.count)
        for (number, index) in newOrder.enumerated() { numbers[index] = number }
        var flat = newOrder.map { index in
            var node = nodes[index]
            node.children = node.children.map { numbers[$0] }
            return node
        }
        for index in flat.indices.reversed() {
            let node = flat[index]
            let isReadHere = node.isWanted || (node.isAskedFor && node.children.isEmpty)
            flat[index].weight = node.children.reduce(isReadHere ? 1 : 0) { $0 + flat[$1].weight }
        }
        return (flat, numbers, eventOrder.count)
    }

    private func order(from root: Int) -> [Int] {
        var order = [root]
        var next = 0
        while next < order.count {
            order += nodes[order[next]].children
            next += 1
        }
        return order
    }
}

/// Fills `found` from one JSON text.
struct FieldFinder {
    let nodes: UnsafePointer<FieldTree.Node>
    let found: UnsafeMutablePointer<FieldTree.Found>
    /// Wanted fields that may still come.
    private var remaining: Int32 = 0

    @inline(__always)
    init(nodes: UnsafePointer<FieldTree.Node>, found: UnsafeMutablePointer<FieldTree.Found>) {
        self.nodes = nodes
        self.found = found
    }

    /// Looks for everything below a root of the tree.
    @inline(__always)
    mutating func find(below root: Int, in json: UnsafeBufferPointer<UInt8>) {
        remaining = nodes[root].weight
        guard remaining > 0, var cursor = JSONCursor(json) else { return }
        cursor.skipBlanks()
        take(root, &cursor)
    }

    /// Reads the value at the cursor for a node and its children.
    private mutating func take(_ index: Int, _ cursor: inout JSONCursor) {
        let node = nodes[index]
        let start = cursor.position
        found[index].start = start
        if node.childCount == 0 {
            if cursor.byte == UInt8(ascii: "\"") {
                let text = cursor.string()
                // A string without an end has no closing quote to take off.
                found[index].isPlainText = !text.hasEscapes && cursor.position - start == text.body.count + 2
            } else {
                cursor.skipValue()
            }
            found[index].count = cursor.position - start
            remaining -= 1
            return
        }
        let isObject = cursor.byte == UInt8(ascii: "{")
        if node.isWanted || !isObject {
            cursor.skipValue()
            found[index].count = cursor.position - start
            guard isObject else {
                remaining -= node.weight
                return
            }
            // Wanted as a whole and in part: the parts are looked for in a second pass.
            remaining -= 1
            let end = cursor.position
            cursor.move(to: start)
            cursor.advance()
            takeMembers(node, &cursor)
            if remaining > 0 { cursor.move(to: end) }
        } else {
            cursor.advance()
            takeMembers(node, &cursor)
        }
    }

    /// With the cursor behind a `{`. Leaves it behind the `}` unless nothing remains to be found.
    private mutating func takeMembers(_ node: FieldTree.Node, _ outerCursor: inout JSONCursor) {
        // A copy of its own stays in registers.
        var cursor = outerCursor
        defer { outerCursor = cursor }
        var pending = node.childCount
        while let name = cursor.nextName() {
            guard let child = child(of: node, named: name), found[child].start == nil else {
                cursor.skipValue()
                continue
            }
            take(child, &cursor)
            if remaining <= 0 { return }
            pending -= 1
            if pending == 0 {
                cursor.skipContainer()
                return
            }
        }
        for offset in 0..<node.childCount {
            let child = Int(node.firstChild + offset)
            if found[child].start == nil { remaining -= nodes[child].weight }
        }
    }

    @inline(__always)
    private func child(
        of node: FieldTree.Node, named name: (body: UnsafeBufferPointer<UInt8>, hasEscapes: Bool)
    ) -> Int? {
        name.hasEscapes ? child(of: node, named: JSONText.decoded(name.body)) : child(of: node, named: name.body)
    }

    @inline(never)
    private func child(of node: FieldTree.Node, named name: [UInt8]) -> Int? {
        name.withUnsafeBufferPointer { child(of: node, named: $0) }
    }

    @inline(__always)
    private func child(of node: FieldTree.Node, named name: UnsafeBufferPointer<UInt8>) -> Int? {
        let first = Int(node.firstChild)
        for index in first..<first + Int(node.childCount) where JSONText.isEqual(nodes[index].name, name) {
            return index
        }
        return nil
    }
}
