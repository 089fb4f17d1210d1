"""Keys on both sides: `daybook serve`, and an app in cloud mode."""

import hashlib
import os
import subprocess

import httpx
from harness import PROGRAM, free_port, until

SIGNING_KEY = "signkey-test-0123456789abcdef0123456789abcdef"
OLD_KEY = "signkey-test-fedcba9876543210fedcba9876543210"
HASH = hashlib.sha256(bytes.fromhex(SIGNING_KEY.removeprefix("signkey-test-"))).hexdigest()


def signed_environment(server, signing_key: str = SIGNING_KEY) -> dict[str, str]:
    origin = f"http://127.0.0.1:{server.port}"
    return {
        "APP_SIGNED": "1",
        "INNGEST_DEV": "0",
        "INNGEST_BASE_URL": origin,
        "INNGEST_API_BASE_URL": origin,
        "INNGEST_EVENT_API_BASE_URL": origin,
        "INNGEST_EVENT_KEY": "secret-event-key",
        "INNGEST_SIGNING_KEY": signing_key,
    }


def signed_world(world, app_key: str = SIGNING_KEY, **more: str):
    server = world.server("serve", "--event-key", "secret-event-key", "--signing-key", SIGNING_KEY, **more)
    server.event_key = "secret-event-key"
    server.http.headers["Authorization"] = f"Bearer {SIGNING_KEY}"
    app = world.app("flask", server, **signed_environment(server, app_key))
    app.start()
    server.start(app)
    return server, app


def test_signed_from_the_registration_to_the_end_of_the_run(world) -> None:
    server, app = signed_world(world)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    event = server.send("test/every-step", {"id": 1})
    until("the wait", lambda: "met" in server.cli("runs", "--function", "flask-every-step"))
    server.send("test/answer", {"id": 1})
    run = server.ended(event)
    assert run["status"] == "Completed", run
    calls = app.log("call", method="POST")
    assert calls and all(call["headers"]["x-inngest-signature"].startswith("t=") for call in calls)
    put = app.log("call", method="PUT")[0]["headers"]
    assert put["x-inngest-server-kind"] == "cloud" and "x-inngest-signature" in put
    state = server.ended(server.send("test/big-state"))
    assert (state["status"], state["output"]) == ("Completed", 6_000_000)


def test_who_may_ask(world) -> None:
    server, _ = signed_world(world)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    url = f"http://127.0.0.1:{server.port}"
    good = [SIGNING_KEY, SIGNING_KEY.removeprefix("signkey-test-"), HASH, f"signkey-prod-{HASH}"]
    for token in good:
        for scheme in ("Bearer", "bearer"):
            answer = httpx.get(f"{url}/v1/events", headers={"Authorization": f"{scheme} {token}"})
            assert answer.status_code == 200, token
    ascii_hash = hashlib.sha256(SIGNING_KEY.removeprefix("signkey-test-").encode()).hexdigest()
    for header in ({}, {"Authorization": "Basic abc"}, {"Authorization": f"Bearer {ascii_hash}"}):
        answer = httpx.get(f"{url}/v1/events", headers=header)
        assert (answer.status_code, answer.text.strip()) == (401, "Authentication failed")
    assert httpx.post(f"{url}/fn/register", json={"appName": "x"}).status_code == 401
    assert httpx.post(f"{url}/e/wrong", json={"name": "a"}).json()["error"] == "Event key not found"
    assert httpx.post(f"{url}/e/secret-event-key", json={"name": "a"}).status_code == 200
    assert httpx.get(f"{url}/health").status_code == 200


def test_an_app_refuses_calls_with_a_wrong_signature_and_takes_its_fallback_key(world) -> None:
    server, app = signed_world(world)
    until("the app to register", lambda: server.get("/v1/apps/flask/functions"))
    body = '{"ctx":{},"event":{},"events":[],"steps":{},"use_api":false}'
    answer = httpx.post(
        app.url, params={"fnId": "flask-double", "stepId": "step"}, content=body,
        headers={"X-Inngest-Signature": "t=1&s=00"},
    )
    assert answer.status_code == 401

    app.end()
    app.environment["INNGEST_SIGNING_KEY"] = OLD_KEY
    app.environment["INNGEST_SIGNING_KEY_FALLBACK"] = SIGNING_KEY
    app.start()
    assert server.ended(server.send("test/double", {"n": 4}))["output"] == 8


def test_an_app_in_dev_mode_refuses_a_server_with_keys(world) -> None:
    server = world.server("serve", "--event-key", "k", "--signing-key", SIGNING_KEY)
    app = world.app("flask", server)
    app.start()
    answer = httpx.put(app.url, json={"url": app.url}, headers={"X-Inngest-Server-Kind": "cloud"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "server_kind_mismatch"
    server.start(app)
    until("the reason", lambda: "expected Dev Server" in server.cli("apps"))


def test_no_keys_beyond_this_machine(tmp_path) -> None:
    refused = subprocess.run(
        [PROGRAM, "serve", "--data", str(tmp_path / "var"), "--host", "0.0.0.0", "--port", str(free_port())],
        capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]},
    )
    assert refused.returncode == 64 and "--signing-key" in refused.stderr, refused.stderr
