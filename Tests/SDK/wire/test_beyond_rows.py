"""What follows from the protocol and is in no row: limits of runs, groups of several kinds, crashes, apps that move."""

import json
import signal
import time

import pytest
from harness import Server, until
from mock import Answer, Call, MockApp, Raw, done, op, ops, planned, ran, wire_id


def app_under_test() -> MockApp:
    app = MockApp("beyond")
    app.function("retries-many", [done()], retries=100)
    app.function("retries-default", [done()])
    app.functions["retries-default"]["steps"]["step"]["retries"] = None
    app.function("retries-top", [done()], retries=2)
    app.functions["retries-top"] |= {"retries": 2}
    app.functions["retries-top"]["steps"]["step"]["retries"] = None
    app.function("many-steps", lambda call: ops(*[ran(f"s{number}", number) for number in range(1_000)]) if (
        not call.steps) else done(len(call.steps)))
    app.function("too-many-steps", lambda call: ops(*[
        ran(f"s{len(call.steps) + number}", number) for number in range(600)]))
    app.function("mixed-group", mixed_group)
    app.function("group-with-wait", group_with_wait)
    app.function("resumed-by-duplicate", lambda call: done(call.steps) if call.steps else ops(
        op("WaitForEvent", "w", name="beyond/duplicate", opts={"timeout": "60s"})))
    app.function("on-duplicate", [done()], starts=[], event="beyond/duplicate")
    app.function("by-uuid", lambda call: done(call.memo("i")) if call.steps else ops(
        op("InvokeFunction", "i", opts={"function_id": "00000000-0000-0000-0000-000000000000", "payload": {}})))
    app.function("two-waits", lambda call: done(call.steps) if len(call.steps) == 2 else ops(
        *[op("WaitForEvent", step, name="beyond/both", opts={"timeout": "60s"}) for step in ("v", "w")
          if not call.knows(step)]))
    app.function("own-event", lambda call: done(call.memo("w")) if call.steps else ops(
        op("WaitForEvent", "w", name="beyond/own-event", opts={"timeout": "1s"})))
    app.function("dies-at-work", dies_at_work)
    return app


def large_app() -> MockApp:
    app = MockApp("beyond")
    app.function("too-much-state", lambda call: ops(ran(f"s{call.number}", "x" * 4_000_000)))
    return app


def mixed_group(call: Call) -> Answer:
    """A plan, a sleep, a wait that times out and an invoke, all at once."""
    kinds = {
        "p": planned("p"), "s": op("Sleep", "s", name="1s"),
        "w": op("WaitForEvent", "w", name="beyond/never", opts={"timeout": "1s"}),
        "i": op("InvokeFunction", "i", opts={"function_id": "beyond-retries-default", "payload": {}}),
    }
    if call.target == wire_id("p"):
        return ops(ran("p", 1))
    missing = [kind for step, kind in kinds.items() if not call.knows(step)]
    return ops(*missing) if missing else done(call.steps)


def dies_at_work(call: Call) -> Answer | Raw:
    """After a step, which leaves a connection that can be used again."""
    if call.number == 1:
        time.sleep(1)
        return Raw([])
    return done("well") if call.steps else ops(ran("a", 1))


def group_with_wait(call: Call) -> Answer:
    """The event that the other branch sends resumes the wait of the same answer: waits come before everything else."""
    if call.target:
        call.app.server.send("beyond/from-inside", {"n": 1})
        return ops(ran("sends", 1))
    missing = [one for step, one in (
        ("sends", planned("sends")),
        ("w", op("WaitForEvent", "w", name="beyond/from-inside", opts={"timeout": "60s"})),
    ) if not call.knows(step)]
    return ops(*missing) if missing else done(call.memo("w")["data"])


@pytest.mark.parametrize("name, attempts", [("retries-many", 21), ("retries-default", 5), ("retries-top", 3)])
def test_attempts_that_apps_are_told_of(app: MockApp, name: str, attempts: int) -> None:
    assert app.completed(name)[0].ctx["max_attempts"] == attempts


def test_1000_steps_in_one_answer(app: MockApp) -> None:
    assert app.ended("many-steps")["output"] == 1_000


def test_more_steps_than_a_run_may_have(app: MockApp) -> None:
    run = app.ended("too-many-steps")
    assert run["status"] == "Failed"
    assert "InngestErrFunctionOverflowed" in json.dumps(run["output"])
    assert "exceeded the step limit of 1000 steps" in json.dumps(run["output"])


def test_more_state_than_a_run_may_have(large: MockApp) -> None:
    run = large.ended("too-much-state", seconds=100)
    assert run["status"] == "Failed"
    output = until("the output", lambda: large.server.get(f"/v1/runs/{run['run_id']}")["data"]["output"], 5)
    assert "InngestErrStateOverflowed" in json.dumps(output)
    assert len(large.calls("too-much-state")) == 9


