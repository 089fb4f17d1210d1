"""One server process at a time, and load for it."""
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Server:
    """A KillTarget on a data directory."""

    def __init__(self, binary, data, effects, log, sizes=None, limits=None, drain="2s", environment=None):
        """:param sizes: the KILL_… variables without their prefix.
        :param limits: resource limits of the process, such as {resource.RLIMIT_NOFILE: 40}."""
        self.data, self.socket_path = data, str(data / "daybook.sock")
        variables = dict(os.environ, EFFECTS=str(effects), **(environment or {}))
        for name, value in (sizes or {}).items():
            variables["KILL_" + name] = str(value)

        def confine():
            # A write beyond the limit of a file's size is to fail, not to kill.
            if limits and resource.RLIMIT_FSIZE in limits:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for what, value in (limits or {}).items():
                resource.setrlimit(what, (value, value))

        self.process = subprocess.Popen(
            [binary, "serve", "--no-http", "--data", str(data), "--log-level", "warning", "--drain", drain,
             "--retry-interval", "20ms"],
            env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=confine if limits else None,
            restore_signals=not (limits and resource.RLIMIT_FSIZE in limits), start_new_session=True)
        self.started = time.monotonic()

    def wait_until_ready(self, seconds=60):
        """Whether it answers; false when it ended or takes longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            try:
                probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                probe.connect(self.socket_path)
                probe.close()
                return True
            except OSError:
                probe.close()
                time.sleep(0.001)
        return False

    def get(self, path):
        connection = UnixConnection(self.socket_path)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def wait_until_idle(self, seconds):
        """Until no run is unfinished and no file is in the inbox.
        :returns: how many runs are unfinished when the time is up; None when it came to rest."""
        deadline, left = time.monotonic() + seconds, -1
        while time.monotonic() < deadline and self.process.poll() is None:
            # Files first: one that is gone by then is committed, so that its runs are among those that are counted after.
            waiting = [name for name in os.listdir(self.data / "inbox") if not name.startswith(".") and name != "rejected"]
            claimed = self.data / "inbox" / ".claimed"
            if claimed.exists():
                waiting += os.listdir(claimed)
            left = self.get("/health")["unfinishedRuns"]
            if left == 0 and not waiting:
                return None
            time.sleep(0.02)
        return left

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        """An orderly end.
        :returns: the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Events:
    """Makes events, and keeps which were acknowledged. A token is in one event that starts a run."""

    NAMES = ["kill/chain", "kill/chain", "kill/fan", "kill/wait", "kill/flaky", "kill/slow", "kill/parent", "kill/send"]

    def __init__(self, random):
        self.random, self.lock = random, threading.Lock()
        self.last, self.left = 0, 0
        self.acknowledged, self.problems = {}, []
        self.refused = 0

    def allow(self, count):
        """So many events from now on: a backlog that only grows would leave no time for steps between two kills."""
        with self.lock:
            self.left = count

    def batch(self):
        with self.lock:
            count = min(self.left, self.random.choice([1, 1, 5, 20]))
            self.left -= count
            events = [self._new() for _ in range(count)]
        pokes = [
            {"name": "kill/poke", "data": {"token": event["data"]["token"]}}
            for event in events if event["name"] == "kill/wait" and event["data"]["token"] % 2]
        return events, pokes

    def one(self):
        with self.lock:
            return self._new()

    def _new(self):
        self.last += 1
        return {"name": self.random.choice(self.NAMES), "data": {"token": self.last}}

    def acknowledge(self, events):
        with self.lock:
            for event in events:
                self.acknowledged[event["data"]["token"]] = event["name"]


class Load(threading.Thread):
    """Sends events one request after the other, until the server is gone or `stop` is set."""

    def __init__(self, socket_path, events):
        super().__init__(daemon=True)
        self.socket_path, self.events, self.stop = socket_path, events, False

    def run(self):
        connection = UnixConnection(self.socket_path)
        try:
            while not self.stop:
                events, pokes = self.events.batch()
                if not events:
                    time.sleep(0.005)
                    continue
                if not self.send(connection, events):
                    continue
                self.events.acknowledge(events)
                if pokes:
                    self.send(connection, pokes)
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            connection.close()

    def send(self, connection, events):
        connection.request("POST", "/e/kill", json.dumps(events), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            return True
        if answer.status in (503, 507):  # it is stopping, or the disk is full
            self.events.refused += len(events)
            time.sleep(0.005)
            return False
        self.events.problems.append(f"an event was refused: {answer.status} {body[:200]!r}")
        self.stop = True
        return False


class Loads:
    """Several senders at once."""

    def __init__(self, server, events, count=3):
        self.threads = [Load(server.socket_path, events) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        for thread in self.threads:
            thread.stop = True
        for thread in self.threads:
            thread.join()
