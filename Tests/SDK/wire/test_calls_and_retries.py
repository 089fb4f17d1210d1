"""Rows C of the wire checks: what calls look like, and what every kind of answer leads to.

| row | where |
|---|---|
| C1–C23 | here |
| C1, C23 | also with the real SDK: test_steps.py `test_calls_are_what_the_protocol_says`, `test_a_state_too_large_for_a_call_…` |
| C11 | also with the real SDK: test_steps.py `test_the_app_says_when_to_come_back` |
| C19 | also with the real SDK: test_steps.py `test_an_answer_that_streams` |
| C22 | also with the real SDK: test_crashes.py `test_an_app_that_is_down_is_waited_for_and_runs_say_so` |
"""

import dataclasses
import datetime
import json
import typing

import pytest
from mock import NO_RETRY, Answer, Call, MockApp, Raw, done, gzipped, ops, ran, wire_id

BOOM = {"name": "Boom", "message": "bang", "stack": "at x"}
SDK = b"X-Inngest-SDK: x-y:v1\r\n"


def streamed(text: str, sdk: bytes = SDK) -> Raw:
    """201, and spaces while the function is busy."""
    chunks = [b"  ", b" ", text.encode()]
    head = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" + sdk + b"\r\n"
    return Raw([head] + [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks] + [b"0\r\n\r\n"])


def wrapped(status: int, body: object, headers: dict[str, str] | None = None, **more: object) -> str:
    return json.dumps({"status": status, "headers": headers or {}, "body": body} | more)


@dataclasses.dataclass
class Row:
    """What the app answers to all calls, and how many it gets and how the run ends."""

    what: str
    answer: Answer | Raw
    calls: int
    status: str
    #: Compared as it is, or looked for in the output's JSON when it is a list of texts.
    output: typing.Any = None
    wants_output: bool = True

    @property
    def function(self) -> str:
        return "".join(character if character.isalnum() else "-" for character in self.what)


def fails(what: str, answer: Answer | Raw, *texts: str, calls: int = 2) -> Row:
    return Row(what, answer, calls, "Failed", list(texts))


def completes(what: str, answer: Answer | Raw, output: object) -> Row:
    return Row(what, answer, 1, "Completed", output)


ROWS = [
    completes("C2-200 with an object", done({"a": 1}), {"a": 1}),
    completes("C2-200 with a number", done(5), 5),
    completes("C2-202 with an object", done({"a": 1}, 202), {"a": 1}),
    completes("C3-string that holds an object", done('{"a":1}'), {"a": 1}),
    completes("C3-string that holds a list stays one", done("[1]"), "[1]"),
    completes("C4-text", Answer(200, b"hello"), "hello"),
    completes("C5-204", Answer(204), None),
    completes("C5-200 and empty", Answer(200), None),
    fails("C6-200 from something else", Answer(200, {"a": 1}, has_sdk=False)),
    fails("C6-206 from something else", Answer(206, [], has_sdk=False)),
    fails("C6-empty header of the SDK", Answer(200, {"a": 1}, {"X-Inngest-SDK": ""}, has_sdk=False)),
    fails("C7-200 with no retry", Answer(200, BOOM, NO_RETRY), "bang", calls=1),
    fails("C8-400", Answer(400, BOOM), "bang"),
    fails("C8-401", Answer(401, BOOM), "bang"),
    fails("C8-404", Answer(404, BOOM), "bang"),
    fails("C8-500", Answer(500, BOOM), "bang"),
    fails("C8-410", Answer(410, {"message": "gone"}), "gone"),
    fails("C8-500 with no retry false", Answer(500, BOOM, {"X-Inngest-No-Retry": "false"}), "bang"),
    fails("C8-400 with no retry false", Answer(400, BOOM, {"X-Inngest-No-Retry": "false"}), "bang"),
    fails("C9-500 with no retry", Answer(500, BOOM, NO_RETRY), "bang", calls=1),
    fails("C10-400 with no retry", Answer(400, BOOM, NO_RETRY), "bang", calls=1),
    fails("C13-Retry-After 0", Answer(500, BOOM, {"Retry-After": "0"}), "bang"),
    fails("C13-Retry-After nonsense", Answer(500, BOOM, {"Retry-After": "soon"}), "bang"),
    fails(
        "C14-502 of a proxy",
        Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}, has_sdk=False),
        "Server returned a fatal error", "Your server returned HTTP 502 before the SDK responded.", "<html>Bad Gateway",
    ),
    fails("C15-500 and empty", Answer(500), "invalid status code: 500"),
    fails("C8-500 with text", Answer(500, b"it broke"), "it broke"),
    completes("C18-gzip", Answer(200, gzipped(b'{"a":"zipped"}'), {"Content-Encoding": "gzip"}), {"a": "zipped"}),
    fails("C18-gzip that is none", Answer(200, b"nothing of the kind", {"Content-Encoding": "gzip"})),
    completes("C19-body as a value", streamed(wrapped(200, {"a": 1})), {"a": 1}),
    completes("C19-body as a string", streamed(wrapped(200, '{"a":2}')), {"a": 2}),
    completes(
        "C19-SDK header inside", streamed(wrapped(200, 7, {"x-inngest-sdk": "inngest-py:v0.5.18"}), sdk=b""), 7
    ),
    fails("C19-no SDK header anywhere", streamed(wrapped(200, 7), sdk=b"")),
    fails("C20-500 with no retry inside", streamed(wrapped(500, BOOM, {"x-inngest-no-retry": "true"})), "bang", calls=1),
    fails("C20-500 inside", streamed(wrapped(500, json.dumps(BOOM))), "bang"),
    fails("C21-error", streamed(wrapped(200, 1, error="it went wrong")), "it went wrong"),
    fails("C21-not JSON", streamed("oh no")),
    fails("C21-only spaces", streamed("   ")),
]


