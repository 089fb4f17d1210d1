#!/usr/bin/env python3
"""Kills a Daybook server with SIGKILL at random moments under load, again and again, and checks what it promised.

  Tests/kill.py --binary .build/debug/KillTarget --rounds 200

For every round: the server is started, events are sent over its socket and dropped into its inbox, and after a random
time it is killed. At the end it is started once more and left to finish. Then:

  * every event that was acknowledged has exactly one run, and that run has finished;
  * no step whose result was in the journal at a kill ran again after it;
  * every journal line carries a right checksum.
"""
import argparse, http.client, json, os, pathlib, random, re, shutil, signal, socket, subprocess, sys, tempfile
import threading, time, zlib

CRC = re.compile(rb',"crc":"([0-9a-f]{8})"}$')


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


class Load(threading.Thread):
    """Sends events one request after the other and keeps the tokens that were acknowledged."""

    def __init__(self, socket_path, state):
        super().__init__(daemon=True)
        self.socket_path, self.state, self.stop = socket_path, state, False

    def run(self):
        connection = UnixConnection(self.socket_path)
        while not self.stop:
            batch = self.state.batch()
            if not batch:
                time.sleep(0.005)
                continue
            try:
                connection.request("POST", "/e/kill", json.dumps(batch), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.state.acknowledge(event["data"]["token"] for event in batch)
                else:
                    self.state.problems.append(f"an event was refused: {answer.status} {body[:200]!r}")
                    return
            except (OSError, http.client.HTTPException):
                return  # killed


class State:
    def __init__(self, seed):
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.next, self.left, self.acknowledged, self.problems = 0, 0, set(), []

    def begin_round(self):
        """So many events this round: a backlog that only grows would leave no time for steps between two kills."""
        with self.lock:
            self.left = self.random.randrange(20, 200)

    def batch(self):
        with self.lock:
            count = min(self.left, self.random.choice([1, 1, 5, 20]))
            self.left -= count
            return [self.new_event() for _ in range(count)]

    def event(self):
        with self.lock:
            return self.new_event()

    def new_event(self):
        self.next += 1
        name = self.random.choice(["kill/chain", "kill/fan", "kill/wait", "kill/chain"])
        return {"name": name, "data": {"token": self.next}}

    def acknowledge(self, tokens):
        with self.lock:
            self.acknowledged.update(tokens)


def lines_of(path):
    # A log segment is filled with line feeds up to its size.
    return [line for line in path.read_bytes().rstrip(b"\n").split(b"\n") if line]


def is_right(line):
    found = CRC.search(line)
    return found is not None and zlib.crc32(line[: found.start()]) == int(found.group(1), 16)


def committed(data, seen):
    """Records of the commit log that a commit line stands behind, of segments that were not looked at before: nobody
    writes to a segment once its process is gone."""
    for path in sorted((data / "journal").glob("[0-9]*.jsonl")):
        if path.name in seen:
            continue
        seen.add(path.name)
        batch = []
        for line in lines_of(path):
            if not is_right(line):
                break  # a torn end
            if line.startswith(b'{"q":'):
                batch.append(line)
            elif line.startswith(b'{"c":'):
                yield from batch
                batch = []


def step_results(data, seen):
    """Idempotency keys of the steps whose result has come into the journal."""
    keys = set()
    for line in committed(data, seen):
        if b'"k":"step.completed"' in line and b'"op":' not in line:
            record = json.loads(line)
            keys.add(record["s"].removeprefix("run/") + "." + record["step"])
    return keys


def wait_for_socket(path, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            probe.connect(path)
            probe.close()
            return True
        except OSError:
            time.sleep(0.005)
    return False


def start(arguments, data, effects, log):
    environment = dict(os.environ, EFFECTS=str(effects))
    return subprocess.Popen(
        [arguments.binary, "serve", "--data", str(data), "--log-level", "warning"],
        env=environment, stdout=log, stderr=log)


def ran_again(effects, position, journaled):
    """Steps that ran after `position` although their result was in the journal before it."""
    with open(effects, "rb") as file:
        file.seek(position)
        return [key for key in file.read().decode().split("\n") if key in journaled]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True, help="the KillTarget program")
    parser.add_argument("--rounds", type=int, default=200, help="kills (default 200)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="for the moments and the events")
    parser.add_argument("--keep", action="store_true", help="keep the data directory")
    arguments = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="daybook-kill-"))
    data, effects, log_path = root / "data", root / "effects.log", root / "server.log"
    effects.touch()
    (data / "inbox").mkdir(parents=True)
    state, moments = State(arguments.seed), random.Random(arguments.seed + 1)
    socket_path, again, dropped, journaled, seen = str(data / "daybook.sock"), [], set(), set(), set()
    print(f"{arguments.rounds} kills, seed {arguments.seed}, in {root}", flush=True)
    with open(log_path, "ab") as log:
        for number in range(1, arguments.rounds + 1):
            position = effects.stat().st_size
            process = start(arguments, data, effects, log)
            # Some kills hit the start itself.
            if moments.random() < 0.15:
                time.sleep(moments.uniform(0, 0.05))
            elif not wait_for_socket(socket_path, process):
                print(f"round {number}: the server did not start; see {log_path}")
                return 1
            else:
                state.begin_round()
                loads = [Load(socket_path, state) for _ in range(4)]
                for load in loads:
                    load.start()
                for _ in range(moments.randrange(4)):
                    event = state.event()
                    name = f"event-{event['data']['token']}.json"
                    (data / name).write_text(json.dumps(event))
                    os.rename(data / name, data / "inbox" / name)
                    dropped.add(event["data"]["token"])
                time.sleep(moments.uniform(0.01, 0.4))
                process.send_signal(signal.SIGKILL)
                for load in loads:
                    load.stop = True
                    load.join()
            process.kill()
            process.wait()
            again += ran_again(effects, position, journaled)
            journaled |= step_results(data, seen)
            if number % 10 == 0:
                print(f"  {number} kills, {len(state.acknowledged)} events acknowledged, "
                      f"{len(journaled)} step results journaled, {len(again)} run again", flush=True)
        position = effects.stat().st_size
        process = start(arguments, data, effects, log)
        if not wait_for_socket(socket_path, process):
            print(f"the last start failed; see {log_path}")
            return 1
        unfinished = wait_until_idle(arguments, data)
        process.send_signal(signal.SIGTERM)
        process.wait()
        again += ran_again(effects, position, journaled)
    problems = state.problems + check(data, state.acknowledged | dropped)
    if unfinished:
        problems.append(f"{unfinished} runs did not finish")
    if again:
        problems.append(f"{len(again)} journaled steps ran again, the first is {again[0]}")
    print(f"{arguments.rounds} kills: {len(state.acknowledged)} events acknowledged over the socket, {len(dropped)} "
          f"dropped as files, {len(journaled)} step results journaled before a kill, {len(again)} of them run again, "
          f"{len(problems)} problems")
    for problem in problems[:20]:
        print("  " + problem)
    if not problems and not arguments.keep:
        shutil.rmtree(root)
    return 1 if problems else 0


