"""Real processes: a Daybook server and apps written with the Inngest SDK, each with a directory and ports of its own."""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import typing

import httpx

HERE = pathlib.Path(__file__).parent
PROGRAM = os.environ.get("DAYBOOK", str(HERE.parent.parent / ".build/debug/daybook"))
Value = typing.TypeVar("Value")


def free_port() -> int:
    """Below the ports that the system gives to connections, so that none takes it before it is listened on."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def until(what: str, look: typing.Callable[[], Value | None], seconds: float = 60) -> Value:
    """Looks again until there is something to see."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Process:
    """A program with a log of what it says."""

    def __init__(self, directory: pathlib.Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self.output = directory / f"{name}.out"
        self.child: subprocess.Popen[bytes] | None = None

    def begin(self, command: list[str], environment: dict[str, str], folder: pathlib.Path | None = None) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("INNGEST_", "DAYBOOK_"))}
        with open(self.output, "ab") as output:
            self.child = subprocess.Popen(
                command, env=clean | environment, stdout=output, stderr=output, cwd=folder or self.directory
            )

    def end(self, with_signal: int = signal.SIGTERM, seconds: float = 60) -> int | None:
        if self.child is None:
            return None
        self.child.send_signal(with_signal)
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise
        self.child = None
        return code

    def said(self) -> str:
        return self.output.read_text(errors="replace")


class App(Process):
    """`flask` or `fastapi`."""

    def __init__(self, directory: pathlib.Path, name: str, server_port: int, **environment: str) -> None:
        super().__init__(directory, name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/inngest"
        self.log_path = directory / f"{name}.log"
        self.log_path.touch()
        self.environment = {
            "INNGEST_DEV": f"http://127.0.0.1:{server_port}",
            "APP_PORT": str(self.port),
            "APP_LOG": str(self.log_path),
        } | environment

    def start(self) -> None:
        self.begin([sys.executable, str(HERE / "apps" / f"{self.name}_app.py")], self.environment)
        until(f"{self.name} to answer", self.answers)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self, kind: str, **wanted: object) -> list[dict[str, typing.Any]]:
        """What the app has noted, in order."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [
            line
            for line in lines
            if line["kind"] == kind and all(line.get(name) == value for name, value in wanted.items())
        ]


class Server(Process):
    """`daybook dev` or `daybook serve`."""

    def __init__(self, directory: pathlib.Path, mode: str = "dev", *options: str, **environment: str) -> None:
        super().__init__(directory, "daybook")
        self.port = free_port()
        self.mode = mode
        self.options = list(options)
        self.environment = environment
        self.data = directory / "var"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.event_key = "key"

    def start(self, *apps: App) -> None:
        command = [PROGRAM, self.mode, "--data", str(self.data), "--port", str(self.port), "--retry-interval", "1s"]
        if self.mode == "dev":
            command.append("--no-discovery")
        for app in apps:
            command += ["--sdk-url", app.url]
        self.begin(command + self.options, self.environment)
        until("Daybook to answer", self.answers)

    def answers(self) -> bool:
        assert self.child is not None and self.child.poll() is None, self.said()
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str) -> typing.Any:
        return self.http.get(path).raise_for_status().json()

    def send(self, name: str, data: dict[str, object] | None = None, **fields: object) -> str:
        """The id of the event."""
        return self.send_all([{"name": name, "data": data or {}, **fields}])[0]

    def send_all(self, events: list[dict[str, object]]) -> list[str]:
        answer = self.http.post(f"/e/{self.event_key}", json=events).raise_for_status().json()
        assert answer["status"] == 200 and "error" not in answer
        return answer["ids"]

    def runs(self, event: str) -> list[dict[str, typing.Any]]:
        return self.get(f"/v1/events/{event}/runs")["data"]

    def run(self, event: str) -> dict[str, typing.Any]:
        """The one run that the event started, as soon as there is one."""
        runs = until(f"a run of event {event}", lambda: self.runs(event))
        assert len(runs) == 1
        return runs[0]

    def ended(self, event: str, seconds: float = 60) -> dict[str, typing.Any]:
        """The same once it has ended."""
        run = self.run(event)

        def look() -> dict[str, typing.Any] | None:
            now = self.get(f"/v1/runs/{run['run_id']}")["data"]
            return now if now["status"] in ("Completed", "Failed", "Cancelled") else None

        return until(f"the end of run {run['run_id']}", look, seconds)

    def cli(self, *arguments: str) -> str:
        return subprocess.run(
            [PROGRAM, *arguments, "--data", str(self.data)], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def recorded(self, kind: str) -> list[dict[str, typing.Any]]:
        """Records of one kind in the commit log, whatever has become of the process."""
        found = []
        # The files are filled up with ends of lines.
        for path in sorted((self.data / "journal").glob("*.jsonl")):
            for line in path.read_bytes().rstrip(b"\n").split(b"\n"):
                if line and f'"{kind}"'.encode() in line:
                    try:
                        found.append(json.loads(line))
                    except ValueError:
                        # The torn end of the log.
                        continue
        return found
