"""Rows O of the wire checks: what every op of a 206 answer leads to.

| row | where |
|---|---|
| O1–O30 | here |
| O7, O13, O17, O18, O20 | also with the real SDK: test_steps.py `test_every_kind_of_step_in_one_function` and others |
"""

import datetime
import json
import time

import pytest
from harness import free_port, until
from mock import NO_RETRY, Answer, Call, MockApp, done, op, ops, planned, ran, wire_id

BOOM = {"name": "Boom", "message": "bang", "stack": "at x", "data": {"n": 1}, "code": "gone", "__serialized": True}
#: What of it a memo keeps.
KEPT = {"name": "Boom", "message": "bang", "stack": "at x", "data": {"n": 1}}
SECRET = "k-e-y-of-the-provider"


def error(step: str, **fields: object) -> dict[str, object]:
    return op("StepError", step, error=BOOM, **fields)


def wait(step: str, event: str, **opts: object) -> dict[str, object]:
    return op("WaitForEvent", step, name=event, opts=opts)


def invoke(step: str, function: str, **opts: object) -> dict[str, object]:
    return op("InvokeFunction", step, opts={"function_id": function, "payload": {"data": {"asked": step}}} | opts)


def signal(step: str, name: str, **opts: object) -> dict[str, object]:
    return op("WaitForSignal", step, opts={"signal": name, "timeout": "60s"} | opts)


def fetch(step: str, **opts: object) -> dict[str, object]:
    return op("Gateway", step, opts=opts)


def infer(step: str, app: MockApp, path: str, format: str, **opts: object) -> dict[str, object]:
    return op(
        "AIGateway", step,
        opts={
            "type": "step.ai.infer", "url": f"{app.origin}{path}", "auth_key": SECRET, "format": format,
            "headers": {"X-More": "yes"}, "body": {"model": "m", "messages": []},
        } | opts,
    )


def then_memos(call: Call, *first: object, **fields: object) -> Answer:
    """An answer to the first call, and then all memos as the result."""
    return ops(*first, **fields) if not call.steps else done(call.steps)


MEMO_ROWS: dict[str, tuple[object, object]] = {
    # row: the op of step `s`, and its memo
    "O2-object instead of array": (ran("s", 1), {"data": 1}),
    "O5-Step": (op("Step", "s", data=5), 5),
    "O5-Step that the SDK has wrapped": (op("Step", "s", data={"data": 5}), {"data": 5}),
    "O6-StepRun without data": ({"op": "StepRun", "id": wire_id("s"), "name": "s"}, {"data": None}),
    "O2-lower case": (op("steprun", "s", data=1), {"data": 1}),
    "O11-StepFailed without error": (op("StepFailed", "s"), {"error": None}),
    "O15-Sleep by its name": (op("Sleep", "s", name="1s"), None),
    "O15-Sleep by its duration": (op("Sleep", "s", opts={"duration": "1s"}), None),
    "O15-Sleep of nothing": (op("Sleep", "s", name=""), None),
    "O15-Sleep of the past": (op("Sleep", "s", name="2001-01-01T00:00:00Z"), None),
    "O15-Sleep of milliseconds": (op("Sleep", "s", name="100ms"), None),
    "O18-wait of 1 s": (wait("s", "none", timeout="1s"), None),
    "O18-wait without timeout": (wait("s", "none"), None),
    "O20-invoke of the unknown": (
        invoke("s", "none-none"), {"error": {"name": "Error", "message": "could not find function with ID: none-none"}}
    ),
    "O20-invoke": (invoke("s", "ops-callee"), {"data": {"got": {"asked": "s"}}}),
    "O20-invoke without payload": (op("InvokeFunction", "s", opts={"function_id": "ops-callee"}), {"data": {"got": {}}}),
    "O20-invoke that answers nothing": (invoke("s", "ops-callee-empty"), {"data": None}),
    "O20-invoke that fails": (
        invoke("s", "ops-callee-fails"),
        {"error": {"error": "invalid status code: 500", "name": "Boom", "message": "bang", "stack": "at x"}},
    ),
    "O20-invoke that fails with text": (
        invoke("s", "ops-callee-fails-text"),
        {"error": {"error": "invalid status code: 500", "name": "Error", "message": "oh no"}},
    ),
    "O20-invoke that takes too long": (
        invoke("s", "ops-callee-slow", timeout="1s"),
        {"error": {
            "error": "InngestInvokeTimeoutError: Timed out waiting for invoked function to complete",
            "name": "InngestInvokeTimeoutError",
            "message": "Timed out waiting for invoked function to complete",
        }},
    ),
    "O21-signal that never comes": (signal("s", "never-comes", timeout="1s"), None),
}

