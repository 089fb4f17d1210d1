/// Equality, order and membership.
extension Evaluator {
    @inline(__always)
    mutating func isEqual(_ a: Operation.Index, _ b: Operation.Index) throws(EvaluationError) -> Bool {
        let left = try evaluate(a)
        return try isEqual(left, try evaluate(b))
    }

    /// Missing equals null and nothing else; values of different types are not equal, but numbers of all types compare
    /// by value.
    @inline(__always)
    mutating func isEqual(_ a: Value, _ b: Value) throws(EvaluationError) -> Bool {
        if case .text(let left) = a, case .text(let right) = b { return JSONText.isEqual(left, right) }
        return try isEqual(a, b, depth: 0)
    }

    private mutating func isEqual(_ a: Value, _ b: Value, depth: Int) throws(EvaluationError) -> Bool {
        switch (a, b) {
        case (.missing, .null), (.null, .missing), (.null, .null): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.text, .text), (.ownText, .text), (.text, .ownText), (.ownText, .ownText):
            return try withTexts(a, b) { JSONText.isEqual($0, $1) } ?? false
        case (.bytes(let left), .bytes(let right)):
            try charge(bytes: left.count)
            return left == right
        case (.timestamp(let left), .timestamp(let right)): return left == right
        case (.duration(let left), .duration(let right)): return left == right
        case (.type(let left), .type(let right)): return left == right
        case (.jsonList, .jsonList), (.jsonList, .list), (.list, .jsonList), (.list, .list):
            return try areListsEqual(a, b, depth: depth + 1)
        case (.jsonMap, .jsonMap), (.jsonMap, .map), (.map, .jsonMap), (.map, .map):
            return try areMapsEqual(a, b, depth: depth + 1)
        default: return Self.compareNumbers(a, b) == .equal
        }
    }

    private mutating func areListsEqual(_ a: Value, _ b: Value, depth: Int) throws(EvaluationError) -> Bool {
        if depth > Limits.valueDepth { throw .tooDeep }
        var (left, right) = (try elements(of: a), try elements(of: b))
        while true {
            try charge(1)
            switch (left.next(), right.next()) {
            case (nil, nil): return true
            case (let one?, let other?):
                if !(try isEqual(one, other, depth: depth)) { return false }
            default: return false
            }
        }
    }

    private mutating func areMapsEqual(_ a: Value, _ b: Value, depth: Int) throws(EvaluationError) -> Bool {
        if depth > Limits.valueDepth { throw .tooDeep }
        let (left, right) = (try mapValue(of: a), try mapValue(of: b))
        guard left.entries.count == right.entries.count else { return false }
        for (key, value) in left.entries {
            try charge(1)
            guard let mapKey = MapKey(key), let other = right[mapKey] else { return false }
            // A null member is a member, so it does not equal one that is not there.
            if !(try isEqual(value, other, depth: depth)) { return false }
        }
        return true
    }

    // MARK: Order

    @inline(__always)
    mutating func isOrdered(
        _ operation: BinaryOperator, _ a: Operation.Index, _ b: Operation.Index
    ) throws(EvaluationError) -> Bool {
        let left = try evaluate(a)
        let right = try evaluate(b)
        if case .double(let x) = left, case .double(let y) = right {
            switch operation {
            case .less: return x < y
            case .lessOrEqual: return x <= y
            case .greater: return x > y
            default: return x >= y
            }
        }
        return try isOrdered(operation, left, right)
    }

    private mutating func isOrdered(
        _ operation: BinaryOperator, _ left: Value, _ right: Value
    ) throws(EvaluationError) -> Bool {
        // Missing is less than anything, and less than itself.
        if left.isMissing { return operation == .less || operation == .lessOrEqual }
        if right.isMissing { return operation == .greater || operation == .greaterOrEqual }
        guard let order = try order(left, right, operation) else { return false }
        return switch operation {
        case .less: order == .less
        case .lessOrEqual: order != .greater
        case .greater: order == .greater
        default: order != .less
        }
    }

    /// Nil if one of them is not a number although its type is.
    private mutating func order(
        _ left: Value, _ right: Value, _ operation: BinaryOperator
    ) throws(EvaluationError) -> Order? {
        switch (left, right) {
        case (.null, .null): return .equal
        case (.null, _):
            if let zero = right.zero { return try order(zero, right, operation) }
        case (_, .null):
            if let zero = left.zero { return try order(left, zero, operation) }
        case (.bool(let a), .bool(let b)): return Order(a ? 1 : 0, b ? 1 : 0)
        case (.text, .text), (.ownText, .text), (.text, .ownText), (.ownText, .ownText):
            return try withTexts(left, right, Self.compare)
        case (.bytes(let a), .bytes(let b)):
            try charge(bytes: min(a.count, b.count))
            return a.withUnsafeBufferPointer { a in b.withUnsafeBufferPointer { Self.compare(a, $0) } }
        case (.timestamp(let a), .timestamp(let b)): return Order(a, b)
        case (.duration(let a), .duration(let b)): return Order(a, b)
        default:
            if let order = Self.compareNumbers(left, right) { return order == .unordered ? nil : order }
        }
        throw .noSuchOverload("\(left.typeName) \(operation.rawValue) \(right.typeName)")
    }

    private mutating func withTexts<Result>(
        _ a: Value, _ b: Value,
        _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Result
    ) throws(EvaluationError) -> Result? {
        let result = a.withText { a in b.withText { b in (body(a, b), min(a.count, b.count)) } }
        guard let result, let (value, count) = result else { return nil }
        try charge(bytes: count)
        return value
    }

    /// UTF-8 in the order of its bytes is in the order of its code points.
    private static func compare(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Order {
        for index in 0..<min(a.count, b.count) where a[index] != b[index] { return Order(a[index], b[index]) }
        return Order(a.count, b.count)
    }

    /// Nil unless both are numbers; `.unordered` if one of them is NaN.
    static func compareNumbers(_ a: Value, _ b: Value) -> Order? {
        switch (a, b) {
        case (.double(let a), .double(let b)): return a.isNaN || b.isNaN ? Order.unordered : Order(a, b)
        case (.int(let a), .int(let b)): return Order(a, b)
        case (.uint(let a), .uint(let b)): return Order(a, b)
        case (.double(let a), .int(let b)): return compare(a, b, lowest: -0x1p63, end: 0x1p63)
        case (.int(let a), .double(let b)): return compare(b, a, lowest: -0x1p63, end: 0x1p63).reversed
        case (.double(let a), .uint(let b)): return compare(a, b, lowest: 0, end: 0x1p64)
        case (.uint(let a), .double(let b)): return compare(b, a, lowest: 0, end: 0x1p64).reversed
        case (.int(let a), .uint(let b)): return a < 0 ? .less : Order(UInt64(a), b)
        case (.uint(let a), .int(let b)): return b < 0 ? .greater : Order(a, UInt64(b))
        default: return nil
        }
    }

    /// Within the range of the integers they are compared as doubles, so that a long number in the source equals the
    /// same digits in an event, where it has been rounded.
    private static func compare(
        _ double: Double, _ integer: some BinaryInteger, lowest: Double, end: Double
    ) -> Order {
        if double.isNaN { return .unordered }
        if double < lowest { return .less }
        if double >= end { return .greater }
        return Order(double, Double(integer))
    }

    // MARK: Membership

    mutating func isIn(_ element: Value, _ container: Value) throws(EvaluationError) -> Bool {
        if element.isMissing || container.isMissing { return false }
        switch container {
        case .list, .jsonList:
            var elements = try elements(of: container)
            while let other = elements.next() {
                try charge(1)
                if try isEqual(element, other) { return true }
            }
            return false
        case .map(let map): return MapKey(element).map { map[$0] != nil } ?? false
        case .jsonMap(let json):
            try charge(bytes: json.count)
            return element.withText { name in
                guard var cursor = JSONCursor(json) else { return false }
                return cursor.member(named: name) != nil
            } ?? false
        default: throw .noSuchOverload("\(element.typeName) in \(container.typeName)")
        }
    }
}

