"""What functions of the real Python SDK see, in Flask (synchronous) and FastAPI (asynchronous)."""

import signal

from harness import App, Server, until

Both = tuple[Server, App, App]


def test_every_kind_of_step_in_one_function(both: Both) -> None:
    server, flask, _ = both
    event = server.send("test/every-step", {"id": 7})
    until("the wait", lambda: "met" in server.cli("runs", "--function", "flask-every-step"))
    server.send("test/answer", {"id": 8})
    answer = server.send("test/answer", {"id": 7, "more": [1, None]})
    run = server.ended(event)
    assert run["status"] == "Completed", run
    assert run["output"] == {
        "first": {"n": 1, "text": 'é\n"quoted"'},
        "sent": 1,
        "child": 42,
        "unknown": "could not find function with ID: flask-none",
        "late": True,
        "met": {"id": 7, "more": [1, None]},
        "parallel": ["l", "r"],
        "caught": "fails went wrong",
        "repeated": [0, 1, 2],
    }
    assert answer
    ran = [line["step"] for line in flask.log("ran", run=run["run_id"])]
    assert sorted(ran) == ["fails", "fails", "left", "right", "run"], "each body once, but for the attempts of `fails`"
    assert server.runs(server.get("/v1/events?name=test/heard")["data"][0]["internal_id"])[0]["status"] == "Completed"


def test_calls_are_what_the_protocol_says(both: Both) -> None:
    server, flask, _ = both
    run = server.ended(server.send("test/code-fails-once"))
    calls = flask.log("call", run=run["run_id"])
    assert [(call["attempt"], len(call["steps"])) for call in calls] == [(0, 0), (0, 1), (1, 1)]
    assert all(call["canonical"] for call in calls)
    headers = calls[0]["headers"]
    assert headers["x-run-id"] == run["run_id"]
    assert headers["content-type"] == "application/json"
    assert "x-inngest-signature" not in headers
    assert "x-inngest-server-kind" not in headers
    assert calls[0]["fn"] == "flask-code-fails-once"
    assert calls[0]["target"] == "step"


def test_steps_of_an_asynchronous_app_and_an_invoke_across_apps(both: Both) -> None:
    server, _, fastapi = both
    run = server.ended(server.send("fast/steps"))
    assert run["status"] == "Completed", run
    assert run["output"] == {"first": 1, "both": ["a", "b", None], "doubled": 8}
    assert sorted(line["step"] for line in fastapi.log("ran", run=run["run_id"])) == ["a", "b", "first"]


def test_a_race_goes_on_with_the_first_branch(both: Both) -> None:
    server, _, _ = both
    run = server.ended(server.send("fast/race"))
    assert run["status"] == "Completed", run
    assert run["output"][0] == "quick"


def test_a_step_that_fails_twice_works_the_third_time(both: Both) -> None:
    server, flask, _ = both
    run = server.ended(server.send("test/third-time"))
    assert (run["status"], run["output"]) == ("Completed", "at last")
    assert [line["attempt"] for line in flask.log("ran", run=run["run_id"])] == [0, 1, 2]


def test_attempts_that_are_used_up_call_the_failure_handler_once(both: Both) -> None:
    server, flask, fastapi = both
    for app, name, message in ((flask, "test/never-works", "no such thing"), (fastapi, "fast/fails", "asynchronously")):
        event = server.send(name, {"mark": name})
        run = server.ended(event)
        assert run["status"] == "Failed", run
        assert message in run["output"]["message"]
        told = until("the failure handler", lambda app=app: app.log("failed"))
        assert len(told) == 1
        data = told[0]["data"]
        assert data["run_id"] == run["run_id"]
        assert data["event"]["data"] == {"mark": name}
        assert message in data["error"]["message"]
        assert data["function_id"].startswith(app.name)


def test_an_error_that_is_not_to_be_retried_is_not(both: Both) -> None:
    server, flask, _ = both
    run = server.ended(server.send("test/gives-up"))
    assert run["status"] == "Failed"
    assert len(flask.log("ran", run=run["run_id"])) == 1


def test_the_app_says_when_to_come_back(both: Both) -> None:
    server, flask, _ = both
    assert server.ended(server.send("test/not-before"))["status"] == "Completed"
    first, second = flask.log("at", what="first")[0], flask.log("at", what="second")[0]
    assert second["time"] - first["time"] > 2


def test_a_wildcard_starts_the_function(both: Both) -> None:
    server, _, _ = both
    assert server.ended(server.send("wild/one.two"))["output"] == "wild/one.two"


def test_a_state_too_large_for_a_call_is_fetched_by_the_app(both: Both) -> None:
    server, flask, _ = both
    run = server.ended(server.send("test/big-state"))
    assert (run["status"], run["output"]) == ("Completed", 6_000_000)
    assert any(call["useAPI"] and not call["steps"] for call in flask.log("call", run=run["run_id"]))


def test_an_answer_that_streams(world) -> None:
    server = world.server()
    app = world.app("fastapi", server, APP_STREAMS="1")
    app.start()
    server.start(app)
    until("the app to register", lambda: server.get("/v1/apps/fastapi/functions"))
    run = server.ended(server.send("fast/slow"))
    assert (run["status"], run["output"]) == ("Completed", "slow")


def test_a_schedule_goes_on_after_a_restart_without_the_app_registering_again(world) -> None:
    server = world.server("dev", "--no-poll")
    app = world.app("flask", server)
    app.start()
    server.start(app)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    assert server.end(signal.SIGKILL) is not None
    puts = len(app.log("call", method="PUT"))
    server.start()
    server.cli("clock", "advance", "61s")
    until("a tick", lambda: "completed" in server.cli("runs", "--function", "flask-ticking"))
    assert len(app.log("call", method="PUT")) == puts