def dated(call: Call, seconds: int, form: str) -> Answer:
    if call.number:
        return done("late")
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return Answer(500, BOOM, {"Retry-After": at.strftime(form)})


def moved(status: int, call: Call) -> Answer:
    where = f"/moved?fnId=other&stepId=other&more={status}"
    return Answer(status, b"", {"Location": where}, has_sdk=False)


def big_state(call: Call) -> Answer:
    """Three steps of 1.5 MB."""
    ctx = call.ctx
    if ctx["use_api"]:
        server = call.app.server
        actions, batch = server.get(f"/v0/runs/{call.run}/actions"), server.get(f"/v0/runs/{call.run}/batch")
        return done({
            "steps": {step: len(memo["data"]) for step, memo in actions.items()},
            "events": [event["name"] for event in batch],
        })
    return ops(ran(f"s{len(call.steps)}", "x" * 1_500_000))


def big_event(call: Call) -> Answer:
    if not call.json["use_api"]:
        return ops(ran("never", 0))
    batch = call.app.server.get(f"/v0/runs/{call.run}/batch")
    return done([len(call.json["events"]), len(call.json["event"]["data"]["text"]), len(batch[0]["data"]["text"])])


def app_under_test() -> MockApp:
    app = MockApp("calls")
    for row in ROWS:
        app.function(row.function, [row.answer])
    app.function("inspected", [done()])
    app.function("after", [Answer(500, BOOM, {"Retry-After": "3"}), done("late")])
    app.function("after-date", lambda call: dated(call, 8, "%Y-%m-%dT%H:%M:%SZ"))
    app.function("after-http-date", lambda call: dated(call, 6, "%a, %d %b %Y %H:%M:%S GMT"))
    for status in (301, 302, 303, 307, 308):
        app.function(f"moved-{status}", lambda call, status=status: moved(status, call))
    app.page("/moved", lambda call: done({"method": call.method, "more": call.query["more"]}))
    app.function("down", [done()])
    app.functions["down"]["steps"]["step"]["runtime"]["url"] = "http://127.0.0.1:1/api/inngest?fnId=calls-down"
    final = next(row for row in ROWS if row.what == "C9-500 with no retry")
    app.function("listener", [done()], starts=[], event="inngest/function.failed")
    app.functions["listener"]["triggers"][0]["expression"] = f"event.data.function_id == 'calls-{final.function}'"
    app.function("recovers", [Answer(500, BOOM), ops(ran("a", 1)), Answer(500, BOOM), done("well")])
    return app


def large_app() -> MockApp:
    app = MockApp("calls")
    app.function("big-state", big_state)
    app.function("big-event", big_event, starts=[{"text": "y" * 3_000_000}])
    return app


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_call(app: MockApp, row: Row) -> None:
    run = app.ended(row.function)
    assert run["status"] == row.status, run
    assert [call.attempt for call in app.calls(row.function)] == list(range(row.calls))
    if row.status == "Completed":
        assert run["output"] == row.output
    else:
        for text in row.output:
            assert text in json.dumps(run["output"]), run


