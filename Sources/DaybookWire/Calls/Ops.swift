package import DaybookValues

/// Why ops cannot be read: the attempt has failed.
package struct OpsError: Error, Sendable, Equatable, CustomStringConvertible {
    package var message: String
    /// The output of a step is above `Ops.outputBytesMax`.
    package var isTooLarge: Bool

    package init(_ message: String, isTooLarge: Bool = false) {
        self.message = message
        self.isTooLarge = isTooLarge
    }

    package var description: String { message }
}

/// The ops that SDKs answer and report.
package enum Ops {
    /// Bytes of a step's output: 4 MiB.
    package static let outputBytesMax = 4 * 1_048_576
    /// Ops in one answer. One more than that is read, so that whoever handles them sees the excess; the rest is not.
    package static let countMax = 1_000

    /// The ops of a 206 answer: an array of them, or one alone.
    ///
    /// - Returns: no ops for `[]`; a failure when there is no text, no JSON, an op that is unknown or `null`, a step error
    ///   without an error, or an output that is too large. What is wrong inside the options of an op is the op's matter:
    ///   it is `malformed`.
    package static func decode(_ body: [UInt8]) -> Result<[WireOp], CallFailure> {
        do throws(OpsError) {
            guard let value = JSONView(body), !value.isNull else { throw OpsError("no response data") }
            do throws(JSONError) {
                try JSONText.check(body)
            } catch {
                throw OpsError("error reading generator opcode response: \(error)")
            }
            return .success(try decode(ops: value))
        } catch {
            return .failure(.system(error: error.message))
        }
    }

    /// The ops in a JSON value that has been checked.
    package static func decode(ops value: JSONView) throws(OpsError) -> [WireOp] {
        switch value.kind {
        case .object:
            return [try OpReader(value).op()]
        case .array:
            var elements: [JSONView] = []
            value.forEachElement { element in
                elements.append(element)
                return elements.count <= countMax
            }
            var ops: [WireOp] = []
            ops.reserveCapacity(elements.count)
            for element in elements { ops.append(try OpReader(element).op()) }
            return ops
        default:
            throw OpsError(
                "error reading generator opcode response: ops are an array or an object, not \(name(of: value))")
        }
    }

    /// A JSON value in a sentence.
    static func name(of value: JSONView) -> String {
        switch value.kind {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .bool: "a boolean"
        case .null: "null"
        case nil: "no JSON"
        }
    }
}
