"""Rows A of the wire checks: what SDKs call back.

| row | where |
|---|---|
| A1–A7 | here |
| A8–A11 | realtime: not there yet |
"""

import json

import httpx
import pytest
from mock import Answer, Call, MockApp, done, op, ops, planned, ran, wire_id

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: What the server has said to checkpoints, by the name of the function.
SAID: dict[str, list[httpx.Response]] = {}


def says(call: Call, answer: httpx.Response) -> httpx.Response:
    SAID.setdefault(call.query["fnId"], []).append(answer)
    return answer


def app_under_test() -> MockApp:
    app = MockApp("back")
    app.function("ended", [done()])
    app.function("asleep", lambda call: ops(op("Sleep", "s", name="1h")) if call.knows("a") else ops(ran("a", 1)))
    app.function("reports", reports)
    app.function("reports-twice", reports_twice)
    app.function("reports-wrong", reports_wrong)
    app.function("reports-late", reports_late)
    app.function("reports-others", reports_others)
    app.function("reports-then-answers-again", reports_then_answers_again)
    app.function("attempts", attempts, retries=2)
    return app


def large_app() -> MockApp:
    app = MockApp("back")
    app.function("reports-much", reports_much)
    return app


def reports(call: Call) -> Answer:
    if call.number == 0:
        says(call, call.checkpoint(ran("a", {"x": 1}), ran("b", 2)))
        return Answer(500, {"name": "Boom", "message": "after a"})
    return done(call.steps)


def reports_twice(call: Call) -> Answer:
    for number in (1, 2):
        says(call, call.checkpoint(ran("a", number)))
    return ops(op("RunComplete", "complete", data=None)) if call.knows("a") else ops(op("DiscoveryRequest", "d"))


def reports_wrong(call: Call) -> Answer:
    for bad in (
        op("Sleep", "s", name="1s"), op("StepError", "e", error={"name": "E", "message": "m"}),
        op("WaitForEvent", "w", name="x", opts={"timeout": "1s"}), op("RunComplete", "c", data=1),
        op("InvokeFunction", "i", opts={"function_id": "x"}), op("Bogus", "b"),
    ):
        says(call, call.checkpoint(ran("before", 1), bad))
    says(call, call.checkpoint())
    says(call, call.checkpoint(planned("p")))
    return done(call.steps)


def reports_late(call: Call) -> Answer:
    if call.number == 0:
        return Answer(500, {"name": "Boom", "message": "gone"})
    # What the first call would say now, had it only been cut off.
    first = call.app.calls("reports-late", call.run)[0]
    says(call, first.checkpoint(ran("stale", 1)))
    says(call, call.checkpoint(ran("fresh", 2)))
    return ops(ran("fresh", 2)) if call.number == 1 else done(call.steps)


def reports_others(call: Call) -> Answer:
    says(call, call.checkpoint(ran("x", 1), run=UNKNOWN))
    return done(call.steps)


def reports_then_answers_again(call: Call) -> Answer:
    if call.number == 0:
        says(call, call.checkpoint(ran("a", "first")))
        return ops(ran("a", "second"), ran("b", 1))
    return done(call.steps)


def attempts(call: Call) -> Answer:
    """Fails twice, reports a step, fails again: the attempts after the step are counted anew."""
    if call.number == 2:
        says(call, call.checkpoint(ran("a", 1)))
    return Answer(500, {"name": "Boom", "message": "again"}) if call.number < 4 else done([
        one.attempt for one in call.app.calls("attempts", call.run)])


def reports_much(call: Call) -> Answer:
    says(call, call.checkpoint(ran("big", "x" * 4_300_000)))
    return done(call.steps)


def said(app: MockApp, name: str) -> list[httpx.Response]:
    app.ended(name)
    return SAID[f"back-{name}"]


@pytest.mark.parametrize("what", ["actions", "batch"], ids=["A1-actions", "A1-batch"])
def test_callback_state(app: MockApp, what: str) -> None:
    server, finished = app.server, app.ended("ended")["run_id"]
    answer = server.http.get(f"/v0/runs/zz/{what}")
    assert answer.status_code == 400
    assert answer.json() == {"error": "The run ID specified is invalid", "data": None, "status": 400}
    for run in (UNKNOWN, finished):
        answer = server.http.get(f"/v0/runs/{run}/{what}")
        assert answer.status_code == 410
        assert answer.json() == {
            "error": f"runtime state is no longer available for runID: {run}", "data": None, "status": 410,
        }
    run = app.waits("asleep")
    wanted = {wire_id("a"): {"data": 1}} if what == "actions" else [app.calls("asleep", run)[0].json["event"]]
    assert server.get(f"/v0/runs/{run}/{what}") == wanted


def test_a1_the_old_way_to_cancel(app: MockApp) -> None:
    http, run = app.server.http, app.ended("ended")["run_id"]
    assert http.delete(f"/v0/runs/{UNKNOWN}").status_code == 404
    assert http.delete(f"/v0/runs/{run}").status_code == 409


