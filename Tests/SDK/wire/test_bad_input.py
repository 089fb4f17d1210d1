"""What makes no sense, or is meant badly: a clear status and message, nothing lost, no other app harmed.

Bad and replayed signatures: test_sdk_shapes.py (answers of apps), test_signed.py (tokens of requests).
"""

import json
import pathlib
import signal
import socket
import subprocess
import threading
import time
import typing

import pytest
from harness import PROGRAM, Server, until
from mock import Answer, Call, MockApp, Raw, done, gzipped, op, ops, planned, ran, wire_id

DEEP = 100_000
#: Set at the end; until then some calls are not answered.
RELEASED = threading.Event()
HEAD = b"HTTP/1.1 200 OK\r\nX-Inngest-SDK: x-y:v1\r\n"


class World(typing.NamedTuple):
    server: Server
    bad: MockApp
    #: Whatever happens to the other one, this one works.
    good: MockApp
    #: Asked to register, they do not answer or make no sense.
    silent: MockApp
    confused: MockApp


def hang(call: Call) -> Answer:
    RELEASED.wait(120)
    return done("late")


def endless(head: bytes, part: bytes, count: int) -> Raw:
    return Raw(part if number else head for number in range(count + 1))


#: What the app answers, and a text of the error that the run fails with; None: it completes.
ANSWERS: dict[str, tuple[object, str | None]] = {
    "garbage": (Raw([b"garbage\r\n\r\n"]), ""),
    "nothing": (Raw([]), "closed the request before finishing"),
    "closes after the headers": (Raw([HEAD + b"Content-Length: 100\r\n\r\n"]), ""),
    "closes in the middle": (Raw([HEAD + b"Content-Length: 100\r\n\r\n{\"a\":"]), ""),
    "closes in a chunk": (Raw([HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"]), ""),
    "length that is none": (Raw([HEAD + b"Content-Length: many\r\n\r\n{}"]), ""),
    "chunk that is none": (Raw([HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"]), ""),
    "header of 2 MB": (Raw([HEAD + b"X-Long: " + b"x" * 2_000_000 + b"\r\nContent-Length: 0\r\n\r\n"]), ""),
    "100,000 headers": (Raw([HEAD + b"X-A: b\r\n" * 100_000 + b"Content-Length: 0\r\n\r\n"]), ""),
    "answer of 9 MB": (Answer(200, "x" * 9_000_000), "output_too_large"),
    "answer without end": (
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n", 400),
        "output_too_large",
    ),
    "spaces without end": (
        endless(HEAD.replace(b"200 OK", b"201 Created") + b"\r\n", b" " * 65_536, 400), "output_too_large",
    ),
    "gzip of 300 MB": (Answer(200, gzipped(b"0" * 300_000_000), {"Content-Encoding": "gzip"}), "output_too_large"),
    "unknown compression": (Answer(200, b"abc", {"Content-Encoding": "zstd"}), "Content-Encoding 'zstd'"),
    "10,000 ops": (ops(*[ran(f"s{number}") for number in range(10_000)]), "InngestErrFunctionOverflowed"),
    "10,000 plans": (ops(*[planned(f"s{number}") for number in range(10_000)]), "InngestErrFunctionOverflowed"),
    "step of 5 MB": (ops(ran("s", "x" * 5_000_000)), "step output size is greater than the limit"),
    "deep op": (Answer(206, b'[{"op":"StepRun","id":"a","data":' + b"[" * DEEP + b"]" * DEEP + b"}]"), ""),
    "deep ops": (Answer(206, b"[" * DEEP + b"]" * DEEP), ""),
    "op without id": (Answer(206, [{"op": "StepRun", "data": 1}]), ""),
    "op with a number as id": (Answer(206, [{"op": "StepRun", "id": 5, "data": 1}]), ""),
    "op with a number as name": (Answer(206, [{"op": 5, "id": "a"}]), ""),
    "ops as text": (Answer(206, '[{"op":"StepRun"}]'), ""),
    "cut off ops": (Answer(206, b'[{"op":"StepRun","id":"a","da'), ""),
    "not UTF-8": (Answer(206, b'[{"op":"StepRun","id":"\xff\xfe","data":1}]'), ""),
    "error that is text": (ops(op("StepError", "s", error="bang")), ""),
    "redirects in a circle": (Answer(307, b"", {"Location": "/again"}, has_sdk=False), ""),
    "redirect to another scheme": (Answer(307, b"", {"Location": "ftp://localhost/x"}), ""),
    "redirect to nowhere": (Answer(307, b""), ""),
    "status 99": (Raw([b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"]), ""),
    "sleep of an object": (ops(op("Sleep", "s", name={"a": 1})), ""),
    "invoke of a number": (ops(op("InvokeFunction", "i", opts={"function_id": 5})), ""),
    "opts that are a list": (ops(op("WaitForEvent", "w", opts=[1])), ""),
    "early hints": (
        Raw([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + HEAD + b"Content-Length: 3\r\n\r\n\"a\""]), None,
    ),
    "version that is none": (Answer(200, "a", {"X-Inngest-Req-Version": "abc"}), None),
    "no length at all": (Raw([HEAD + b"\r\n\"a\""]), None),
}


def slug(row: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in row)


#: Ids of steps that have to go through journal and API unchanged.
ODD_IDS = ["", "a" * 10_000, "#abc", "../../x", "a\nb", "\u0000", "é \U0001f600", "%2e%2e"]


def odd_ids(call: Call) -> Answer:
    return ops(*[{"op": "StepRun", "id": id, "data": number} for number, id in enumerate(ODD_IDS[1:])]) if (
        not call.steps) else done(call.steps)


def other_step(call: Call) -> Answer:
    """Called for a step, it does another one."""
    if call.target:
        return ops(ran(f"other-{call.target}", 1))
    return done(sorted(call.steps)) if call.steps else ops(planned("p"), planned("q"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[World]:
    server = Server(tmp_path_factory.mktemp("bad"), "dev", "--poll-interval", "1s", "--drain", "1s")
    world = World(server, *(MockApp(name) for name in ("bad", "good", "silent", "confused")))
    for app in world[1:]:
        app.server = server
    world.silent.on_put = hang
    world.confused.on_put = lambda call: Answer(200, b"\x00{{{", {"X-Inngest-Sync-Kind": "in_band"})
    world.good.function("any", lambda call: ops(ran("a", 1)) if not call.steps else done("fine"))
    for row, (answer, _) in ANSWERS.items():
        world.bad.function(slug(row), [answer], retries=0)
    world.bad.page("/again", lambda call: Answer(307, b"", {"Location": "/again"}, has_sdk=False))
    world.bad.function("hangs", hang, starts=[{}] * 20)
    world.bad.function("odd-ids", odd_ids, retries=0)
    world.bad.function("other-step", other_step)
    world.bad.function("never-anything", [ops()], retries=0)
    world.bad.function("same-for-ever", [ops(ran("a", 1))], retries=0)
    for app in (world.silent, world.confused, world.good):
        server.options += ["--sdk-url", app.url]
    server.start()
    world.good.begin(server)
    world.bad.begin(server)
    yield world
    RELEASED.set()
    if server.child is not None:
        server.child.kill()
        server.child.wait()


def works(world: World) -> None:
    """Another app's function runs as ever."""
    assert world.server.ended(world.server.send("good/any"), 20)["output"] == "fine"


def raw(server: Server, request: bytes, *, closes: bool = False) -> bytes:
    """What comes back, until the server closes or has answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        try:
            connection.sendall(request)
            if closes:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n\r\n" not in answer and (part := connection.recv(65_536)):
                answer += part
            return answer
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.parametrize("row", ANSWERS)
def test_answer(world: World, row: str) -> None:
    run = world.bad.ended(slug(row))
    text = ANSWERS[row][1]
    if text is None:
        assert (run["status"], run["output"]) == ("Completed", "a")
        return
    assert run["status"] == "Failed", run
    assert text in json.dumps(run["output"])
    # Whatever it was, it is said in words.
    error = world.server.get(f"/api/runs/{run['run_id']}")["data"]["error"]
    assert len(error["message"]) > 10, error


def test_answer_with_odd_ids_of_steps(world: World) -> None:
    world.bad.completed("odd-ids")
    assert world.bad.ended("odd-ids")["output"] == {id: {"data": number} for number, id in enumerate(ODD_IDS[1:])}


def test_answer_with_a_step_that_was_not_asked_for(world: World) -> None:
    world.bad.completed("other-step")
    output = world.bad.ended("other-step")["output"]
    assert set(output) <= {wire_id(f"other-{wire_id(step)}") for step in ("p", "q")} and output


@pytest.mark.parametrize("name", ["never-anything", "same-for-ever"])
def test_answer_that_leads_nowhere(world: World, name: str) -> None:
    """The app is not called as fast as it can answer."""
    run = world.server.run(world.bad.events[name][0])["run_id"]
    before, start = len(world.bad.calls(name)), time.monotonic()
    works(world)
    until("a while", lambda: time.monotonic() - start > 2)
    rate = (len(world.bad.calls(name)) - before) / (time.monotonic() - start)
    assert rate < 20, f"{rate:.0f} calls a second"
    world.server.http.delete(f"/v1/runs/{run}")


def test_an_app_that_hangs_keeps_no_other_waiting(world: World) -> None:
    world.bad.called("hangs", 20)
    works(world)


def test_apps_that_cannot_be_registered(world: World) -> None:
    until("the reasons", lambda: all(
        reason in world.server.cli("apps") for reason in (str(world.silent.port), str(world.confused.port))))
    puts = lambda: len([call for call in world.good.requests if call.method == "PUT"])  # noqa: E731
    before = puts()
    until("the good one to be asked all the same", lambda: puts() > before + 1)
    assert world.server.get("/v1/apps/confused/functions") == []


# What is sent to the server.


def test_a_body_that_is_too_large(world: World) -> None:
    head = b"POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = raw(world.server, head + b"Content-Length: 1000000000\r\n\r\n[" + b" " * 100_000)
    assert answer.split(b" ")[1] == b"413", answer
    with socket.create_connection(("127.0.0.1", world.server.port), timeout=20) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(34):
            connection.sendall(b"100000\r\n" + b" " * 1_048_576 + b"\r\n")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413 ")
    works(world)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compressed_body(world: World, encoding: str) -> None:
    answer = world.server.http.post("/e/k", content=gzipped(b'{"name":"a"}'), headers={"Content-Encoding": encoding})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Request body must contain an event object")


def test_a_body_that_is_cut_off(world: World) -> None:
    head = b"POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    raw(world.server, head + b'Content-Length: 100\r\n\r\n{"name":"bad/cut-off"}', closes=True)
    raw(world.server, head + b'Transfer-Encoding: chunked\r\n\r\n16\r\n{"name":"bad/cut-off"}\r\n', closes=True)
    works(world)
    assert world.server.get("/v1/events?name=bad/cut-off")["data"] == []
    answer = world.server.http.post("/e/k", content=b'{"name":"bad/cut-off"')
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


@pytest.mark.parametrize("path", ["/e/k", "/fn/register", "/v1/signals", "/invoke/good-any", "/v1/runs/x/metadata", "/api/events"])
@pytest.mark.parametrize("form", [b"[%s]", b'{"name":"a","data":{"a":[%s]}}'], ids=["list", "object"])
def test_a_deep_body(world: World, path: str, form: bytes) -> None:
    answer = world.server.http.post(path, content=form % (b"[" * DEEP + b"]" * DEEP))
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [b'{"name":"bad/\xff\xfe"}', b'{"name":"bad/\\ud800"}', b'{"name":"bad/\x00"}', b'{"name":"bad/\\u0000"}',
     b'\xef\xbb\xbf{"name":"bad/bom"}', b'{"name":"bad/x","name":"bad/y"}', b'{"name":"bad/n","data":{"n":1e999}}',
     b'{"name":"bad/n","data":{"n":NaN}}', b"{'name':'bad/q'}", b'{"name":"bad/s","data":{"":{"\\"":"\\u2028"}}}',
     json.dumps({"name": "bad/" + "n" * 100_000}).encode()],
    ids=lambda body: repr(body[:30]),
)
def test_odd_json(world: World, body: bytes) -> None:
    answer = world.server.http.post("/e/k", content=body)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        event = world.server.get(f"/v1/events/{answer.json()['ids'][0]}")["data"]
        # Half of a surrogate pair is nothing that can be written.
        assert event["name"] == json.loads(body)["name"].replace("\ud800", "\ufffd")
    else:
        assert len(answer.json()["error"]) > 10


@pytest.mark.parametrize(
    "request_line",
    [b"hello\r\n\r\n", b"POST /e/k\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n",
     b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
     b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
     b"POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
     b"POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"GET /%zz%00/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ids=lambda line: repr(line[:28]),
)
def test_odd_requests(world: World, request_line: bytes) -> None:
    answer = raw(world.server, request_line, closes=True)
    assert answer == b"" or answer.split(b" ")[1][:1] == b"4", answer[:100]
    assert world.server.http.get("/health").status_code == 200


def test_connections_that_say_nothing(world: World) -> None:
    silent = [socket.create_connection(("127.0.0.1", world.server.port)) for _ in range(200)]
    for connection in silent:
        connection.sendall(b"POST /e/k HTTP/1.1\r\nHost: local")
    works(world)
    for connection in silent:
        connection.close()


def test_wrong_types_everywhere(world: World) -> None:
    body = world.good.registration()
    for member in ("appName", "url", "functions", "sdk"):
        for value in (5, True, {"a": 1}, ["x"]):
            answer = world.server.http.post("/fn/register", json=body | {"appName": "odd", member: value})
            assert answer.status_code == 400, (member, value, answer.text)
            assert len(answer.json()["error"]) > 10
    function = world.good.functions["any"]
    for member in ("id", "name", "triggers", "steps", "concurrency", "throttle", "rateLimit", "debounce", "priority",
                   "batchEvents", "idempotency", "singleton", "timeouts", "cancel", "retries"):
        for value in (5.5, True, "x", {"a": [1]}, [[1]]):
            answer = world.server.http.post(
                "/fn/register", json=body | {"appName": "odd", "functions": [function | {member: value}]})
            assert answer.status_code in (200, 400), (member, value, answer.text)
    assert world.server.get("/v1/apps/good/functions")
    world.server.http.post("/fn/register", json=body | {"appName": "odd", "functions": []})
    works(world)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\nb", "\u0000", "é", "x" * 5000, " ", "#", "%2e"], ids=lambda name: repr(name[:9]))
def test_odd_names_of_apps_and_functions(world: World, name: str) -> None:
    before = {path for path in world.server.directory.iterdir()}
    app = MockApp("names")
    app.server = world.server
    app.function("any", [done("odd")], starts=[], triggers=[{"event": f"names/{name}"}])
    app.functions["any"]["id"] = name
    app.scripts[name] = lambda call: done("odd")
    answer = world.server.http.post("/fn/register", json=app.registration(appName=name))
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200 and len(name) < 255:
        event = world.server.http.post("/e/k", json={"name": f"names/{name}"}).json()["ids"][0]
        assert world.server.ended(event)["status"] in ("Completed", "Failed")
        world.server.http.post("/fn/register", json=app.registration(appName=name, functions=[])).raise_for_status()
    assert {path for path in world.server.directory.iterdir()} == before
    app.close()


def test_an_invalid_cron_is_named(world: World) -> None:
    function = world.good.functions["any"] | {"triggers": [{"cron": "61 * * * *"}]}
    answer = world.server.http.post("/fn/register", json=world.good.registration(functions=[function]))
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "At least one function is invalid"
    assert body["data"]["function"] == "good-any" and "61" in body["data"]["message"]
    assert "cron" in body["data"]["message"]
    works(world)


def test_500_functions(world: World) -> None:
    app = MockApp("many")
    for number in range(500):
        app.function(f"f{number}", [done(number)], starts=[])
    app.register(world.server)
    assert len(world.server.get("/v1/apps/many/functions")) == 500
    assert world.server.ended(world.server.send("many/f499"))["output"] == 499
    app.close()


def test_a_registration_that_is_too_large(world: World) -> None:
    one = world.good.functions["any"]
    functions = [one | {"id": f"f{number}"} for number in range(1_001)]
    answer = world.server.http.post("/fn/register", json=world.good.registration(appName="huge", functions=functions))
    assert answer.status_code == 400 and "1000" in answer.text.replace(",", ""), answer.text
    answer = world.server.http.post("/fn/register", json=world.good.registration(appName="huge", more="x" * 9_000_000))
    assert answer.status_code in (400, 413)
    assert world.server.get("/v1/apps/huge/functions") == []


def test_a_stop_does_not_wait_for_half_a_body(tmp_path: pathlib.Path) -> None:
    server = Server(tmp_path, "dev", "--no-poll", "--drain", "1s")
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /e/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[1")
        # The server has seen it: another request was answered since.
        assert server.http.get("/health").status_code == 200
        assert server.end(signal.SIGTERM, 8) == 0


def test_zz_nothing_was_lost(world: World) -> None:
    """The last of the file: memory is bounded, a stop is a stop, and the journal is whole."""
    server = world.server
    status = pathlib.Path(f"/proc/{server.child.pid}/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 700_000, peak
    hanging = server.run(world.bad.events["hangs"][0])["run_id"]
    assert server.get(f"/v1/runs/{hanging}")["data"]["status"] == "Running"
    event = server.send("good/any")
    server.ended(event)
    assert server.end(signal.SIGTERM, 20) == 0
    checked = subprocess.run(
        [PROGRAM, "verify", "--data", str(server.data)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # What hung is called again.
    RELEASED.set()
    server.start()
    assert world.bad.end_of(hanging)["output"] == "late"
    assert server.run(event)["output"] == "fine"
    for number in range(20):
        assert world.bad.ended("hangs", number)["status"] == "Completed"
