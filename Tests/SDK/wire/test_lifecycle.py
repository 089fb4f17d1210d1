"""Rows F of the wire checks: flow control, cancellation, failure handlers, schedules.

| row | where |
|---|---|
| F1–F13 | here |
| F1–F12 | also with the real SDK: test_flow.py, test_steps.py |
| F13 | also with the real SDK: test_steps.py `test_a_schedule_goes_on_after_a_restart_…` |
| S7 | the schedule of a function that is gone: here |
| E13 | an id counts again after 24 hours: here |
"""

import time
import typing

import pytest
from harness import Server, until
from mock import Answer, Call, MockApp, done, op, ops, ran

HOUR = [ops(op("Sleep", "hour", name="1h")), done("slept")]


def app_under_test() -> MockApp:
    app = MockApp("life")
    app.function("batched", lambda call: done([event["data"]["n"] for event in call.json["events"]]),
                 batchEvents={"maxSize": 3, "timeout": "2s"}, starts=[{"n": n} for n in range(4)])
    app.function("batched-if", lambda call: done(len(call.json["events"])), starts=[{"bulk": True}, {"bulk": False}],
                 batchEvents={"maxSize": 5, "timeout": "1s", "if": "event.data.bulk == true"})
    app.function("debounced", lambda call: done(call.data["n"]), debounce={"period": "1s"},
                 starts=[{"n": n} for n in range(3)])
    app.function("rated", [done()], rateLimit={"limit": 1, "period": "1m"}, starts=[{}, {}, {}])
    app.function("idempotent", [done()], idempotency="event.data.k", starts=[{"k": k} for k in "aab"])
    app.function("throttled", [done()], throttle={"limit": 1, "period": "2s"}, starts=[{}, {}, {}])
    app.function("one-by-one", busy, concurrency=[{"limit": 1}], starts=[{}, {}, {}])
    app.function("one-a-key", busy, concurrency=[{"limit": 1, "key": "event.data.k"}],
                 starts=[{"k": 1}, {"k": 1}, {"k": 2}])
    app.function("one-run", lambda call: ops(op("Sleep", "s", name="500ms")) if not call.number else done(),
                 concurrency={"fn": [{"limit": 1}]}, starts=[{}, {}])
    app.function("skips", HOUR, singleton={"mode": "skip", "key": "event.data.k"}, starts=[{"k": 1}, {"k": 1}, {"k": 2}])
    app.function("newest", HOUR, singleton={"mode": "cancel"})
    app.function("stopped", HOUR, starts=[{"id": 1}, {"id": 2}],
                 cancel=[{"event": "life/stop", "if": "event.data.id == async.data.id"}])
    app.function("on-cancelled", lambda call: done(call.json["event"]), starts=[], event="inngest/function.cancelled")
    app.functions["on-cancelled"]["triggers"][0]["expression"] = "event.data.function_id == 'life-stopped'"
    app.function("deleted", HOUR)
    app.function("in-flight", in_flight)
    app.function("too-long", HOUR, timeouts={"finish": "2s"})
    app.function("too-late", busy, concurrency=1, timeouts={"start": "1s"}, starts=[{"long": 3}, {}])
    app.function("fails", [Answer(500, {"name": "Boom", "message": "bang", "stack": "at x"})], starts=[{"mark": 1}])
    app.function("fails-failure", lambda call: done(call.json["event"]), retries=0, starts=[],
                 event="inngest/function.failed")
    app.functions["fails-failure"]["triggers"][0]["expression"] = "event.data.function_id == 'life-fails'"
    app.function("on-finished", lambda call: done(call.json["event"]), starts=[], event="inngest/function.finished")
    app.functions["on-finished"]["triggers"][0]["expression"] = "event.data.function_id == 'life-wild'"
    app.function("wild", lambda call: done(call.json["event"]["name"]), starts=[], event="lifeapp/*")
    app.function("wild-parts", [done()], starts=[], event="lifeapp/x.*")
    app.function("wild-no", [done()], starts=[], event="lifeapp/x.y*")
    app.function("plain", [done("plain")], starts=[])
    return app


def busy(call: Call) -> Answer:
    time.sleep(call.data.get("long", 1))
    return done()


def in_flight(call: Call) -> Answer:
    """Cancelled while it is called: what it answers comes too late."""
    call.app.server.http.delete(f"/v1/runs/{call.run}").raise_for_status()
    return ops(ran("late", 1))


def spans(app: MockApp, name: str) -> list[tuple[float, float]]:
    return sorted((call.time, call.answered) for call in app.calls(name))