def wait_until_idle(arguments, data):
    """Until no run but those of the cron is unfinished, at most ten minutes."""
    deadline = time.monotonic() + 600
    left = -1
    while time.monotonic() < deadline:
        listed = subprocess.run(
            [arguments.binary, "runs", "--data", str(data), "--json", "--limit", "1000000", "--status", "queued",
             "--status", "running"], capture_output=True, text=True)
        rows = [json.loads(line) for line in listed.stdout.splitlines() if line.startswith("{")]
        left = sum(1 for row in rows if "every-second" not in json.dumps(row))
        inbox = [entry for entry in os.listdir(data / "inbox") if not entry.startswith(".") and entry != "rejected"]
        if listed.returncode == 0 and left == 0 and not inbox:
            return 0
        time.sleep(0.5)
    return left


def check(data, tokens):
    """Every token has exactly one run, which has finished; every line of every run is right."""
    problems, runs = [], {}
    for path in (data / "runs").glob("*/*/*.jsonl"):
        if path.name == "index.jsonl":
            continue
        token, end = None, None
        for line in lines_of(path):
            if not is_right(line):
                problems.append(f"a wrong line in {path}")
                break
            record = json.loads(line)
            if record["k"] == "run.queued":
                token = record.get("event", {}).get("data", {}).get("token")
            if record["k"] in ("run.completed", "run.failed", "run.cancelled"):
                end = record["k"]
        if token is not None:
            runs.setdefault(token, []).append(end)
    for token in sorted(tokens):
        ends = runs.get(token, [])
        if len(ends) != 1:
            problems.append(f"event {token} has {len(ends)} runs")
        elif ends[0] != "run.completed":
            problems.append(f"the run of event {token} ended with {ends[0]}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
