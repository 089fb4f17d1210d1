"""Rows E of the wire checks: the event API.

| row | where |
|---|---|
| E1–E17, E19–E21 | here |
| E13 | also with the real SDK: test_flow.py `test_an_event_id_counts_once` |
| E18 | ../test_signed.py `test_who_may_ask` |
"""

import json
import re
import time

import httpx
import pytest
from mock import MockApp, done, gzipped

ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
NOT_EVENTS = "Request body must contain an event object or an array of event objects"
SEED = "1700000000000,AAECAwQFBgcICQ=="


def app_under_test() -> MockApp:
    app = MockApp("events")
    app.function("seen", lambda call: done(call.json["event"]), starts=[])
    app.function("seeded", lambda call: done(call.json["event"]["id"]), starts=[])
    app.function("once", [done()], starts=[])
    app.function("later", [done()], starts=[])
    app.function("invoked", lambda call: done(call.json["event"]), starts=[], triggers=[])
    return app


def large_app() -> MockApp:
    return MockApp("many")


def post(app: MockApp, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return app.server.http.post("/e/k", content=content, headers=headers)


def accepted(answer: httpx.Response, count: int = 1) -> list[str]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == 200 and "error" not in body
    assert len(body["ids"]) == count and all(ULID.fullmatch(id) for id in body["ids"])
    return body["ids"]


def refused(answer: httpx.Response, text: str = "") -> None:
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["status"] == 400 and body["ids"] == []
    assert text in body["error"]


@pytest.mark.parametrize("type", [None, "application/json", "text/plain"], ids=["E1", "E1-JSON", "E1-text"])
def test_event_is_accepted(app: MockApp, type: str | None) -> None:
    accepted(post(app, {"name": "a"}, **({"Content-Type": type} if type else {})))


def test_e2_ids_come_in_order(app: MockApp) -> None:
    ids = accepted(post(app, [{"name": "events/a"}, {"name": "events/b"}]), 2)
    names = [app.server.get(f"/v1/events/{id}")["data"]["name"] for id in ids]
    assert names == ["events/a", "events/b"]


def test_e3_the_id_that_was_sent(app: MockApp) -> None:
    (id,) = accepted(post(app, {"name": "events/seen", "id": "mine"}))
    assert id != "mine"
    assert app.server.ended(id)["output"]["id"] == "mine"
    event = app.server.get(f"/v1/events/{id}")["data"]
    assert (event["internal_id"], event["id"]) == (id, "mine")


REFUSED = {
    "E4-no name": ({"data": {}}, "event name is empty"),
    "E4-empty name": ({"name": ""}, "event name is empty"),
    "E5-inngest/": ({"name": "inngest/x"}, "event name is reserved for internal use: inngest/x"),
    "E5-Inngest/": ({"name": "Inngest/x"}, "event name is reserved for internal use: Inngest/x"),
    "E6-string": ("x", NOT_EVENTS),
    "E6-number": (5, NOT_EVENTS),
    "E6-null": (None, NOT_EVENTS),
    "E6-gzip": (gzipped(b'{"name":"a"}'), NOT_EVENTS),
    "E7-data is a list": ({"name": "a", "data": [1]}, ""),
    "E7-data is text": ({"name": "a", "data": "s"}, ""),
    "E7-id is a number": ({"name": "a", "id": 5}, ""),
    "E7-ts is a fraction": ({"name": "a", "ts": 1.5}, ""),
    "E7-ts is text": ({"name": "a", "ts": "5"}, ""),
    "E7-user is text": ({"name": "a", "user": "u"}, ""),
    "E7-name is a number": ({"name": 5}, ""),
    "E7-something behind it": (b'{"name":"a"} {"name":"b"}', ""),
    "E7-list of a number": ([5], ""),
    "E9-ts of 1970": ({"name": "a", "ts": 1}, "timestamp is before Jan 1, 1980"),
    "E9-ts below zero": ({"name": "a", "ts": -5}, "timestamp is before Jan 1, 1980"),
    "E9-ts of 5138": ({"name": "a", "ts": 99_999_999_999_999}, "timestamp is after Jan 1, 2100"),
    "E10-5001 events": ([{"name": "a"}] * 5001, "Cannot have more than 5000 events in a batch"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_event_is_refused(app: MockApp, row: str) -> None:
    body, text = REFUSED[row]
    refused(post(app, body), text)


def test_e4_one_bad_event_and_none_is_kept(app: MockApp) -> None:
    refused(post(app, [{"name": "events/half"}, {"data": {}}]), "event name is empty")
    accepted(post(app, {"name": "events/whole"}))
    assert app.server.get("/v1/events?name=events/half")["data"] == []


@pytest.mark.parametrize("fields", [{"data": None}, {}, {"ts": 0}], ids=["E8-data null", "E8-data absent", "E8-ts 0"])
def test_event_is_completed(app: MockApp, fields: dict[str, object]) -> None:
    before = time.time() * 1000
    (id,) = accepted(post(app, {"name": "events/seen"} | fields))
    event = app.server.ended(id)["output"]
    assert event["data"] == {} and event["user"] == {}
    assert before - 1000 <= event["ts"] <= time.time() * 1000 + 1000


def test_e10_5000_events(large: MockApp) -> None:
    ids = accepted(post(large, [{"name": "events/many"}] * 5000), 5000)
    assert len(set(ids)) == 5000


def event_of(bytes_wanted: int) -> bytes:
    empty = b'{"name":"events/large","data":{"text":""}}'
    return empty.replace(b'""', b'"' + b"x" * (bytes_wanted - len(empty)) + b'"')


def test_e11_the_largest_event(large: MockApp) -> None:
    refused(post(large, event_of(3_145_760)), "Event is over the max size: Max 3145728 bytes / Size 3145760 bytes")
    accepted(post(large, event_of(3_145_700)))


@pytest.mark.parametrize("body", [b"", b"[]", b"  "], ids=["E12-empty", "E12-list", "E12-spaces"])
def test_event_is_none_at_all(app: MockApp, body: bytes) -> None:
    answer = post(app, body)
    assert (answer.status_code, answer.json()) == (200, {"ids": [], "status": 200})


def test_e13_the_same_id_twice(app: MockApp) -> None:
    first, second = (accepted(post(app, {"name": "events/once", "id": "twice"}))[0] for _ in range(2))
    assert first != second
    app.server.ended(first)
    other = accepted(post(app, {"name": "events/once", "id": "another"}))[0]
    app.server.ended(other)
    assert app.server.runs(second) == []
    assert len(app.calls("once")) == 2


def test_e14_ids_from_a_seed(app: MockApp) -> None:
    events = [{"name": "events/seeded"}, {"name": "events/seeded"}]
    for _ in range(2):
        ids = accepted(post(app, events, **{"X-Inngest-Event-Id-Seed": SEED}), 2)
        assert ids == ["01HF7YAT00000G40R40M30E20A", "01HF7YAT00000G40R40M30E20B"]
    assert {call.run for call in app.called("seeded", 2)} != set()
    app.server.ended(accepted(post(app, {"name": "events/seeded"}))[0])
    assert len(app.calls("seeded")) == 3


@pytest.mark.parametrize(
    "seed", ["nonsense", "1700000000000", "1700000000000,AAEC", "x,AAECAwQFBgcICQ==", ",", "1700000000000,###"],
    ids=lambda seed: f"E15-{seed}",
)
def test_event_with_a_bad_seed(app: MockApp, seed: str) -> None:
    first = accepted(post(app, {"name": "a"}, **{"X-Inngest-Event-Id-Seed": seed}))
    assert first != accepted(post(app, {"name": "a"}, **{"X-Inngest-Event-Id-Seed": seed}))


def test_e16_a_time_that_is_to_come(app: MockApp) -> None:
    due = time.time() + 4
    (id,) = accepted(post(app, {"name": "events/later", "ts": int(due * 1000)}))
    assert app.server.run(id)["status"] in ("Scheduled", "Running")
    assert app.server.ended(id)["status"] == "Completed"
    (call,) = app.calls("later")
    assert call.wall >= due - 0.01


def test_e17_data_of_the_servers_own(app: MockApp) -> None:
    (id,) = accepted(post(app, {"name": "events/seen", "data": {"_inngest": {"fn_id": "x"}, "a": 1}}))
    assert app.server.get(f"/v1/events/{id}")["data"]["data"] == {"a": 1}
    assert app.server.ended(id)["output"]["data"] == {"a": 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"], ids=lambda method: f"E19-{method}")
def test_event_by_another_method(app: MockApp, method: str) -> None:
    assert app.server.http.request(method, "/e/k").status_code == 405


def test_e20_invoke(app: MockApp) -> None:
    answer = app.server.http.post("/invoke/events-invoked", json={"data": {"a": 1}, "user": {"u": 2}, "name": "mine"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == 200 and ULID.fullmatch(body["id"])
    event = app.server.ended(body["id"])["output"]
    assert event["name"] == "inngest/function.invoked"
    assert event["user"] == {"u": 2}
    assert event["data"].pop("_inngest")["fn_id"] == "events-invoked"
    assert event["data"] == {"a": 1}


@pytest.mark.parametrize("body", [b"[]", b'{"data":[]}', b"zz", b"null"], ids=lambda body: f"E21-{body.decode()}")
def test_event_of_an_invoke_is_refused(app: MockApp, body: bytes) -> None:
    answer = app.server.http.post("/invoke/events-invoked", content=body)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Unable to read post data request", "data": None, "status": 400}


def test_e1_preflight_and_kind(app: MockApp) -> None:
    answer = app.server.http.options(
        "/e/k",
        headers={
            "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-inngest-sdk",
        },
    )
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-inngest-sdk" in answer.headers["access-control-allow-headers"].lower()
    assert answer.headers["access-control-max-age"] == "3600"
    assert post(app, {"name": "a"}).headers["x-inngest-server-kind"] == "dev"