def test_f1_batches(app: MockApp) -> None:
    calls = app.called("batched", 2)
    outputs = sorted((app.end_of(call.run)["output"] for call in calls), key=len, reverse=True)
    assert [sorted(output) for output in outputs] == [[0, 1, 2], [3]]
    whole, rest = sorted(calls, key=lambda call: -len(call.json["events"]))
    assert whole.json["event"] == whole.json["events"][0]
    assert rest.time - whole.time > 1.5


def test_f1_runs_are_found_by_each_event_of_a_batch(app: MockApp) -> None:
    calls = app.called("batched", 2)
    for call in calls:
        app.end_of(call.run)
    for event in app.events["batched"]:
        assert {run["run_id"] for run in app.server.runs(event)} <= {call.run for call in calls}
        assert len(app.server.runs(event)) == 1


def test_f1_an_event_that_is_not_for_the_batch_runs_alone(app: MockApp) -> None:
    calls = app.called("batched-if", 2)
    assert [(len(call.json["events"]), call.data["bulk"]) for call in calls] == [(1, False), (1, True)]


def test_f2_debounce(app: MockApp) -> None:
    call = app.called("debounced")[0]
    assert app.end_of(call.run)["output"] == 2
    app.server.ended(app.server.send("life/plain"))
    assert len(app.calls("debounced")) == 1


def test_f3_a_rate(app: MockApp) -> None:
    assert app.ended("rated")["status"] == "Completed"
    app.server.ended(app.server.send("life/plain"))
    assert [len(app.server.runs(event)) for event in app.events["rated"]] == [1, 0, 0]
    assert len(app.calls("rated")) == 1


def test_f4_idempotency(app: MockApp) -> None:
    app.ended("idempotent", 0)
    app.ended("idempotent", 2)
    assert [len(app.server.runs(event)) for event in app.events["idempotent"]] == [1, 0, 1]


def test_f5_throttle(app: MockApp) -> None:
    for number in range(3):
        assert app.ended("throttled", number)["status"] == "Completed"
    starts = [start for start, _ in spans(app, "throttled")]
    assert all(later - earlier > 1.5 for earlier, later in zip(starts, starts[1:])), starts


def test_f6_never_two_calls_at_once(app: MockApp) -> None:
    for number in range(3):
        assert app.ended("one-by-one", number)["status"] == "Completed"
    times = spans(app, "one-by-one")
    assert len(times) == 3
    assert all(end <= start for (_, end), (start, _) in zip(times, times[1:])), times


def test_f6_a_limit_for_each_key(app: MockApp) -> None:
    for number in range(3):
        app.ended("one-a-key", number)
    times = sorted((call.time, call.answered, call.data["k"]) for call in app.calls("one-a-key"))
    first, second = [time for time in times if time[2] == 1]
    assert first[1] <= second[0]
    (other,) = [time for time in times if time[2] == 2]
    assert other[0] < first[1], "it did not wait for the other key"


def test_f6_a_limit_of_whole_runs(app: MockApp) -> None:
    runs = [app.ended("one-run", number)["run_id"] for number in range(2)]
    order = [runs.index(call.run) for call in sorted(app.calls("one-run"), key=lambda call: call.time)]
    assert order in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_f7_singleton_skips(app: MockApp) -> None:
    app.waits("skips", 2)
    assert [len(app.server.runs(event)) for event in app.events["skips"]] == [1, 0, 1]


def test_f7_singleton_cancels(app: MockApp) -> None:
    old = app.waits("newest")
    new = app.server.send("life/newest")
    assert app.end_of(old)["status"] == "Cancelled"
    assert app.server.run(new)["status"] == "Running"


def test_f8_an_event_that_cancels(app: MockApp) -> None:
    goes, stays = app.waits("stopped", 0), app.waits("stopped", 1)
    app.server.send("life/stop", {"id": 1})
    assert app.end_of(goes)["status"] == "Cancelled"
    event = app.called("on-cancelled")[0].json["event"]
    assert (event["name"], event["id"]) == ("inngest/function.cancelled", goes)
    assert event["data"]["run_id"] == goes and event["data"]["function_id"] == "life-stopped"
    assert event["data"]["_inngest"]["status"] == "Cancelled"
    assert event["data"]["event"]["data"] == {"id": 1}
    assert "error" not in event["data"]
    assert app.server.get(f"/v1/runs/{stays}")["data"]["status"] == "Running"


def test_f9_cancelling_by_request(app: MockApp) -> None:
    run = app.waits("deleted")
    for _ in range(2):
        assert app.server.http.delete(f"/v1/runs/{run}").status_code == 200
    assert app.end_of(run)["status"] == "Cancelled"
    assert app.server.http.delete("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV").status_code == 404


