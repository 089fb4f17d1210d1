"""What is left when a server is killed, an app goes away, or a stop is asked for."""

import collections
import json
import signal

from harness import until

RUNS = 500


def test_500_runs_survive_a_kill_and_no_recorded_step_runs_again(world) -> None:
    server = world.server()
    app = world.app("flask", server)
    app.start()
    server.start(app)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    events = server.send_all([{"name": "test/many", "data": {"n": n}} for n in range(RUNS)])
    until("the runs to be under way", lambda: len(app.log("ran", step="s1")) > 50, 120)
    kills = 0
    while kills < 3:
        server.end(signal.SIGKILL)
        kills += 1
        before = {(record["s"], record["step"]) for record in server.recorded("step.completed") if "step" in record}
        ran_before = len(app.log("ran"))
        server.start()
        until("more steps", lambda: len(app.log("ran")) > ran_before + 100 or not unfinished(server, events), 120)
        again = [
            (line["run"], line["step"])
            for line in app.log("ran")[ran_before:]
            if any(line["run"] in stream and line["step"] == step for stream, step in before)
        ]
        assert again == []
    until("all runs to end", lambda: not unfinished(server, events), 300)
    outputs = collections.Counter(
        json.dumps([run["status"], run["output"]]) for event in events for run in server.runs(event)
    )
    assert outputs == {'["Completed", 4]': RUNS}
    # Once a call has carried a step's result, its body never runs again.
    known: dict[str, set[str]] = collections.defaultdict(set)
    for line in (json.loads(line) for line in app.log_path.read_text().splitlines()):
        if line["kind"] == "call" and "run" in line:
            known[line["run"]].update(line["steps"])
        elif line["kind"] == "ran":
            import hashlib

            assert hashlib.sha1(line["step"].encode()).hexdigest() not in known[line["run"]]


def unfinished(server, events: list[str]) -> int:
    """How many runs are under way."""
    metrics = server.http.get("/metrics").text
    for line in metrics.splitlines():
        if line.startswith("daybook_runs_unfinished "):
            return int(float(line.split()[1]))
    raise AssertionError("no such metric")


def test_an_app_that_is_down_is_waited_for_and_runs_say_so(world) -> None:
    server = world.server()
    app = world.app("flask", server)
    app.start()
    server.start(app)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    app.end(signal.SIGKILL)
    event = server.send("test/many")
    until("the reason", lambda: "Unable to reach SDK URL" in server.cli("runs", "--function", "flask-many"))
    assert "Unable to reach" in server.cli("apps") or "unreachable" in server.cli("apps")
    app.start()
    assert server.ended(event)["status"] == "Completed"


def test_a_stop_lets_calls_under_way_answer(world) -> None:
    server = world.server()
    app = world.app("fastapi", server)
    app.start()
    server.start(app)
    until("the app to register", lambda: server.get("/v1/apps/fastapi/functions"))
    event = server.send("fast/slow")
    until("the call", lambda: app.log("call", method="POST"))
    assert server.end(signal.SIGTERM) == 0
    calls = len(app.log("call", method="POST"))
    assert [record["step"] for record in server.recorded("step.completed")] == ["body"]
    server.start()
    assert server.ended(event)["output"] == "slow"
    # The step was not repeated: only the end of the function was left to ask for.
    assert len(app.log("call", method="POST")) == calls + 1
