"""An app without an SDK: answers calls with whatever a test wants, and keeps all that it was asked."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
import typing
import urllib.parse

from harness import Server, until


def wire_id(step: str) -> str:
    """What SDKs send in place of a step's id."""
    return hashlib.sha1(step.encode()).hexdigest()


def canonical(value: object) -> bytes:
    """RFC 8785, for values without numbers that are not whole."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(key: str, body: bytes, at: int | None = None) -> str:
    """The signature header."""
    raw = key.split("-", 2)[2] if key.startswith("signkey-") else key
    seconds = str(int(time.time()) if at is None else at)
    return f"t={seconds}&s={hmac.new(raw.encode(), body + seconds.encode(), hashlib.sha256).hexdigest()}"


@dataclasses.dataclass
class Call:
    """A request that the app got."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    #: Of its run, from 0.
    number: int
    #: Seconds, of a clock that never goes back, and of the wall.
    time: float
    wall: float
    app: MockApp
    answered: float | None = None

    @property
    def json(self) -> typing.Any:
        return json.loads(self.body)

    @property
    def ctx(self) -> dict[str, typing.Any]:
        return self.json["ctx"]

    @property
    def run(self) -> str:
        return self.headers.get("x-run-id", "")

    @property
    def attempt(self) -> int:
        return self.ctx["attempt"]

    @property
    def steps(self) -> dict[str, typing.Any]:
        return self.json["steps"]

    @property
    def data(self) -> dict[str, typing.Any]:
        return self.json["event"]["data"]

    @property
    def target(self) -> str | None:
        """The wire id of the step it is made for."""
        return None if self.query.get("stepId") == "step" else self.query.get("stepId")

    def memo(self, step: str) -> typing.Any:
        return self.steps[wire_id(step)]

    def knows(self, step: str) -> bool:
        return wire_id(step) in self.steps

    def checkpoint(self, *ops: object, run: str | None = None, **fields: object):
        """Reports steps while the call goes on."""
        ctx = self.ctx
        body = {
            "run_id": run or self.run,
            "fn_id": ctx["fn_id"],
            "qi_id": ctx["qi_id"],
            "request_id": ctx["request_id"],
            "generation_id": ctx["generation_id"],
            "request_started_at": int(self.wall * 1000),
            "ts": int(self.wall * 1000),
            "steps": list(ops),
        } | fields
        return self.app.server.http.post(f"/v1/checkpoint/{self.run}/async", json=body)


@dataclasses.dataclass
class Answer:
    status: int
    #: Bytes as they are, anything else as JSON.
    body: typing.Any = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    has_sdk: bool = True

    def send(self, handler: Handler) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = ({"X-Inngest-SDK": "x-y:v1"} if self.has_sdk else {}) | {"Content-Type": "application/json"}
        handler.send_response(self.status)
        for name, value in (headers | self.headers).items():
            handler.send_header(name, value)
        if self.status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@dataclasses.dataclass
class Raw:
    """Bytes, after which the connection ends."""

    parts: typing.Iterable[bytes]

    def send(self, handler: Handler) -> None:
        handler.close_connection = True
        for part in self.parts:
            handler.wfile.write(part)
            handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)


Script = typing.Callable[[Call], typing.Any]


def done(value: object = None, status: int = 200, **headers: str) -> Answer:
    return Answer(status, value, named(headers))


def ops(*every: object, version: int = 2, **headers: str) -> Answer:
    return Answer(206, list(every), {"X-Inngest-Req-Version": str(version)} | named(headers))


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def op(kind: str, step: str, **fields: object) -> dict[str, object]:
    return {
        "op": kind, "id": wire_id(step), "name": step, "displayName": step, "userland": {"id": step}, "opts": {},
    } | fields


def ran(step: str, data: object = None) -> dict[str, object]:
    return op("StepRun", step, data=data)


def planned(step: str) -> dict[str, object]:
    return op("StepPlanned", step)