enum Order {
    case less, equal, greater
    /// There is no order, because one of the two is NaN.
    case unordered

    @inline(__always)
    init<Element: Comparable>(_ a: Element, _ b: Element) {
        self = a < b ? .less : a == b ? .equal : .greater
    }

    var reversed: Order {
        switch self {
        case .less: .greater
        case .greater: .less
        case .equal, .unordered: self
        }
    }
}

extension Value {
    /// What null counts as beside this value in an order.
    fileprivate var zero: Value? {
        switch self {
        case .bool: .bool(false)
        case .int, .uint, .double: .int(0)
        case .text, .ownText: .ownText([])
        case .bytes: .bytes([])
        case .timestamp: .timestamp(.earliest)
        case .duration: .duration(0)
        default: nil
        }
    }
}

/// The elements of any list.
enum ElementIterator {
    case json(JSONElements)
    case own(IndexingIterator<[Value]>)

    mutating func next() -> Value? {
        switch self {
        case .json(var elements):
            let element = elements.next()
            self = .json(elements)
            return element
        case .own(var elements):
            let element = elements.next()
            self = .own(elements)
            return element
        }
    }
}

extension Evaluator {
    /// The elements of a list; none of anything else.
    mutating func elements(of value: Value) throws(EvaluationError) -> ElementIterator {
        switch value {
        case .jsonList(let json):
            try charge(bytes: json.count)
            return .json(JSONElements(json))
        case .list(let elements): return .own(elements.makeIterator())
        default: return .own([].makeIterator())
        }
    }

    /// A map with its members looked up; lists and maps inside stay JSON. Empty for anything that is no map.
    mutating func mapValue(of value: Value) throws(EvaluationError) -> MapValue {
        if case .map(let map) = value { return map }
        let map = MapValue()
        guard case .jsonMap(let json) = value, var cursor = JSONCursor(json) else { return map }
        try charge(bytes: json.count)
        cursor.advance()
        while let name = cursor.nextName() {
            try charge(4)
            let key: Value = name.hasEscapes ? .ownText(JSONText.decoded(name.body)) : .text(name.body)
            let member = JSONText.value(of: cursor.valueText())
            if let mapKey = MapKey(key) { map.insert(key, as: mapKey, member) }
        }
        return map
    }
}