def test_a2_steps_that_are_reported_before_the_call_fails(app: MockApp) -> None:
    calls = app.completed("reports")
    (answer,) = said(app, "reports")
    assert (answer.status_code, answer.content) == (200, b"")
    assert calls[1].steps == {wire_id("a"): {"data": {"x": 1}}, wire_id("b"): {"data": 2}}
    assert calls[1].ctx["stack"]["stack"] == [wire_id("a"), wire_id("b")]


def test_a2_attempts_start_over_behind_a_step(app: MockApp) -> None:
    app.completed("attempts")
    numbers = app.ended("attempts")["output"]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[3:] == [1, 2]


def test_a3_a_step_that_is_reported_twice(app: MockApp) -> None:
    app.completed("reports-twice")
    assert {answer.status_code for answer in said(app, "reports-twice")} == {200}
    assert app.calls("reports-twice")[-1].memo("a") == {"data": 1}


def test_a3_a_step_that_is_reported_and_then_answered_with(app: MockApp) -> None:
    calls = app.completed("reports-then-answers-again")
    assert calls[-1].steps == {wire_id("a"): {"data": "first"}, wire_id("b"): {"data": 1}}


def test_a4_what_cannot_be_reported(app: MockApp) -> None:
    app.completed("reports-wrong")
    *bad, nothing, plan = said(app, "reports-wrong")
    assert [answer.status_code for answer in bad] == [400] * 6
    texts = [answer.json()["error"] for answer in bad]
    assert texts[:3] == ["cannot checkpoint async steps"] * 3
    assert texts[3] == "cannot checkpoint opcode: RunComplete"
    assert bad[0].json()["status"] == 400
    assert app.ended("reports-wrong")["output"] == {}, "all of a request or nothing"
    assert (nothing.status_code, plan.status_code) == (200, 200)


def test_a4_a_step_that_is_too_large(large: MockApp) -> None:
    large.completed("reports-much")
    (answer,) = said(large, "reports-much")
    assert answer.status_code == 413
    assert large.ended("reports-much")["output"] == {}


def test_a5_an_unknown_run(app: MockApp) -> None:
    for run in (UNKNOWN, app.ended("ended")["run_id"]):
        body = {"run_id": run, "fn_id": UNKNOWN, "qi_id": "x", "request_id": "x", "steps": [ran("a", 1)]}
        answer = app.server.http.post(f"/v1/checkpoint/{run}/async", json=body)
        assert answer.status_code == 400
        assert "run not found in state store" in answer.json()["error"]


def test_a5_another_run_in_the_body(app: MockApp) -> None:
    app.completed("reports-others")
    (answer,) = said(app, "reports-others")
    assert answer.status_code == 400
    assert app.ended("reports-others")["output"] == {}


def test_a5_a_call_that_is_over(app: MockApp) -> None:
    app.completed("reports-late")
    stale, fresh = said(app, "reports-late")[:2]
    assert (stale.status_code, fresh.status_code) == (409, 200)
    assert app.ended("reports-late")["output"] == {wire_id("fresh"): {"data": 2}}


@pytest.mark.parametrize("body", [b"zz", b"", b"[]", b'{"steps":5}', b"null"], ids=lambda body: f"A6-{body.decode()}")
def test_callback_with_a_bad_body(app: MockApp, body: bytes) -> None:
    answer = app.server.http.post(f"/v1/checkpoint/{app.waits('asleep')}/async", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid request body")


def test_a7_signals(app: MockApp) -> None:
    answer = app.server.http.post("/v1/signals", json={"signal": "nobody", "data": 1})
    assert answer.status_code == 404
    assert answer.json() == {"error": "No signal found", "data": None, "status": 404}
    for body in (b"zz", b"[]", b"{}", b'{"signal":5}'):
        answer = app.server.http.post("/v1/signals", content=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "Invalid signal data")


def test_a7_other_lists(app: MockApp) -> None:
    get = app.server.http.get
    assert get(f"/v1/events/{UNKNOWN}").status_code == 404
    assert get(f"/v1/events/{UNKNOWN}").json()["error"] == "Event not found"
    assert get("/v1/events/zz").status_code == 400
    assert get("/v1/events/zz").json()["error"] == "Invalid event ID: zz"
    assert get(f"/v1/events/{app.server.send('back/none')}/runs").json()["data"] == []
    assert get("/v1/runs/zz").status_code == 400
    assert get(f"/v1/runs/{UNKNOWN}").status_code == 404
    assert get(f"/v1/runs/{app.waits('asleep')}/jobs").json()["data"]
    assert get("/v1/apps/none/functions").json() == []
    metadata = f"/v1/runs/{UNKNOWN}/metadata"
    post = app.server.http.post
    good = {"target": {"step_id": "a"}, "metadata": [{"kind": "mine", "op": "merge", "values": {}}]}
    assert post(metadata, json=good).status_code == 200
    assert post(metadata, json={"metadata": []}).status_code == 400
    assert post(metadata, json=json.loads(json.dumps(good).replace("mine", "inngest.other"))).status_code == 403
    assert post("/v1/traces/userland", content=b"\x00\x01").status_code == 200
    assert post("/v0/telemetry", json={}).status_code == 200