RETRIED_ROWS = {
    # row: a first answer that is a failed attempt
    "O4-empty": Answer(206),
    "O4-null": Answer(206, None),
    "O4-text": Answer(206, b"hello"),
    "O4-StepNotFound": ops(op("StepNotFound", "s")),
    "O4-Bogus": ops(op("Bogus", "s")),
    "O4-array with null": Answer(206, [None]),
    "O4-array of numbers": Answer(206, [1]),
    "O4-one good and one bad": ops(ran("a"), op("Bogus", "s")),
    "O10-StepError without error": ops(op("StepError", "s")),
}

FAILED_ROWS = {
    # row: an answer that ends the run, and what its error says
    "O16-Sleep of 400 days": (ops(op("Sleep", "s", name="400d")), "InngestErrTimeoutTooLong"),
    "O16-Sleep that cannot be read": (ops(op("Sleep", "s", name="xyz")), "xyz"),
    "O18-wait of 400 days": (ops(wait("s", "none", timeout="400d")), "InngestErrTimeoutTooLong"),
    "O18-wait with a timeout that cannot be read": (ops(wait("s", "none", timeout="soon")), "soon"),
    "O19-bad syntax": (ops(wait("s", "none", timeout="9s", **{"if": "event.data.x ==="})), "InvalidExpression"),
    "O19-unknown name": (ops(wait("s", "none", timeout="9s", **{"if": "foo.x == 1"})), "InvalidExpression"),
}


def slug(row: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in row)


def parallel(call: Call, version: int) -> Answer:
    """Steps a and b, each in a call of its own, b the slower one; then the end."""
    if call.target == wire_id("a"):
        return ops(ran("a", "A"), version=version)
    if call.target == wire_id("b"):
        other = [other for other in call.app.calls(call.query["fnId"].removeprefix("ops-"), call.run)]
        deadline = time.monotonic() + (5 if version == 1 else 0.5)
        while time.monotonic() < deadline and len([one for one in other if one.target is None]) < 2:
            time.sleep(0.02)
            other = call.app.calls(call.query["fnId"].removeprefix("ops-"), call.run)
        return ops(ran("b", "B"), version=version)
    if call.knows("a") and call.knows("b"):
        return done(call.steps)
    return ops(*[planned(step) for step in ("a", "b") if not call.knows(step)], version=version)


