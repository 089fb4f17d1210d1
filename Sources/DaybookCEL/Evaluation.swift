/// The ways into an evaluation: they look up the fields, and what they point into lives until `body` returns.
extension Expression {
    @inline(__always)
    func evaluate<Result>(
        event: [UInt8]?, async: [UInt8]?, now: Moment,
        _ body: (Value, inout Evaluator) throws(EvaluationError) -> Result
    ) throws(EvaluationError) -> Result {
        try program.withFound(event: event, async: async) { found in
            program.evaluate(found, isCaptured: false, now: now, body)
        }.get()
    }

    func evaluate<Result>(
        captured: [UInt8], async: [UInt8], now: Moment,
        _ body: (Value, inout Evaluator) throws(EvaluationError) -> Result
    ) throws(EvaluationError) -> Result {
        try program.withFound(captured: captured, async: async) { found in
            program.evaluate(found, isCaptured: true, now: now, body)
        }.get()
    }
}

extension Program {
    /// The program's fields in two events.
    @inline(__always)
    func withFound<Result>(
        event: [UInt8]?, async: [UInt8]?, _ body: (UnsafeMutableBufferPointer<FieldTree.Found>) -> Result
    ) -> Result {
        withEmptyFound { found in
            withBytes(event) { event in
                find(event, below: 0, into: found)
                return withBytes(async) { async in
                    find(async, below: asyncRoot, into: found)
                    return body(found)
                }
            }
        }
    }

    /// The program's fields in what was captured of the one event, and in the other.
    func withFound<Result>(
        captured: [UInt8], async: [UInt8]?, _ body: (UnsafeMutableBufferPointer<FieldTree.Found>) -> Result
    ) -> Result {
        withEmptyFound { found in
            captured.withUnsafeBufferPointer { captured in
                find(captured: captured, into: found)
                return withBytes(async) { async in
                    find(async, below: asyncRoot, into: found)
                    return body(found)
                }
            }
        }
    }

    @inline(__always)
    func evaluate<Result>(
        _ found: UnsafeMutableBufferPointer<FieldTree.Found>, isCaptured: Bool, now: Moment,
        _ body: (Value, inout Evaluator) throws(EvaluationError) -> Result
    ) -> Swift.Result<Result, EvaluationError> {
        var evaluator = Evaluator(self, found: found, isCaptured: isCaptured, now: now)
        do throws(EvaluationError) {
            return .success(try body(try evaluator.evaluate(root), &evaluator))
        } catch {
            return .failure(error)
        }
    }

    @inline(__always)
    private func withEmptyFound<Result>(
        _ body: (UnsafeMutableBufferPointer<FieldTree.Found>) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: FieldTree.Found.self, capacity: fields.count) { found in
            found.initialize(repeating: FieldTree.Found())
            return body(found)
        }
    }

    @inline(__always)
    private func find(
        _ json: UnsafeBufferPointer<UInt8>, below root: Int, into found: UnsafeMutableBufferPointer<FieldTree.Found>
    ) {
        guard let fields = fields.baseAddress, let found = found.baseAddress else { return }
        var finder = FieldFinder(nodes: fields, found: found)
        finder.find(below: root, in: json)
    }

    @inline(__always)
    private func withBytes<Result>(
        _ bytes: [UInt8]?, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        guard let bytes else { return body(UnsafeBufferPointer(start: nil, count: 0)) }
        return bytes.withUnsafeBufferPointer(body)
    }
}