def test_f9_an_answer_that_comes_after_the_end(app: MockApp) -> None:
    run = app.ended("in-flight")
    assert run["status"] == "Cancelled"
    app.server.ended(app.server.send("life/plain"))
    assert len(app.calls("in-flight")) == 1
    assert app.server.get(f"/api/runs/{run['run_id']}")["data"].get("steps", []) == []


def test_f10_a_run_that_takes_too_long(app: MockApp) -> None:
    assert app.ended("too-long")["status"] == "Cancelled"
    assert len(app.calls("too-long")) == 1


def test_f10_a_run_that_starts_too_late(app: MockApp) -> None:
    assert app.ended("too-late", 0)["status"] == "Completed"
    assert app.ended("too-late", 1)["status"] == "Cancelled"
    assert len(app.calls("too-late")) == 1


def test_f11_a_failure_handler(app: MockApp) -> None:
    failed = app.ended("fails")
    call = app.called("fails-failure")[0]
    event = app.end_of(call.run)["output"]
    assert event["name"] == "inngest/function.failed" and event["id"] == failed["run_id"]
    data = event["data"]
    assert data["function_id"] == "life-fails" and data["run_id"] == failed["run_id"]
    assert data["event"]["data"] == {"mark": 1} and data["events"][0]["data"] == {"mark": 1}
    assert data["error"] == {"error": "invalid status code: 500", "name": "Boom", "message": "bang", "stack": "at x"}
    assert data["result"] == {"name": "Boom", "message": "bang", "stack": "at x"}
    assert data["_inngest"]["status"] == "Failed"
    app.server.ended(app.server.send("life/plain"))
    assert len(app.calls("fails-failure")) == 1


def test_f12_wildcards(app: MockApp) -> None:
    event = app.server.send("lifeapp/x.y")
    runs = until("both", lambda: len(runs := app.server.runs(event)) == 2 and runs)
    assert {run["function_slug"] for run in runs} == {"life-wild", "life-wild-parts"}
    finished = app.called("on-finished")[0].json["event"]
    assert finished["data"]["result"] == "lifeapp/x.y"
    assert finished["data"]["_inngest"]["status"] == "Completed"
    assert "error" not in finished["data"]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[tuple[Server, MockApp]]:
    """A server whose clock is moved, with an app that has a schedule."""
    server = Server(tmp_path_factory.mktemp("moved"), "dev", "--no-poll")
    app = MockApp("moved")
    app.function("ticks", lambda call: done(call.json["event"]), starts=[], triggers=[{"cron": "* * * * *"}])
    app.function("long-wait", lambda call: done(call.steps) if call.steps else ops(
        op("WaitForEvent", "w", name="never", opts={"timeout": "7d"})))
    app.function("once", [done()], starts=[])
    server.start()
    app.begin(server)
    yield server, app
    app.close()
    server.child.kill()
    server.child.wait()


def test_f13_and_s7_a_schedule(moved: tuple[Server, MockApp]) -> None:
    server, app = moved
    server.cli("clock", "advance", "61s")
    call = app.called("ticks")[0]
    event = app.end_of(call.run)["output"]
    assert event["name"] == "inngest/scheduled.timer"
    assert event["data"]["cron"] == "* * * * *"
    assert event["data"]["scheduledAt"].endswith("Z") and event["data"]["fireAt"].endswith("Z")
    assert event["id"] == event["data"]["fireAt"] or event["id"].endswith(":00Z")
    # S7: without its function there is no schedule either.
    server.http.post("/fn/register", json=app.registration(functions=[
        app.functions["long-wait"], app.functions["once"]])).raise_for_status()
    before = len(app.calls("ticks"))
    server.cli("clock", "advance", "5m")
    server.ended(server.send("moved/once"))
    assert len(app.calls("ticks")) == before


def test_o18_a_wait_of_days(moved: tuple[Server, MockApp]) -> None:
    server, app = moved
    app.waits("long-wait")
    server.cli("clock", "advance", "169h")
    assert list(app.completed("long-wait")[1].steps.values()) == [None]


def test_e13_an_id_counts_again_after_a_day(moved: tuple[Server, MockApp]) -> None:
    server, _ = moved
    assert server.ended(server.send("moved/once", id="daily"))["status"] == "Completed"
    server.cli("clock", "advance", "23h")
    within = server.send("moved/once", id="daily")
    server.cli("clock", "advance", "2h")
    assert server.ended(server.send("moved/once", id="daily"))["status"] == "Completed"
    assert server.runs(within) == []
