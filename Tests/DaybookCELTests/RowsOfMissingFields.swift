import Testing

@testable import DaybookCEL

/// The table of section 18.3 of the behaviour reference, row by row: what a missing value does to its surroundings. `M` is
/// a field that is not there, or one of the other things that count as missing; the results are values, not only truths.
struct RowsOfMissingFields {
    /// Each of these is missing, for a reason of its own.
    static let missingFields = [
        "event.data.missing", "event.data.n.x", "event.data.missing.a.b", "event.data.list[9]", "event.data.nul.x",
        "event.nope", "async.data.x", "vars.x", "event.data.obj['nope']",
    ]
    static let failedOperations = ["int('abc')", "(1 / 0)", "(event.data.f * 2)", "int(event.data.missing)"]

    @Test(arguments: missingFields + failedOperations, comparisonRows)
    func `a missing value is compared and added as the reference says`(missing: String, row: (String, String)) {
        #expect(shownResult(of: row.0.replacing("M", with: missing)) == row.1)
    }

    /// Operations have a type, which logic refuses; fields can be anything.
    @Test(arguments: missingFields, logicRows)
    func `a missing field decides as the reference says`(missing: String, row: (String, String)) {
        #expect(shownResult(of: row.0.replacing("M", with: missing)) == row.1)
    }

    @Test(arguments: missingFields, callRows)
    func `a missing field is handed to functions as the reference says`(missing: String, row: (String, String)) {
        #expect(shownResult(of: row.0.replacing("M", with: missing)) == row.1)
    }

    /// `has` takes fields only, not indices.
    @Test(arguments: missingFields.filter { !$0.hasSuffix("]") }, hasRows)
    func `has is neither true nor false for a missing field`(missing: String, row: (String, String)) {
        #expect(shownResult(of: row.0.replacing("M", with: missing)) == row.1)
    }

    @Test(arguments: truthRows)
    func `any value can decide`(row: String, expected: String) {
        #expect(shownResult(of: row.replacing("D.", with: "event.data.")) == expected)
    }
}

/// The result as `type json`; `missing`; `error: …` for an evaluation error; `refused: …` with its place.
func shownResult(
    of source: String, for use: Expression.Use = .any, event: [UInt8] = referenceEvent, async: [UInt8]? = nil
) -> String {
    let expression: Expression
    do throws(ExpressionError) {
        expression = try Expression(source, for: use)
    } catch {
        return "refused: \(error)"
    }
    do throws(EvaluationError) {
        guard let value = try expression.value(event: event, async: async, now: referenceNow) else { return "missing" }
        return "\(value.typeName) \(value.json)"
    } catch {
        return "error: \(error)"
    }
}

private let comparisonRows: [(String, String)] = [
    ("M == null", "bool true"),
    ("null == M", "bool true"),
    ("M == event.data.nul", "bool true"),
    ("M", "missing"),
    ("M == 5", "bool false"),
    ("'a' == M", "bool false"),
    ("M == M", "bool false"),
    ("M != null", "bool false"),
    ("M != 5", "bool true"),
    ("M != M", "bool true"),
    ("M < 5", "bool true"),
    ("M <= 'a'", "bool true"),
    ("M > 5", "bool false"),
    ("M >= 5", "bool false"),
    ("5 > M", "bool true"),
    ("5 >= M", "bool true"),
    ("5 < M", "bool false"),
    ("5 <= M", "bool false"),
    ("M in [1, null]", "bool false"),
    ("M + 5", "int 5"),
    ("'a' + M", #"string "a""#),
    ("M + event.data.list", #"list ["a","b","c"]"#),
]

/// What the reference calls false as the whole result is `missing` here: false wherever it decides, and its negation
/// false too.
private let logicRows: [(String, String)] = [
    ("!M", "bool false"),
    ("M && true", "missing"),
    ("true && M", "missing"),
    ("!(M && true)", "bool false"),
    ("!(true && M)", "bool false"),
    ("M || true", "bool true"),
    ("true || M", "bool true"),
    ("M || false", "bool false"),
    ("M || event.data.s", #"string "abc""#),
    ("event.data.n || M", "double 5"),
    ("!(M || false)", "bool true"),
    ("M ? 1 : 2", "int 2"),
]

private let callRows: [(String, String)] = [
    ("5 in M", "bool false"),
    ("M.contains('a')", "bool false"),
    ("!M.contains('a')", "bool true"),
    ("M.startsWith('a')", "bool false"),
    ("!M.startsWith('a')", "bool true"),
    ("M.endsWith('a')", "bool false"),
    ("M.matches('a')", "bool false"),
    ("!M.matches('a')", "bool true"),
    ("'a'.contains(M)", "bool false"),
    ("M.exists(x, true)", "missing"),
    ("!M.exists(x, true)", "bool false"),
    ("M.all(x, true)", "missing"),
    ("!M.all(x, true)", "bool false"),
    ("size(M)", "int 0"),
    ("M.size()", "int 0"),
    ("int(M)", "missing"),
    ("string(M)", "missing"),
    ("uppercase(M)", "missing"),
    ("b64decode(M)", "missing"),
]

private let hasRows: [(String, String)] = [
    ("has(M)", "missing"),
    ("has(M) == null", "bool true"),
    ("has(M) != true", "bool true"),
    ("has(M) == false", "bool false"),
    ("!has(M)", "bool false"),
    ("has(M) || true", "bool true"),
]

private let truthRows: [(String, String)] = [
    ("D.s || D.missing", #"string "abc""#),
    ("D.missing || D.s", #"string "abc""#),
    ("D.e || D.n", "double 5"),
    ("D.z || D.e", #"string """#),
    ("D.t && D.s", #"string "abc""#),
    ("D.s && D.n", "double 5"),
    ("D.e && D.s", #"string """#),
    ("D.z && D.s", "double 0"),
    ("D.nul || D.fl", "bool false"),
    ("D.fl || D.z || D.s", #"string "abc""#),
    ("D.s && D.t && D.n", "double 5"),
    ("D.e ? 1 : 2", "int 2"),
    ("D.z ? 1 : 2", "int 2"),
    ("D.nul ? 1 : 2", "int 2"),
    ("D.fl ? 1 : 2", "int 2"),
    ("D.s ? 1 : 2", "int 1"),
    ("D.neg ? 1 : 2", "int 1"),
    ("D.elist ? 1 : 2", "int 1"),
    ("D.eobj ? 1 : 2", "int 1"),
    ("D.nstr ? 1 : 2", "int 1"),
]
