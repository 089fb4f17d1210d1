"""Rows S of the wire checks: how apps register.

| row | where |
|---|---|
| S1–S20 | here |
| S21 | test_signed.py `test_an_app_in_dev_mode_refuses_a_server_with_keys` |
"""

import copy
import re
import typing

import httpx
import pytest
from harness import Server, until
from mock import Answer, Call, MockApp, done, op, ops

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def app_under_test() -> MockApp:
    app = MockApp("sync")
    app.function("first", [done(1)], starts=[])
    app.function("second", [done(2)], starts=[])
    return app


def register(server: Server, body: object, **headers: str) -> httpx.Response:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return server.http.post("/fn/register", headers=headers, **content)


def event(name: str, **more: object) -> dict[str, object]:
    return {"event": name} | more


def trial(app: MockApp, **config: object) -> httpx.Response:
    """Registers an app of its own with one function that has more to it."""
    function = copy.deepcopy(app.functions["first"]) | {"id": "trial-first", "triggers": [event("x/y")]} | config
    return register(app.server, app.registration(appName="trial", url=f"{app.origin}/trial", functions=[function]))


def synced(answer: httpx.Response, modified: bool) -> None:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["ok"], body["modified"]) == (True, modified)
    assert UUID.fullmatch(body["sync_id"]) and UUID.fullmatch(body["app_id"])


def test_s1_s2_registering_again_changes_nothing(app: MockApp) -> None:
    body = app.registration(appName="sync-again", functions=[app.functions["first"] | {"id": "again", "triggers": []}])
    answers = [register(app.server, body) for _ in range(2)]
    synced(answers[0], True)
    synced(answers[1], False)
    first, second = (answer.json() for answer in answers)
    assert first["app_id"] == second["app_id"] and first["sync_id"] != second["sync_id"]


def test_s3_names_of_members_in_any_case(app: MockApp) -> None:
    other = MockApp("sync-case")
    other.function("single", [ops(op("Sleep", "s", name="1h"))], starts=[], Singleton={"mode": "skip"})
    body = other.registration()
    body["appname"] = body.pop("appName")
    synced(register(app.server, body), True)
    other.server = app.server
    first = app.server.send("sync-case/single")
    other.called("single")
    second = app.server.send("sync-case/single")
    # Of two events the later one is dealt with last.
    app.server.ended(app.server.send("sync/first"))
    assert app.server.run(first)["status"] == "Running"
    assert app.server.runs(second) == []
    other.close()