def test_a_group_of_all_kinds_brings_one_discovery(app: MockApp) -> None:
    calls = app.completed("mixed-group")
    assert [call.target for call in calls] == [None, wire_id("p"), None]
    assert calls[-1].steps == {
        wire_id("p"): {"data": 1}, wire_id("s"): None, wire_id("w"): None, wire_id("i"): {"data": None},
    }


def test_a_wait_is_there_before_its_siblings_run(app: MockApp) -> None:
    app.completed("group-with-wait")
    assert app.ended("group-with-wait")["output"] == {"n": 1}


def test_an_event_that_was_seen_resumes_waits_all_the_same(app: MockApp) -> None:
    server = app.server
    assert server.ended(server.send("beyond/duplicate", id="dup"))["status"] == "Completed"
    again = [server.send("beyond/resumed-by-duplicate")]
    app.events["resumed-by-duplicate"] += again
    app.waits("resumed-by-duplicate", 1)
    second = server.send("beyond/duplicate", id="dup")
    assert server.ended(again[0])["output"][wire_id("w")]["id"] == "dup"
    assert server.runs(second) == []


def test_two_waits_get_the_same_event(app: MockApp) -> None:
    run = app.waits("two-waits")
    until("both", lambda: len(app.server.get(f"/api/runs/{run}")["data"]["steps"]) == 2)
    app.server.send("beyond/both", id="one")
    app.completed("two-waits")
    assert {memo["id"] for memo in app.ended("two-waits")["output"].values()} == {"one"}


def test_its_own_event_is_not_waited_for(app: MockApp) -> None:
    app.completed("own-event")
    assert app.ended("own-event")["output"] is None


def test_an_invoke_of_an_unknown_uuid(app: MockApp) -> None:
    app.completed("by-uuid")
    assert "could not find function with ID" in app.ended("by-uuid")["output"]["error"]["message"]


def test_an_app_that_dies_at_work_has_had_an_attempt(app: MockApp) -> None:
    assert [call.attempt for call in app.completed("dies-at-work")] == [0, 0, 1]


def test_a_kill_in_the_middle_of_a_group(tmp_path) -> None:
    """What was reported stays reported, what was planned runs, and nothing runs twice."""
    server = Server(tmp_path, "dev", "--no-poll")
    app = MockApp("killed")
    down = []

    def group(call: Call) -> Answer:
        if call.target:
            step = next(step for step in ("a", "b", "c") if wire_id(step) == call.target)
            if step == "c" and not down:
                down.append(step)
                until("the others", lambda: {"a", "b"} <= {
                    record["step"] for record in server.recorded("step.completed")})
                server.end(signal.SIGKILL)
            return ops(ran(step, step))
        missing = [step for step in ("a", "b", "c") if not call.knows(step)]
        if missing:
            return ops(*[planned(step) for step in missing])
        if not call.knows("last"):
            return ops(ran("last", 1))
        return done(len(call.steps))

    app.function("group", group)
    server.start()
    app.begin(server)
    until("the kill", lambda: down and server.child is None)
    server.start()
    assert app.ended("group")["output"] == 4
    targeted = [call.target for call in app.calls("group") if call.target]
    assert sorted(targeted) == sorted([wire_id("a"), wire_id("b"), wire_id("c"), wire_id("c")])
    app.close()
    server.end()


def test_what_a_call_has_reported_survives_a_kill(tmp_path) -> None:
    server = Server(tmp_path, "dev", "--no-poll")
    app = MockApp("reported")

    def reports(call: Call) -> Answer:
        if call.number == 0:
            assert call.checkpoint(ran("a", {"x": 1})).status_code == 200
            server.end(signal.SIGKILL)
            return ops(ran("a", {"x": 2}))
        return done(call.steps)

    app.function("any", reports)
    server.start()
    app.begin(server)
    until("the kill", lambda: app.calls("any") and server.child is None)
    server.start()
    assert app.ended("any")["output"] == {wire_id("a"): {"data": {"x": 1}}}
    app.close()
    server.end()


def test_an_app_that_moves_is_called_where_it_is(app: MockApp) -> None:
    old, new = MockApp("moves"), MockApp("moves")
    for place in (old, new):
        place.server = app.server
        place.function("any", lambda call: done(call.app.port) if call.steps else ops(op("Sleep", "s", name="2s")))
    old.begin(app.server)
    old.waits("any")
    new.register(app.server)
    assert old.ended("any")["output"] == new.port
    assert [entry["slug"] for entry in app.server.get("/v1/apps/moves/functions")] == ["moves-any"]
    old.close()
    new.close()
