import DaybookValues
import DaybookWire

/// A call of a function with one event and nothing done yet, unless a test says otherwise.
func callRequest(
    function: String = "shop-charge", url: String = "http://localhost:9000/api/inngest?fnId=shop-charge&step=step",
    target: String? = nil, attempt: Int = 0, forcesPlan: Bool = false, version: Int = -1,
    input: String = #"{"name":"shop/paid","data":{},"id":"e1","ts":1700000000000}"#, isBatch: Bool = false,
    steps: [CallRequest.Step] = [], deferred: [CallRequest.Deferred] = [], sdk: String? = nil
) -> CallRequest {
    CallRequest(
        callID: ULID(high: 0x018B_CFE5_6800 << 16 | 7, low: 2), run: ULID(high: 0x018B_CFE5_6800 << 16, low: 1),
        function: function, url: url, target: target, attempt: attempt, attemptsMax: 5, forcesPlan: forcesPlan,
        version: version, input: Array(input.utf8), isBatch: isBatch, steps: steps, deferred: deferred, sdk: sdk)
}

func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

func json(_ text: String) -> JSONView? { JSONView(Array(text.utf8)) }

/// 2023-11-14T22:13:20Z
let now = Timestamp(milliseconds: 1_700_000_000_000)