def test_c1_the_first_call(app: MockApp) -> None:
    (call,) = app.completed("inspected")
    body = call.json
    assert call.method == "POST"
    assert call.query == {"fnId": "calls-inspected", "stepId": "step"}
    assert body["ctx"]["attempt"] == 0
    assert body["ctx"]["max_attempts"] == 2
    assert body["ctx"]["stack"] == {"current": 0, "stack": []}
    assert body["ctx"]["disable_immediate_execution"] is False
    assert body["ctx"]["step_id"] == "step"
    assert body["version"] == -1
    assert body["steps"] == body["defers"] == {}
    assert len(body["events"]) == 1 and body["events"][0] == body["event"]
    assert body["event"]["user"] == {}
    assert set(body["event"]) == {"name", "data", "id", "ts", "user"}
    assert body["use_api"] is False and body["ctx"]["use_api"] is False
    headers = call.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-inngest-req-version"] == "-1"
    assert headers["x-inngest-step-id"] == "step"
    assert headers["x-inngest-generation-id"] == str(body["ctx"]["generation_id"])
    assert headers["x-request-id"] == body["ctx"]["request_id"]
    assert headers["x-inngest-job-id"] == body["ctx"]["job_id"]
    assert headers["x-run-id"] == body["ctx"]["run_id"]
    assert headers["account-id"] == "00000000-0000-4000-a000-000000000000"
    assert headers["traceparent"]
    assert "x-inngest-signature" not in headers and "x-inngest-server-kind" not in headers


@pytest.mark.parametrize(
    "function", [row.function for row in ROWS if row.what.startswith("C6")], ids=lambda function: function
)
def test_c6_the_reason_is_told(app: MockApp, function: str) -> None:
    run = app.ended(function)
    told = app.server.get(f"/api/runs/{run['run_id']}")["data"]
    assert "The response did not come from an Inngest SDK" in json.dumps([told, run])


def test_c9_the_event_of_the_failure(app: MockApp) -> None:
    row = next(row for row in ROWS if row.what == "C9-500 with no retry")
    run = app.ended(row.function)
    event = app.called("listener")[0].json["event"]
    assert event["id"] == run["run_id"]
    assert event["data"]["function_id"] == f"calls-{row.function}"
    assert event["data"]["error"] == {"error": "NonRetriableError"} | BOOM
    assert event["data"]["result"] == BOOM
    assert event["data"]["_inngest"]["status"] == "Failed"


def test_c11_retry_after_seconds(app: MockApp) -> None:
    first, second = app.completed("after")
    assert 2 < second.time - first.time < 10
    assert (first.attempt, second.attempt) == (0, 1)


@pytest.mark.parametrize("function, seconds", [("after-date", 8), ("after-http-date", 6)], ids=["C12-RFC 3339", "C12-HTTP"])
def test_call_retry_after_a_date(app: MockApp, function: str, seconds: int) -> None:
    first, second = app.completed(function)
    assert seconds - 2 < second.wall - first.wall < seconds + 10


@pytest.mark.parametrize("status", [307, 308], ids=["C16-307", "C16-308"])
def test_call_is_repeated_elsewhere(app: MockApp, status: int) -> None:
    first = app.completed(f"moved-{status}")[0]
    second = next(call for call in app.asked("/moved") if call.query["more"] == str(status))
    assert second.method == "POST"
    assert second.body == first.body
    assert second.query["fnId"] == f"calls-moved-{status}" and second.query["stepId"] == "step"


@pytest.mark.parametrize("status", [301, 302, 303], ids=["C17-301", "C17-302", "C17-303"])
def test_call_becomes_a_get(app: MockApp, status: int) -> None:
    assert app.ended(f"moved-{status}")["output"] == {"method": "GET", "more": str(status)}


def test_c22_a_host_that_is_down(app: MockApp) -> None:
    run = app.ended("down")
    assert run["status"] == "Failed"
    assert "Unable to reach SDK URL" in json.dumps(run["output"])
    attempts = [line for line in app.server.recorded("attempt.failed") if line["s"].endswith(run["run_id"])]
    ended = [line for line in app.server.recorded("run.failed") if line["s"].endswith(run["run_id"])]
    assert len(attempts) + len(ended) >= 2


def test_c23_a_state_too_large_for_a_call(large: MockApp) -> None:
    calls = large.completed("big-state")
    last = calls[-1].json
    assert [call.json["use_api"] for call in calls] == [False, False, False, True]
    assert last["ctx"]["use_api"] is True and last["use_api"] is True
    assert last["steps"] == {}
    assert last["ctx"]["stack"]["stack"] == [wire_id(f"s{number}") for number in range(3)]
    assert large.ended("big-state")["output"] == {
        "steps": {wire_id(f"s{number}"): 1_500_000 for number in range(3)},
        "events": ["calls/big-state"],
    }


def test_c23_an_event_too_large_for_a_call_with_its_list(large: MockApp) -> None:
    assert large.ended("big-event")["output"] == [0, 3_000_000, 3_000_000]


def test_c8_attempts_are_counted_for_each_call_that_is_to_be_made(app: MockApp) -> None:
    calls = app.completed("recovers")
    assert [(call.attempt, len(call.steps)) for call in calls] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert {call.ctx["max_attempts"] for call in calls} == {2}