def app_under_test() -> MockApp:
    app = MockApp("ops")
    for row, (first, _) in MEMO_ROWS.items():
        body = Answer(206, first) if row.startswith("O2-object") else ops(first)
        app.function(slug(row), [body, done()])
    for row, first in RETRIED_ROWS.items():
        app.function(slug(row), [first, done("well")])
    for row, (answer, _) in FAILED_ROWS.items():
        app.function(slug(row), [answer], retries=3)

    app.function("callee", lambda call: done({"got": {k: v for k, v in call.data.items() if k != "_inngest"}}), starts=[])
    app.function("callee-empty", [Answer(200)], starts=[])
    app.function("callee-fails", [Answer(500, {"name": "Boom", "message": "bang", "stack": "at x"})], retries=0, starts=[])
    app.function("callee-fails-text", [Answer(500, b"oh no")], retries=0, starts=[])
    app.function("callee-slow", [ops(op("Sleep", "s", name="1h"))], starts=[])
    app.function("callee-limited", [done(1)], starts=[], rateLimit={"limit": 1, "period": "1h"})
    app.function("callee-single", [ops(op("Sleep", "s", name="1h"))], starts=[], singleton={"mode": "skip"})
    app.function("limited-caller", lambda call: (
        done(call.steps) if call.knows("two") else ops(invoke("two" if call.knows("one") else "one", "ops-callee-limited"))
    ))
    app.function("skipped-caller", lambda call: then_memos(
        call, invoke("one", "ops-callee-single", timeout="2s"), invoke("two", "ops-callee-single", timeout="2s")))
    app.function("cancelled-caller", lambda call: then_memos(call, invoke("s", "ops-callee-cancelled")))
    app.function("callee-cancelled", [ops(op("Sleep", "s", name="1h"))], starts=[])

    app.function("memo", [ops(ran("a", 1)), done()])
    app.function("nothing", [Answer(206, []), Answer(206, op("None", "n")), done()])
    app.function("error-thrice", lambda call: (
        done(call.steps) if call.steps else ops(error("a"))), retries=2)
    app.function("error-final", lambda call: then_memos(call, error("a"), **NO_RETRY), retries=3)
    app.function("error-own-no-retry", lambda call: done(call.steps) if call.steps else ops(
        op("StepError", "a", error=BOOM | {"noRetry": True})))
    app.function("error-after", lambda call: ops(error("a"), Retry_After="3") if not call.number else ops(ran("a", 1))
                 if call.number == 1 else done())
    app.function("failed", lambda call: then_memos(call, op("StepFailed", "a", error=BOOM)), retries=3)
    app.function("one-planned", lambda call: ops(ran("p", 7)) if call.target else then_memos(call, planned("p")))
    app.function("two-planned", lambda call: parallel(call, 2))
    app.function("two-planned-old", lambda call: parallel(call, 1))
    app.function("branch-fails", branch_fails)
    app.function("sleep-until", sleeps_until)
    app.function("wait-match", lambda call: then_memos(
        call, wait("w", "ops/answer", timeout="60s", **{"if": "event.data.id == async.data.id"})), starts=[{"id": 7}])
    app.function("signalled", lambda call: then_memos(call, signal("s", "approve")))
    app.function("signal-first", lambda call: then_memos(call, signal("s", "taken")))
    app.function("signal-second", lambda call: then_memos(call, signal("s", "taken")), starts=[])
    app.function("signal-old", lambda call: then_memos(call, signal("s", "replaced", timeout="3s")), starts=[])
    app.function("signal-new", lambda call: then_memos(call, signal("s", "replaced", conflict="replace")), starts=[])

    app.page("/not-found", lambda call: Answer(404, b"nothing here", {"X-Two": "2"}, has_sdk=False))
    app.page("/echo", lambda call: Answer(
        200, {"method": call.method, "body": call.body.decode(), "x": call.headers.get("x-own")}, has_sdk=False))
    app.function("fetch-404", lambda call: then_memos(call, fetch("g", url=f"{app.origin}/not-found", method="GET")))
    app.function("fetch-json", lambda call: then_memos(
        call, fetch("g", url=f"{app.origin}/echo", body='{"a":1}', headers={"X-Own": "mine"})))
    app.function("fetch-text", lambda call: then_memos(call, fetch("g", url=f"{app.origin}/echo", method="PUT", body="plain")))
    app.function("fetch-malformed", lambda call: then_memos(call, fetch("g", url=f"{app.origin}/echo", body={"a": 1})))
    app.function("fetch-closed", lambda call: then_memos(call, fetch("g", url=f"http://127.0.0.1:{free_port()}/x", method="GET")))

    for path in ("/openai", "/anthropic", "/gemini"):
        app.page(path, lambda call: Answer(200, {"says": "hi"}, has_sdk=False))
    app.page("/busy", lambda call: Answer(500, {"error": {"message": "busy"}}, has_sdk=False))
    for format in ("openai-chat", "anthropic", "gemini"):
        app.function(f"infer-{format}", lambda call, format=format: then_memos(
            call, infer("i", app, f"/{format.split('-')[0]}", format)))
    app.function("infer-busy", lambda call: then_memos(call, infer("i", app, "/busy", "openai-chat")))

    app.function("complete", [ops(ran("a", 1), op("RunComplete", "complete", data={"r": 1}))])
    app.function("complete-text", [ops(op("RunComplete", "complete", data='{"r":1}'))])
    app.function("discovery", [ops(op("DiscoveryRequest", "d")), done("found")])
    app.function("defers", defers)
    app.function("deferred", lambda call: done(call.data), event="inngest/deferred.schedule", starts=[])
    app.functions["deferred"]["triggers"][0]["expression"] = "event.data._inngest.fn_slug == 'ops-deferred'"
    app.function("deferred-never", [done()], starts=[])
    app.function("again", lambda call: ops(ran("a", call.number)) if call.number < 3 else done(call.memo("a")))
    app.function("targeted-end", lambda call: done("x") if call.target else ops(planned("p"), planned("q")))
    app.function("several-run", lambda call: then_memos(call, ran("a", 1), ran("b", 2)))
    app.function("run-and-sleep", lambda call: (
        done(call.steps) if call.knows("s") else ops(ran("a", 1), op("Sleep", "s", name="1s"))))
    app.function("race", lambda call: race(call))
    return app


