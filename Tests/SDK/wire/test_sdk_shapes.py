"""Rows X and G of the wire checks that need an SDK which is not Python: its requests and answers, byte for byte.

| row | where |
|---|---|
| X1, X8 | test_steps.py, with the real SDK |
| X2–X4 | here: what the TypeScript SDK 4 does |
| X5, X6 | here: what the Go SDK does |
| X7 | test_signed.py, with the real SDK |
| G1 | here |
| G2–G4 | test_signed.py `test_who_may_ask` |
| G5 | here; also test_signed.py |
| G6–G8 | test_signed.py, as far as they are a server's business |
"""

import json
import time
import typing

import pytest
from harness import Server, until
from mock import Answer, Call, MockApp, canonical, op, signed, wire_id

SIGNING_KEY = "signkey-test-0123456789abcdef0123456789abcdef"
COMPLETE = "0737c22d3bfae812339732d14d8c7dbd6dc4e09c"


class TypeScript:
    """The flow of version 4 with checkpoints: steps are reported as they succeed, the end comes as an op."""

    HEADERS = {
        "X-Inngest-SDK": "inngest-js:v4.18.1", "X-Inngest-Framework": "nextjs", "X-Inngest-SDK-Handled": "true",
        "X-Inngest-Req-Version": "2", "Server-Timing": "handler;dur=1",
    }

    def __init__(self, call: Call) -> None:
        self.call = call
        #: Off for targeted calls, and when everything is to be planned.
        self.checkpoints = not call.target and not call.ctx["disable_immediate_execution"] and "fn_id" in call.ctx
        self.said: list[int] = []

    def found(self, *ops: object, **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(206, list(ops), self.HEADERS | headers, has_sdk=False)

    def step(self, step: str, value: object) -> Answer | None:
        """Runs a step; nil when the function goes on."""
        if self.call.knows(step):
            return None
        ran = op("StepRun", step, data=value, opts={"type": "step"}, timing=[])
        if not self.checkpoints or self.call.attempt > 0:
            return self.found(ran)
        self.said.append(self.call.checkpoint(ran).status_code)
        assert self.said[-1] == 200
        return None

    def end(self, value: object) -> Answer:
        return self.found({"op": "RunComplete", "id": COMPLETE, "name": "complete", "data": value})


def ts_no_steps(call: Call) -> Answer:
    return TypeScript(call).end({"message": "hello"})


def ts_steps(call: Call) -> Answer:
    ts = TypeScript(call)
    for step in ("one", "two"):
        if answer := ts.step(step, {"from": step}):
            return answer
    if not call.knows("nap"):
        return ts.found(op("Sleep", "nap", name="1s", opts={"type": "step"}))
    if answer := ts.step("three", [call.memo("one")["data"], 3]):
        return answer
    return ts.end({"memos": sorted(call.steps)})


def ts_failing_step(call: Call) -> Answer:
    ts = TypeScript(call)
    if not call.knows("shaky") and call.attempt < 2:
        error = {"name": "Error", "message": "not yet", "stack": "Error: not yet", "__serialized": True}
        return ts.found(op("StepError", "shaky", error=error), X_Inngest_No_Retry="false")
    return ts.step("shaky", "held") or ts.end(call.memo("shaky")["data"])


def ts_gives_up(call: Call) -> Answer:
    """A function's error that is final: 400, which no other SDK sends."""
    body = {"name": "NonRetriableError", "message": "never", "stack": "NonRetriableError: never", "__serialized": True}
    return Answer(400, body, TypeScript.HEADERS | {"X-Inngest-No-Retry": "true"}, has_sdk=False)


def ts_parallel(call: Call) -> Answer:
    ts = TypeScript(call)
    for step in ("left", "right"):
        if call.target == wire_id(step):
            return ts.found(op("StepRun", step, data=step, opts={"type": "step"}))
    missing = [step for step in ("left", "right") if not call.knows(step)]
    return ts.found(*[op("StepPlanned", step, opts={"type": "step"}) for step in missing]) if missing else (
        ts.step("tail", "t") or ts.end("all"))


class Go:
    """Ops as a plain 206, durations as Go prints them, nothing signed but what in-band sync answers."""

    HEADERS = {"X-Inngest-SDK": "go:v0.14.0", "X-Inngest-SDK-Handled": "true", "X-Inngest-Req-Version": "2"}

    @classmethod
    def found(cls, *ops: object) -> Answer:
        return Answer(206, list(ops), cls.HEADERS, has_sdk=False)

    @classmethod
    def end(cls, value: object) -> Answer:
        return Answer(200, value, cls.HEADERS, has_sdk=False)

    @classmethod
    def ran(cls, step: str, data: object) -> dict[str, object]:
        return op("StepRun", step, data=data, userland={"id": step, "index": 0}, opts={"type": "step"})


def go_everything(call: Call) -> Answer:
    for step, value in (("a", {"Name": "a"}), ("b", 2)):
        if not call.knows(step):
            return Go.found(Go.ran(step, value))
    if not call.knows("nap"):
        return Go.found(op("Sleep", "nap", name="nap", opts={"duration": "0h0m1s"}))
    for step in ("p", "q"):
        if call.target == wire_id(step):
            return Go.found(Go.ran(step, step))
    if missing := [step for step in ("p", "q") if not call.knows(step)]:
        return Go.found(*[op("StepPlanned", step, opts=None, data=None) for step in missing])
    if not call.knows("waits"):
        return Go.found(op("WaitForEvent", "waits", name="waits", opts={"timeout": "1s", "event": "go/never", "if": None}))
    if not call.knows("fails"):
        error = {"name": "Step error", "message": "oops", "data": {"code": 7}}
        return Go.found(op("StepError", "fails", error=error))
    return Go.end(call.steps)


def go_large(call: Call) -> Answer:
    """Its SDK does not know how to fetch a state."""
    if len(call.steps) < 3:
        return Go.found(Go.ran(f"s{len(call.steps)}", "x" * 1_600_000))
    return Go.end([call.json["use_api"], len(call.steps), len(call.json["events"])])


def app_under_test() -> MockApp:
    app = MockApp("shapes")
    app.function("ts-no-steps", ts_no_steps)
    app.function("ts-steps", ts_steps)
    app.function("ts-failing-step", ts_failing_step, retries=3)
    app.function("ts-gives-up", ts_gives_up, retries=3)
    app.function("ts-parallel", ts_parallel)
    go = {"Singleton": None, "checkpoint": {"batch_steps": 0, "batch_interval": 0, "max_runtime": 5_000_000_000},
          "timeouts": {"start": "1h0m0s", "finish": "2h30m0s"}, "priority": None, "cancel": None}
    app.function("go-everything", go_everything, **go)
    app.function("go-large", go_large, **go)
    for name in ("go-everything", "go-large"):
        runtime = app.functions[name]["steps"]["step"]["runtime"]
        runtime["url"] = f"{app.url}?fnId=shapes-{name}&step=step"
    return app


def test_x2_ts_without_steps(app: MockApp) -> None:
    assert len(app.completed("ts-no-steps")) == 1
    assert app.ended("ts-no-steps")["output"] == {"message": "hello"}


def test_x3_ts_steps_and_a_sleep(app: MockApp) -> None:
    calls = app.completed("ts-steps")
    assert len(calls) == 2
    assert calls[1].steps == {
        wire_id("one"): {"data": {"from": "one"}}, wire_id("two"): {"data": {"from": "two"}}, wire_id("nap"): None,
    }
    assert calls[1].ctx["stack"]["stack"] == [wire_id(step) for step in ("one", "two", "nap")]
    assert isinstance(calls[1].ctx["stack"]["current"], int)
    assert calls[1].time - calls[0].time >= 0.99
    assert all(call.json["version"] in (-1, 1, 2) for call in calls)
    run = app.ended("ts-steps")
    steps = app.server.get(f"/api/runs/{run['run_id']}")["data"]["steps"]
    assert [step["id"] for step in steps] == ["one", "two", "nap", "three"]


def test_x4_ts_a_step_that_fails_twice(app: MockApp) -> None:
    calls = app.completed("ts-failing-step")
    assert [call.attempt for call in calls] == [0, 1, 2, 0]
    assert app.ended("ts-failing-step")["output"] == "held"


def test_x4_ts_an_error_that_is_final(app: MockApp) -> None:
    run = app.ended("ts-gives-up")
    assert (run["status"], run["output"]["name"]) == ("Failed", "NonRetriableError")
    assert len(app.calls("ts-gives-up")) == 1


def test_x3_ts_parallel_steps(app: MockApp) -> None:
    calls = app.completed("ts-parallel")
    assert len([call for call in calls if call.target]) == 2
    assert len(calls) == 4, "the last step is reported in the call that ends"
    assert app.ended("ts-parallel")["output"] == "all"


def test_x5_go(app: MockApp) -> None:
    calls = app.completed("go-everything")
    assert all(call.query["step"] == "step" for call in calls), "what is in the URL besides stays"
    last = calls[-1]
    assert last.memo("nap") is None and last.memo("waits") is None
    assert last.memo("a") == {"data": {"Name": "a"}}
    assert last.memo("fails") == {"error": {"name": "Step error", "message": "oops", "data": {"code": 7}}}
    assert sorted(call.target for call in calls if call.target) == sorted([wire_id("p"), wire_id("q")])


def test_x5_go_with_a_large_state(app: MockApp) -> None:
    app.completed("go-large")
    assert app.ended("go-large")["output"] == [False, 3, 1]


class SignedApps:
    """A server with keys, and three Go apps that register in what they answer: right, forged, and overheard."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.good, self.forged, self.replayed = (MockApp(name) for name in ("good", "forged", "replayed"))
        for app in (self.good, self.forged, self.replayed):
            app.server = server
            app.function("any", self.checked, starts=[])
        self.good.on_put = lambda call: self.in_band(call, SIGNING_KEY)
        self.forged.on_put = lambda call: self.in_band(call, "signkey-test-ffffffffffffffffffffffffffffffff")
        self.replayed.on_put = lambda call: self.in_band(call, SIGNING_KEY, int(time.time()) - 600)

    def in_band(self, call: Call, key: str, at: int | None = None) -> Answer:
        if not verified(call):
            return Answer(401, {"message": "Unauthorized"}, {"X-Inngest-SDK-Handled": "true"}, has_sdk=False)
        app = call.app
        body = json.dumps({
            "app_id": app.name, "env": None, "framework": None, "functions": list(app.functions.values()),
            "inspection": {"capabilities": {"in_band_sync": "v1"}}, "platform": None, "sdk_author": "inngest",
            "sdk_language": "go", "sdk_version": "0.14.0", "url": app.url,
        }).encode()
        # The signature is that of the body without the end of line which then follows.
        headers = {"X-Inngest-Sync-Kind": "in_band", "X-Inngest-Signature": signed(key, body, at)}
        return Answer(200, body + b"\n", Go.HEADERS | headers, has_sdk=False)

    def checked(self, call: Call) -> Answer:
        if not verified(call):
            return Answer(401, {"message": "Unauthorized"}, {"X-Inngest-SDK-Handled": "true"}, has_sdk=False)
        if call.knows("a"):
            return Go.end(call.data)
        # Checkpoints carry the raw key.
        answer = call.app.server.http.post(
            f"/v1/checkpoint/{call.run}/async", headers={"Authorization": f"Bearer {SIGNING_KEY}"},
            json={"run_id": call.run, "fn_id": call.ctx["fn_id"], "qi_id": call.ctx["qi_id"],
                  "request_id": call.ctx["request_id"], "generation_id": 1, "steps": [Go.ran("a", 1)]},
        )
        return Go.found(Go.ran("a", 1)) if answer.status_code == 200 else Answer(500, answer.content)


def verified(call: Call) -> bool:
    """As the SDK does it, but for the canonical form, which a test compares: not older than five minutes."""
    header = call.headers.get("x-inngest-signature", "")
    fields = dict(field.split("=", 1) for field in header.split("&") if "=" in field)
    if "t" not in fields or time.time() - int(fields["t"]) > 300:
        return False
    return header == signed(SIGNING_KEY, call.body, int(fields["t"]))


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[SignedApps]:
    server = Server(
        tmp_path_factory.mktemp("signed"), "serve", "--event-key", "key", "--signing-key", SIGNING_KEY,
        "--poll-interval", "1s")
    apps = SignedApps(server)
    server.http.headers["Authorization"] = f"Bearer {SIGNING_KEY}"
    for app in (apps.good, apps.forged, apps.replayed):
        server.options += ["--sdk-url", app.url]
    server.start()
    yield apps
    server.child.kill()
    server.child.wait()


def test_x6_g5_a_signed_request_to_register(apps: SignedApps) -> None:
    until("the app", lambda: apps.server.get("/v1/apps/good/functions"))
    put = next(call for call in apps.good.requests if call.method == "PUT")
    assert verified(put)
    assert put.headers["x-inngest-server-kind"] == "cloud"
    assert put.body == canonical(put.json)


def test_x6_g1_calls_are_signed(apps: SignedApps) -> None:
    until("the app", lambda: apps.server.get("/v1/apps/good/functions"))
    event = apps.server.send("good/any", {"b": 1.50, "a": "é \u2028 \U0001f600", "c": 1e21, "\r": "<&>", "ß": [0.1, -0.0]})
    run = apps.server.ended(event)
    assert run["status"] == "Completed", run
    for call in apps.good.calls("any"):
        # The signature is over the bytes that came, and these are canonical.
        header = call.headers["x-inngest-signature"]
        assert header == signed(SIGNING_KEY, call.body, int(header[2:].split("&")[0]))
        assert '"data":{"\\r":"<&>","a":"é \u2028 \U0001f600","b":1.5,"c":1e+21,"ß":[0.1,0]}'.encode() in call.body


@pytest.mark.parametrize("name", ["forged", "replayed"], ids=["X6-another key", "X6-ten minutes old"])
def test_sync_answer_with_a_bad_signature(apps: SignedApps, name: str) -> None:
    app: MockApp = getattr(apps, name)
    until("two requests", lambda: len([call for call in app.requests if call.method == "PUT"]) > 1)
    assert apps.server.get(f"/v1/apps/{name}/functions") == []
    until("the reason", lambda: "signature" in apps.server.cli("apps"))