NO_RETRY = {"X-Inngest-No-Retry": "true"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MockServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        app = self.server.app
        call, script = app.note(self.command, split.path, query, headers, body)
        try:
            answer = script(call)
        except Exception as error:
            app.problems.append(f"{self.path}: {error!r}")
            answer = Answer(500, {"name": "MockError", "message": repr(error)}, NO_RETRY)
        call.answered = time.monotonic()
        try:
            answer.send(self)
        except (OSError, ValueError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = respond

    def log_message(self, *_: object) -> None:
        pass


class MockServer(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    app: MockApp

    def handle_error(self, *_: object) -> None:
        pass


class MockApp:
    """Functions with a script each, and the events that start them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: dict[str, dict[str, typing.Any]] = {}
        self.scripts: dict[str, Script] = {}
        self.pages: dict[str, Script] = {}
        self.starting: dict[str, list[dict[str, object]]] = {}
        self.events: dict[str, list[str]] = {}
        self.requests: list[Call] = []
        self.problems: list[str] = []
        self.lock = threading.Lock()
        self.server: Server = None  # type: ignore[assignment]
        self.http = MockServer(("127.0.0.1", 0), Handler)
        self.http.app = self
        self.port = self.http.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/api/inngest"
        self.on_put: Script = lambda call: done({"message": "nothing new"})
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    # What it is made of

    def function(
        self,
        name: str,
        script: Script | list[typing.Any],
        *,
        retries: int = 1,
        starts: list[dict[str, object]] | None = None,
        event: str | None = None,
        **config: object,
    ) -> None:
        """A function started by an event `<app>/<name>`.

        - script: an answer for each call of a run, the last of them for all further ones; or what makes them.
        - starts: data of the events that are sent as soon as the app is registered; one, unless said otherwise.
        """
        slug = f"{self.name}-{name}"
        if isinstance(script, list):
            answers = script
            script = lambda call: answers[min(call.number, len(answers) - 1)]  # noqa: E731
        self.scripts[slug] = script
        self.functions[name] = {
            "id": slug,
            "name": name,
            "triggers": [{"event": event or f"{self.name}/{name}"}],
            "steps": {
                "step": {
                    "id": "step",
                    "name": "step",
                    "runtime": {"type": "http", "url": f"{self.url}?fnId={slug}&stepId=step"},
                    "retries": {"attempts": retries},
                }
            },
        } | config
        self.starting[name] = [{}] if starts is None else starts

    def page(self, path: str, script: Script) -> None:
        """Something else that it serves."""
        self.pages[path] = script

    def registration(self, **fields: object) -> dict[str, object]:
        return {
            "appName": self.name, "url": self.url, "sdk": "mock:v1", "framework": "none", "v": "0.1",
            "deployType": "ping", "functions": list(self.functions.values()),
        } | fields

    def register(self, server: Server) -> None:
        self.server = server
        answer = server.http.post("/fn/register", json=self.registration())
        assert answer.status_code == 200, answer.text

    def begin(self, server: Server) -> None:
        """Registers it and sends all events of `starts`."""
        self.register(server)
        for name, starts in self.starting.items():
            if starts:
                trigger = self.functions[name]["triggers"][0]["event"]
                self.events[name] = server.send_all([{"name": trigger, "data": data} for data in starts])

    # What came

    def note(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes):
        with self.lock:
            slug = query.get("fnId", "")
            run = headers.get("x-run-id", "")
            number = sum(1 for call in self.requests if call.run == run and call.query.get("fnId") == slug) if run else 0
            call = Call(method, path, query, headers, body, number, time.monotonic(), time.time(), self)
            self.requests.append(call)
        if path in self.pages:
            return call, self.pages[path]
        if method == "PUT":
            return call, self.on_put
        return call, self.scripts.get(slug, lambda call: Answer(500, {"message": f"no function {slug}"}))

    def calls(self, name: str, run: str | None = None) -> list[Call]:
        slug = f"{self.name}-{name}"
        with self.lock:
            return [
                call
                for call in self.requests
                if call.query.get("fnId") == slug and call.path not in self.pages and (run is None or call.run == run)
            ]

    def asked(self, path: str) -> list[Call]:
        with self.lock:
            return [call for call in self.requests if call.path == path]

    def called(self, name: str, times: int = 1, seconds: float = 60) -> list[Call]:
        """Its calls, once there are so many."""
        return until(
            f"call {times} of {name}", lambda: calls if len(calls := self.calls(name)) >= times else None, seconds
        )

    def ended(self, name: str, number: int = 0, seconds: float = 60) -> dict[str, typing.Any]:
        """The run that an event of `starts` began, once it has ended."""
        return self.server.ended(self.events[name][number], seconds)

    def completed(self, name: str, number: int = 0) -> list[Call]:
        """The calls of that run, which has completed."""
        run = self.ended(name, number)
        assert self.problems == []
        assert run["status"] == "Completed", run
        return self.calls(name, run["run_id"])

    def end_of(self, run: str, seconds: float = 60) -> dict[str, typing.Any]:
        def look() -> dict[str, typing.Any] | None:
            now = self.server.get(f"/v1/runs/{run}")["data"]
            return now if now["status"] in ("Completed", "Failed", "Cancelled") else None

        return until(f"the end of run {run}", look, seconds)

    def waits(self, name: str, number: int = 0) -> str:
        """The id of a run that was called and now waits for something."""
        run = self.server.run(self.events[name][number])["run_id"]
        until(f"{name} to wait", lambda: self.is_waiting(run))
        return run

    def is_waiting(self, run: str) -> bool:
        return any(step["status"] == "waiting" for step in self.server.get(f"/api/runs/{run}")["data"]["steps"])


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body)