def branch_fails(call: Call) -> Answer:
    if call.target == wire_id("a"):
        return ops(error("a")) if call.attempt == 0 else ops(ran("a", "A"))
    if call.target == wire_id("b"):
        return ops(ran("b", "B"))
    return then_memos(call, planned("a"), planned("b"))


def sleeps_until(call: Call) -> Answer:
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    return then_memos(call, op("Sleep", "s", name=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))


def defers(call: Call) -> Answer:
    if call.number == 0:
        return ops(
            op("DeferAdd", "d", opts={"fn_slug": "ops-deferred", "input": {"n": 5}}),
            op("DeferAdd", "gone", opts={"fn_slug": "ops-deferred-never", "input": {}}),
        )
    if call.number == 1:
        return ops(op("DeferAbort", "abort", opts={"target_hashed_id": wire_id("gone")}), ran("a", call.json["defers"]))
    return done({"before": call.memo("a")["data"], "after": call.json["defers"]})


def race(call: Call) -> Answer:
    """Whoever is first: the slow branch answers only after the discovery that the fast one has brought."""
    branches = [planned(step) | {"opts": {"parallelMode": "race"}} for step in ("fast", "slow")]
    if call.target == wire_id("fast"):
        return ops(ran("fast", 1))
    if call.target == wire_id("slow"):
        until("a discovery", lambda: len([one for one in call.app.calls("race", call.run) if not one.target]) > 1, 20)
        return ops(ran("slow", 2))
    return done("fast won") if call.knows("fast") else ops(*branches)


@pytest.mark.parametrize("row", MEMO_ROWS)
def test_op(app: MockApp, row: str) -> None:
    calls = app.completed(slug(row))
    assert [call.attempt for call in calls] == [0, 0]
    assert calls[1].steps == {wire_id("s"): MEMO_ROWS[row][1]}
    assert calls[1].ctx["stack"] == {"current": 1, "stack": [wire_id("s")]}
    if row in ("O15-Sleep by its name", "O15-Sleep by its duration", "O18-wait of 1 s", "O21-signal that never comes"):
        assert calls[1].time - calls[0].time >= 0.99


@pytest.mark.parametrize("row", RETRIED_ROWS)
def test_op_that_is_a_failed_attempt(app: MockApp, row: str) -> None:
    calls = app.completed(slug(row))
    assert [(call.attempt, call.target) for call in calls] == [(0, None), (1, None)]
    assert calls[1].steps == {}


@pytest.mark.parametrize("row", FAILED_ROWS)
def test_op_that_ends_the_run(app: MockApp, row: str) -> None:
    run = app.ended(slug(row))
    assert run["status"] == "Failed"
    assert FAILED_ROWS[row][1] in json.dumps(run["output"])
    assert len(app.calls(slug(row))) == 1


def test_o1_the_call_after_a_step(app: MockApp) -> None:
    first, second = app.completed("memo")
    assert second.steps == {wire_id("a"): {"data": 1}}
    assert second.ctx["stack"] == {"current": 1, "stack": [wire_id("a")]}
    assert second.attempt == 0
    assert (first.json["version"], second.json["version"]) == (-1, 2)
    assert second.headers["x-inngest-req-version"] == "2"
    assert second.ctx["request_id"] != first.ctx["request_id"]


def test_o3_no_op_at_all(app: MockApp) -> None:
    calls = app.completed("nothing")
    assert [(call.attempt, call.steps) for call in calls] == [(0, {})] * 3
    assert calls[1].json["version"] == -1