def test_s4_no_name(app: MockApp) -> None:
    body = app.registration()
    del body["appName"]
    answer = register(app.server, body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "App ID required" and answer.json()["status"] == 400
    assert register(app.server, app.registration(appName="")).json()["error"] == "App ID required"


def test_s5_no_json(app: MockApp) -> None:
    answer = register(app.server, b"zz")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request: ")


def test_s6_the_wrong_kind_of_server(app: MockApp) -> None:
    answer = register(app.server, app.registration(), **{"X-Inngest-Expected-Server-Kind": "cloud"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "Expected server kind dev, got cloud"
    answer = register(app.server, app.registration(), **{"X-Inngest-Expected-Server-Kind": "dev"})
    assert answer.status_code == 200


def test_s7_s8_functions_that_are_missing_are_gone(app: MockApp) -> None:
    other = MockApp("sync-less")
    for name in ("stays", "goes"):
        other.function(name, [done(name)], starts=[], event="sync-less/both")
    other.function("asleep", [ops(op("Sleep", "s", name="3s")), done("woke")])
    other.begin(app.server)
    other.waits("asleep")
    both = app.server.send("sync-less/both")
    until("both runs", lambda: len(app.server.runs(both)) == 2)
    # S8: one of two.
    synced(register(app.server, other.registration(functions=[other.functions["stays"]])), True)
    assert app.server.ended(app.server.send("sync-less/both"))["output"] == "stays"
    known = [function["slug"] for function in app.server.get("/v1/apps/sync-less/functions")]
    assert known == ["sync-less-stays"]
    # S7: none; null is the same.
    for nothing in ([], None):
        assert register(app.server, other.registration(functions=nothing)).status_code == 200
    none = app.server.send("sync-less/both")
    assert app.server.ended(app.server.send("sync/first"))["output"] == 1
    assert app.server.runs(none) == []
    assert app.server.get("/v1/apps/sync-less/functions") == []
    # What was under way goes on where the app was last.
    assert other.ended("asleep")["output"] == "woke"
    # And it can come back.
    other.register(app.server)
    both = app.server.send("sync-less/both")
    until("both runs", lambda: len(app.server.runs(both)) == 2)
    other.close()


def steps(**changes: object) -> dict[str, object]:
    """The one step, with another URL or other members."""
    step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": "http://localhost:1/x"}, "retries": None}
    return {"steps": {"step": step | changes}}


STEP = steps()["steps"]["step"]
CANCEL = {"event": "x/stop"}
BATCH = {"maxSize": 2, "timeout": "2s"}

ACCEPTED: dict[str, dict[str, object]] = {
    "S9-10 triggers": {"triggers": [event(f"x/{n}") for n in range(10)]},
    "S9-no triggers": {"triggers": []},
    "S9-triggers null": {"triggers": None},
    "S10-cron with zone": {"triggers": [{"cron": "TZ=Europe/Paris 0 12 * * 5"}]},
    "S10-cron with the other zone": {"triggers": [{"cron": "CRON_TZ=America/New_York 0 12 * * 5"}]},
    "S10-jitter": {"triggers": [{"cron": "0 0 1 1 *", "jitter": "30s"}]},
    "S12-number": {"concurrency": 5},
    "S12-object": {"concurrency": {"limit": 2}},
    "S12-two": {"concurrency": [{"limit": 2}, {"limit": 1, "key": "event.data.user"}]},
    "S12-fn and step": {"concurrency": {"fn": [{"limit": 1}], "step": [{"limit": 2}]}},
    "S12-account with key": {"concurrency": [{"limit": 2, "scope": "account", "key": "'all'"}]},
    "S12-scope in capitals": {"concurrency": [{"limit": 2, "scope": "FN"}]},
    "S12-limit 0": {"concurrency": 0},
    "S13-batch": {"batchEvents": BATCH},
    "S13-batch with idempotency": {"batchEvents": BATCH, "idempotency": "event.data.k"},
    "S14-5s": {"debounce": {"period": "5s"}},
    "S14-unreadable timeout": {"debounce": {"period": "5s", "timeout": "soon"}},
    "S15-24 h": {"rateLimit": {"limit": 1, "period": "24h"}},
    "S16-5 entries": {"cancel": [CANCEL] * 5},
    "S17-good expression": {"triggers": [event("x/y", expression="event.data.x == 1")]},
    "S18-number": {"checkpoint": {"max_runtime": 5_000_000_000}},
    "S18-texts": {"checkpoint": {"batch_steps": 3, "batch_interval": "1s", "max_runtime": "5m"}},
    "S11-wss": steps(runtime={"type": "ws", "url": "wss://connect?fnId=trial-first"}),
    "S11-any key": {"steps": {"anything": STEP}},
    "S11-retries null": steps(retries=None),
    "S11-retries 100": steps(retries={"attempts": 100}),
    "S3-unknown members": {"whatever": {"a": [1]}},
    "S3-throttle limit 0": {"throttle": {"limit": 0, "period": "1s"}},
    "S3-priority": {"priority": {"run": "event.data.vip ? 100 : 0"}},
    "S3-singleton null": {"Singleton": None},
    "S3-Go's durations": {"debounce": {"period": "1h0m0s"}, "timeouts": {"start": "0h10m0s", "finish": "1.5h"}},
}

REFUSED: dict[str, dict[str, object]] = {
    "S9-11 triggers": {"triggers": [event(f"x/{n}") for n in range(11)]},
    "S9-twice the same": {"triggers": [event("x/y"), event("x/y")]},
    "S9-event and cron": {"triggers": [event("x/y", cron="* * * * *")]},
    "S9-neither": {"triggers": [{}]},
    "S9-name of 256": {"triggers": [event("x" * 256)]},
    "S10-6 fields": {"triggers": [{"cron": "* * * * * *"}]},
    "S10-@daily": {"triggers": [{"cron": "@daily"}]},
    "S10-@every": {"triggers": [{"cron": "@every 5m"}]},
    "S10-nonsense": {"triggers": [{"cron": "now and then"}]},
    "S10-zone alone": {"triggers": [{"cron": "TZ=UTC"}]},
    "S10-unknown zone": {"triggers": [{"cron": "TZ=Europe/Nowhere 0 12 * * 5"}]},
    "S10-jitter of 6 m": {"triggers": [{"cron": "* * * * *", "jitter": "6m"}]},
    "S11-no steps": {"steps": {}},
    "S11-two steps": {"steps": {"a": STEP, "b": STEP}},
    "S11-no url": steps(runtime={"type": "http"}),
    "S11-ftp": steps(runtime={"type": "http", "url": "ftp://localhost/x"}),
    "S11-no name": steps(name=""),
    "S12-three": {"concurrency": [{"limit": 1}] * 3},
    "S12-account without key": {"concurrency": [{"limit": 1, "scope": "account"}]},
    "S12-unknown scope": {"concurrency": [{"limit": 1, "scope": "planet", "key": "'x'"}]},
    "S12-two of fn": {"concurrency": {"fn": [{"limit": 1}, {"limit": 1}]}},
    "S12-bad key": {"concurrency": [{"limit": 1, "key": "event.data.x ==="}]},
    "S13-maxSize 1": {"batchEvents": {"maxSize": 1, "timeout": "2s"}},
    "S13-timeout 1d": {"batchEvents": {"maxSize": 2, "timeout": "1d"}},
    "S13-timeout 500ms": {"batchEvents": {"maxSize": 2, "timeout": "500ms"}},
    "S13-no timeout": {"batchEvents": {"maxSize": 2}},
    "S13-with cancel": {"batchEvents": BATCH, "cancel": [CANCEL]},
    "S13-with debounce": {"batchEvents": BATCH, "debounce": {"period": "1s"}},
    "S13-with singleton": {"batchEvents": BATCH, "singleton": {"mode": "skip"}},
    "S13-with priority": {"batchEvents": BATCH, "priority": {"run": "1"}},
    "S14-8d": {"debounce": {"period": "8d"}},
    "S14-500ms": {"debounce": {"period": "500ms"}},
    "S14-no period": {"debounce": {"key": "event.data.x"}},
    "S15-25 h": {"rateLimit": {"limit": 1, "period": "25h"}},
    "S15-limit 0": {"rateLimit": {"limit": 0, "period": "1h"}},
    "S15-no period": {"rateLimit": {"limit": 1}},
    "S16-6 entries": {"cancel": [CANCEL] * 6},
    "S16-bad if": {"cancel": [CANCEL | {"if": "event.data.x ==="}]},
    "S17-syntax": {"triggers": [event("x/y", expression="event.data.x === 1")]},
    "S17-unknown name": {"triggers": [event("x/y", expression="foo.x == 1")]},
    "S18-not an object": {"checkpoint": 5},
    "S3-singleton of another mode": {"singleton": {"mode": "whatever"}},
    "S3-throttle without period": {"throttle": {"limit": 1}},
    "S3-bad priority": {"priority": {"run": "event.data.x +"}},
    "S3-bad idempotency": {"idempotency": "event.data.x +"},
    "S3-no name of the function": {"name": ""},
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_sync_accepts(app: MockApp, row: str) -> None:
    answer = trial(app, **ACCEPTED[row])
    assert answer.status_code == 200, answer.text
    assert [function["slug"] for function in app.server.get("/v1/apps/trial/functions")] == ["trial-first"]


@pytest.mark.parametrize("row", REFUSED)
def test_sync_refuses(app: MockApp, row: str) -> None:
    answer = trial(app, **REFUSED[row])
    assert answer.status_code == 400, answer.text
    body = answer.json()
    if body["error"].startswith("Invalid request: "):
        # The reason is behind it.
        assert len(body["error"]) > len("Invalid request: ")
    else:
        assert body["error"] == "At least one function is invalid" and body["status"] == 400
        assert body["data"]["message"] and body["data"]["function"] in ("trial-first", "")


def test_s9_one_bad_function_refuses_them_all(app: MockApp) -> None:
    good, bad = app.functions["first"] | {"id": "all-good"}, app.functions["second"] | {"id": "all-bad", "name": ""}
    answer = register(app.server, app.registration(appName="all", functions=[good, bad]))
    assert answer.status_code == 400
    assert app.server.get("/v1/apps/all/functions") == []


def test_s7_an_app_is_removed_by_its_url(app: MockApp) -> None:
    other = MockApp("sync-removed")
    other.function("any", [done()], starts=[])
    other.register(app.server)
    assert app.server.http.delete("/fn/remove", params={"url": other.url}).status_code == 200
    assert app.server.get("/v1/apps/sync-removed/functions") == []
    answer = app.server.http.delete("/fn/remove", params={"url": "http://localhost:1/none"})
    assert answer.status_code == 404
    assert answer.json() == {"error": "App not found: http://localhost:1/none", "data": None, "status": 404}
    other.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[tuple[Server, MockApp, MockApp]]:
    """A server that was told of two apps: one registers with a request of its own, the other in its answer."""
    server = Server(tmp_path_factory.mktemp("asked"), "dev", "--poll-interval", "1s")
    outward, inward = MockApp("outward"), MockApp("inward")
    outward.server = inward.server = server
    outward.function("any", [done("o")], starts=[])
    inward.function("any", [done("i")], starts=[])

    def answer_outward(call: Call) -> Answer:
        outward.register(server)
        return done({"message": "Successfully registered", "modified": True}, X_Inngest_Sync_Kind="out_of_band")

    def answer_inward(call: Call) -> Answer:
        body = {
            "app_id": "inward", "env": None, "framework": "none", "functions": list(inward.functions.values()),
            "platform": None, "sdk_author": "inngest", "sdk_language": "py", "sdk_version": "0.5.18",
            "url": inward.url, "inspection": {},
        }
        return done(body, X_Inngest_Sync_Kind="in_band")

    outward.on_put, inward.on_put = answer_outward, answer_inward
    server.options += ["--sdk-url", outward.url, "--sdk-url", inward.url]
    server.start()
    yield server, outward, inward
    server.child.kill()
    server.child.wait()


def test_s19_the_server_asks_the_apps_it_was_told_of(asked: tuple[Server, MockApp, MockApp]) -> None:
    server, outward, _ = asked
    put = until("a PUT", lambda: [call for call in outward.requests if call.method == "PUT"])[0]
    assert put.path == "/api/inngest"
    assert put.headers["x-inngest-server-kind"] == "dev"
    assert put.headers["content-type"] == "application/json"
    assert "x-inngest-sync-kind" not in put.headers and "x-inngest-signature" not in put.headers
    assert put.json["url"].replace("localhost", "127.0.0.1") == outward.url
    until("the app", lambda: server.get("/v1/apps/outward/functions"))
    assert server.ended(server.send("outward/any"))["output"] == "o"
    until("another PUT", lambda: len([call for call in outward.requests if call.method == "PUT"]) > 2)


def test_s20_an_app_that_registers_in_its_answer(asked: tuple[Server, MockApp, MockApp]) -> None:
    server, _, inward = asked
    until("the app", lambda: server.get("/v1/apps/inward/functions"))
    assert server.ended(server.send("inward/any"))["output"] == "i"
    assert inward.calls("any")