def test_o7_a_step_that_fails_to_the_end(app: MockApp) -> None:
    calls = app.completed("error-thrice")
    assert [call.attempt for call in calls] == [0, 1, 2, 0]
    assert [call.target for call in calls] == [None] * 4
    assert calls[-1].steps == {wire_id("a"): {"error": KEPT}}


def test_o8_a_step_that_is_not_to_be_retried(app: MockApp) -> None:
    calls = app.completed("error-final")
    assert [call.attempt for call in calls] == [0, 0]
    assert calls[-1].steps == {wire_id("a"): {"error": KEPT}}


def test_o9_no_retry_in_the_error_is_not_obeyed(app: MockApp) -> None:
    calls = app.completed("error-own-no-retry")
    assert [call.attempt for call in calls] == [0, 1, 0]
    assert calls[-1].memo("a")["error"] == KEPT | {"noRetry": True}


def test_o7_a_step_says_when_to_come_back(app: MockApp) -> None:
    calls = app.completed("error-after")
    assert [call.attempt for call in calls] == [0, 1, 0]
    assert calls[1].time - calls[0].time > 2


def test_o11_step_failed(app: MockApp) -> None:
    calls = app.completed("failed")
    assert [call.attempt for call in calls] == [0, 0]
    assert calls[-1].steps == {wire_id("a"): {"error": KEPT}}


def test_o12_a_planned_step(app: MockApp) -> None:
    calls = app.completed("one-planned")
    assert [call.target for call in calls] == [None, wire_id("p"), None]
    assert calls[1].headers["x-inngest-step-id"] == wire_id("p")
    assert calls[1].ctx["step_id"] == "step"
    assert calls[2].steps == {wire_id("p"): {"data": 7}}


def test_o13_two_planned_steps(app: MockApp) -> None:
    calls = app.completed("two-planned")
    targeted = [call for call in calls if call.target]
    discoveries = [call for call in calls if not call.target]
    assert sorted(call.target for call in targeted) == sorted([wire_id("a"), wire_id("b")])
    assert all(call.ctx["disable_immediate_execution"] for call in targeted)
    assert [call.ctx["disable_immediate_execution"] for call in discoveries] == [False, False]
    assert discoveries[1].steps == {wire_id("a"): {"data": "A"}, wire_id("b"): {"data": "B"}}
    assert discoveries[1].ctx["stack"]["stack"] == [wire_id("a"), wire_id("b")]


def test_o14_two_planned_steps_with_version_1(app: MockApp) -> None:
    calls = app.completed("two-planned-old")
    targeted = [call for call in calls if call.target]
    discoveries = [call for call in calls if not call.target]
    assert sorted(call.target for call in targeted) == sorted([wire_id("a"), wire_id("b")])
    assert len(discoveries) == 3
    assert [len(call.steps) for call in discoveries] == [0, 1, 2]
    assert [call.ctx["disable_immediate_execution"] for call in discoveries] == [False, True, True]


def test_o13_a_branch_has_attempts_of_its_own(app: MockApp) -> None:
    calls = app.completed("branch-fails")
    assert sorted((call.target or "", call.attempt) for call in calls) == sorted(
        [("", 0), (wire_id("a"), 0), (wire_id("a"), 1), (wire_id("b"), 0), ("", 0)])


def test_o13_a_race_goes_on_with_the_first(app: MockApp) -> None:
    assert app.ended("race")["output"] == "fast won"


def test_o15_sleep_until_a_date(app: MockApp) -> None:
    first, second = app.completed("sleep-until")
    assert second.steps == {wire_id("s"): None}
    # Dates count whole seconds.
    assert second.time - first.time > 0.99


def test_o17_an_event_that_is_waited_for(app: MockApp) -> None:
    app.waits("wait-match")
    app.server.send("ops/answer", {"id": 8})
    app.server.send("ops/answer", {"id": 7, "more": True}, id="answer-7", ts=1_700_000_000_000)
    memo = app.completed("wait-match")[1].memo("w")
    assert memo == {
        "name": "ops/answer", "data": {"id": 7, "more": True}, "id": "answer-7", "ts": 1_700_000_000_000, "user": {},
    }


def test_o20_a_callee_over_its_rate(app: MockApp) -> None:
    memos = app.completed("limited-caller")[-1]
    assert memos.memo("one") == {"data": 1}
    assert memos.memo("two") == {"error": {"name": "Error", "message": "invoked function is rate limited"}}


def test_o20_a_callee_that_is_skipped_fails_at_once(app: MockApp) -> None:
    last = app.completed("skipped-caller")[-1]
    errors = sorted((last.memo(step)["error"]["name"] for step in ("one", "two")))
    assert errors != ["InngestInvokeTimeoutError"] * 2, last.steps


def test_o20_a_callee_that_is_cancelled(app: MockApp) -> None:
    app.waits("cancelled-caller")
    run = app.called("callee-cancelled")[0].run
    assert app.server.http.delete(f"/v1/runs/{run}").status_code == 200
    memo = app.completed("cancelled-caller")[-1].memo("s")
    assert "cancelled" in memo["error"]["message"], memo


def test_o21_a_signal(app: MockApp) -> None:
    run = app.waits("signalled")
    answer = app.server.http.post("/v1/signals", json={"signal": "approve", "data": {"by": "me"}})
    assert (answer.status_code, answer.json()["data"]) == (200, {"run_id": run})
    assert app.completed("signalled")[1].memo("s") == {"data": {"signal": "approve", "data": {"by": "me"}}}
    assert app.server.http.post("/v1/signals", json={"signal": "approve", "data": 1}).status_code == 404


def test_o22_a_signal_that_is_taken(app: MockApp) -> None:
    app.waits("signal-first")
    second = app.server.ended(app.server.send("ops/signal-second"))
    assert second["status"] == "Failed"
    assert second["output"]["message"] == "Signal conflict; signal wait already exists for another run"
    assert app.server.http.post("/v1/signals", json={"signal": "taken", "data": None}).status_code == 200
    assert app.completed("signal-first")[1].memo("s") == {"data": {"signal": "taken", "data": None}}


def test_o22_a_signal_that_is_taken_over(app: MockApp) -> None:
    for name in ("signal-old", "signal-new"):
        app.events[name] = [app.server.send(f"ops/{name}")]
        app.waits(name)
    assert app.server.http.post("/v1/signals", json={"signal": "replaced", "data": 3}).status_code == 200
    assert app.completed("signal-new")[1].memo("s") == {"data": {"signal": "replaced", "data": 3}}
    assert app.completed("signal-old")[1].memo("s") is None


def test_o23_fetch(app: MockApp) -> None:
    memo = app.completed("fetch-404")[1].memo("g")["data"]
    assert (memo["status_code"], memo["body"], memo["url"]) == (404, "nothing here", f"{app.origin}/not-found")
    assert {name.lower(): value for name, value in memo["headers"].items()}["x-two"] == "2"
    assert app.asked("/not-found")[0].method == "GET"


def test_o23_fetch_with_a_body(app: MockApp) -> None:
    answers = [json.loads(app.completed(name)[1].memo("g")["data"]["body"]) for name in ("fetch-json", "fetch-text")]
    assert answers == [
        {"method": "POST", "body": '{"a":1}', "x": "mine"}, {"method": "PUT", "body": "plain", "x": None},
    ]


def test_o23_fetch_that_makes_no_sense_fails_the_step(app: MockApp) -> None:
    calls = app.completed("fetch-malformed")
    assert len(calls) == 2
    assert calls[1].memo("g")["error"]["message"]


def test_o24_fetch_from_a_closed_port(app: MockApp) -> None:
    first, second = app.completed("fetch-closed")
    memo = second.memo("g")["error"]
    assert memo["name"] == "GatewayError"
    assert memo["message"].startswith("Error making gateway request: ")
    tries = [line["attempt"] for line in app.server.recorded("step.failed") if line["s"].endswith(second.run)]
    assert tries == [1, 2]
    assert second.time - first.time >= 0.99


@pytest.mark.parametrize(
    "format, header, value",
    [("openai-chat", "authorization", f"Bearer {SECRET}"), ("anthropic", "x-api-key", SECRET), ("gemini", None, None)],
    ids=["O25-openai-chat", "O25-anthropic", "O25-gemini"],
)
def test_op_infer(app: MockApp, format: str, header: str | None, value: str | None) -> None:
    assert app.completed(f"infer-{format}")[1].memo("i") == {"data": {"says": "hi"}}
    (asked,) = app.asked(f"/{format.split('-')[0]}")
    assert asked.method == "POST"
    assert asked.json == {"model": "m", "messages": []}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-more"] == "yes"
    if header:
        assert asked.headers[header] == value
    else:
        assert asked.query["key"] == SECRET


def test_o25_a_provider_that_fails(app: MockApp) -> None:
    memo = app.completed("infer-busy")[1].memo("i")["error"]
    assert memo["name"] == "AIGatewayError"
    assert memo["message"] == "Error making AI request: unsuccessful status code: 500"
    assert memo["data"] == {"error": {"message": "busy"}}
    assert json.loads(memo["stack"]) == {"error": {"message": "busy"}}
    assert len(app.asked("/busy")) == 2


def test_o25_the_key_is_kept_nowhere(app: MockApp) -> None:
    for format in ("openai-chat", "anthropic", "gemini", "busy"):
        app.ended(f"infer-{format}")
    assert SECRET not in app.server.said()
    for path in app.server.data.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_o26_a_step_and_the_end_in_one_answer(app: MockApp) -> None:
    assert len(app.completed("complete")) == 1
    run = app.ended("complete")
    assert run["output"] == {"r": 1}
    steps = app.server.get(f"/api/runs/{run['run_id']}")["data"]["steps"]
    assert [step["id"] for step in steps] == ["a"]
    assert app.ended("complete-text")["output"] == '{"r":1}'


def test_o27_a_discovery_that_is_asked_for(app: MockApp) -> None:
    calls = app.completed("discovery")
    assert [(call.attempt, call.target) for call in calls] == [(0, None), (0, None)]


def test_o28_follow_ups(app: MockApp) -> None:
    app.completed("defers")
    run = app.ended("defers")
    assert run["output"]["before"] == {wire_id("d"): {"abortable": True}, wire_id("gone"): {"abortable": True}}
    assert run["output"]["after"][wire_id("d")] == {"abortable": True}
    call = app.called("deferred")[0]
    assert call.data["n"] == 5
    assert call.data["_inngest"]["fn_slug"] == "ops-deferred"
    assert call.data["_inngest"]["parent_run_id"] == run["run_id"]


def test_o28_follow_ups_that_are_taken_back(app: MockApp) -> None:
    app.completed("defers")
    assert app.ended("defers")["output"]["after"].get(wire_id("gone")) in (None, {"abortable": False})
    app.end_of(app.called("deferred")[0].run)
    # The other follow-up would have been queued with this one.
    app.server.ended(app.server.send("ops/memo"))
    assert app.calls("deferred-never") == []


def test_o28_a_follow_up_runs_once_although_its_function_has_the_trigger_too(app: MockApp) -> None:
    run = app.ended("defers")
    app.called("deferred")
    # Whatever that event has started was queued before this one.
    app.server.ended(app.server.send("ops/memo"))
    runs = {call.run for call in app.calls("deferred") if call.data["_inngest"]["parent_run_id"] == run["run_id"]}
    assert len(runs) == 1


def test_o29_a_step_that_is_known_already(app: MockApp) -> None:
    app.completed("again")
    assert app.ended("again")["output"] == {"data": 0}, "the first value counts"


def test_o30_a_targeted_call_that_ends_the_run(app: MockApp) -> None:
    app.completed("targeted-end")
    assert app.ended("targeted-end")["output"] == "x"


def test_o1_several_steps_in_one_answer_bring_one_discovery(app: MockApp) -> None:
    calls = app.completed("several-run")
    assert len(calls) == 2
    assert calls[1].steps == {wire_id("a"): {"data": 1}, wire_id("b"): {"data": 2}}


def test_o15_a_step_and_a_sleep_in_one_answer(app: MockApp) -> None:
    calls = app.completed("run-and-sleep")
    assert len(calls) == 2
    assert calls[1].steps == {wire_id("a"): {"data": 1}, wire_id("s"): None}
    assert calls[1].time - calls[0].time >= 0.99
