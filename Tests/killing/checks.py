"""What a server promised, kept beside it and compared with its journal after every death."""
import json
import subprocess

from .journal import STREAM, LogReader, records_of, run_files

# Which functions an event starts, directly and through the steps of its run.
FUNCTIONS = {
    "kill/chain": ["kill-chain"],
    "kill/fan": ["kill-fan"],
    "kill/wait": ["kill-waits"],
    "kill/flaky": ["kill-flaky"],
    "kill/slow": ["kill-slow"],
    "kill/parent": ["kill-parent", "kill-child"],
    "kill/send": ["kill-sender", "kill-echo"],
}
ENDS = ("run.completed", "run.failed", "run.cancelled", "run.quarantined")


class Problem:
    """Something that is wrong, and a command that shows it."""

    def __init__(self, what, command):
        self.what, self.command = what, command

    def __str__(self):
        return f"{self.what}\n    see: {self.command}"


class Effects:
    """The lines that bodies left outside: which step really ran, and what it returned."""

    def __init__(self, path):
        self.path, self.position = path, 0

    def new(self):
        with open(self.path, "rb") as file:
            file.seek(self.position)
            content = file.read()
        self.position += len(content)
        if content and not content.endswith(b"\n"):
            # Killed, or held back by a limit, in the middle of a line; the next process begins a new one.
            with open(self.path, "ab") as file:
                file.write(b"\n")
            self.position += 1
            content = content[: content.rfind(b"\n") + 1]
        for line in content.decode().splitlines():
            _, key, attempt, value = line.split(" ")
            yield key, int(attempt), int(value)


class Ledger:
    """Everything known about one data directory: what was acknowledged, what ran, what the journal says.

    `after_death` looks only at what is new, so that ten thousand rounds take the time of ten thousand rounds."""

    def __init__(self, binary, data, effects_path, events):
        self.binary, self.data, self.events = binary, data, events
        self.effects, self.log = Effects(effects_path), LogReader(data)
        self.problems = []
        self.results = {}  # step -> the result in the journal
        self.values = {}  # step -> what its executions returned
        self.runs = {}  # run -> [function, sum of its results, how it ended]
        self.starts = {}  # (function, token) -> run
        self.ticks = set()
        self.checked = set()  # acknowledged tokens whose run was found
        self.dropped = {}  # token -> event name, of files put into the inbox
        self.last = 0

    def problem(self, what, command):
        self.problems.append(Problem(what, command))

    def show(self, run):
        return f"{self.binary} show {run} --data {self.data}; grep {run} {self.effects.path}"

    def after_death(self):
        """Everything that is to hold whenever no process runs."""
        ran = set()
        for key, attempt, value in self.effects.new():
            if key in self.results:
                self.problem(f"step {key} ran again although its result was in the journal", self.show(key[:26]))
            if (key, attempt) in ran:
                self.problem(f"attempt {attempt} of step {key} ran twice in one process", self.show(key[:26]))
            ran.add((key, attempt))
            self.values.setdefault(key, set()).add(value)
        for q, line in self.log.new_records():
            if q != self.last + 1:
                self.problem(f"record {q} follows record {self.last}", f"ls {self.data}/journal")
            self.last = q
            stream = STREAM.search(line).group(1)
            if stream.startswith(b"run/"):
                self.take_in(stream[4:].decode(), json.loads(line))
            elif b'"k":"cron.ticked"' in line:
                record = json.loads(line)
                tick = (record["fn"], record["trigger"], record["tick"])
                if tick in self.ticks:
                    self.problem(f"tick {tick} fired twice", f"grep -n {record['tick']} {self.data}/system/*")
                self.ticks.add(tick)
        for what in self.log.problems:
            self.problem(what, f"ls {self.data}/journal")
        for token, name in list(self.events.acknowledged.items()):
            if token in self.checked:
                continue
            self.checked.add(token)
            if (FUNCTIONS[name][0], token) not in self.starts:
                self.problem(
                    f"event {token} ({name}) was acknowledged and has no run",
                    f"grep -rn '\"token\":{token}}}' {self.data}/journal {self.data}/events")
        for what in self.events.problems:
            self.problem(what, f"tail {self.data.parent}/server.log")

    def take_in(self, run, record):
        kind = record["k"]
        if kind == "run.queued":
            token = record.get("event", {}).get("data", {}).get("token")
            if run in self.runs:
                self.problem(f"run {run} was queued twice", self.show(run))
            self.runs[run] = [record["fn"], 0, None]
            if token is not None:
                other = self.starts.setdefault((record["fn"], token), run)
                if other != run:
                    self.problem(f"event {token} started {record['fn']} twice: {other} and {run}", self.show(run))
            return
        state = self.runs.get(run)
        if state is None:
            self.problem(f"run {run} begins with {kind}", self.show(run))
            return
        if state[2] is not None:
            self.problem(f"run {run} had ended with {state[2]} and goes on with {kind}", self.show(run))
        if kind == "step.completed":
            key = f"{run}.{record['step']}"
            operation = record.get("op")
            if key in self.results:
                self.problem(f"step {key} has two results", self.show(run))
            self.results[key] = record.get("out")
            if operation is None and record["out"] not in self.values.get(key, ()):
                self.problem(f"the result {record['out']} of step {key} was never returned", self.show(run))
            if operation in (None, "invoke"):
                state[1] += record["out"]
        elif kind in ENDS:
            state[2] = kind
            if kind != "run.completed":
                self.problem(f"run {run} of {state[0]} ended with {kind}", self.show(run))
            elif record["out"] != state[1]:
                self.problem(f"run {run} returned {record['out']}, its steps {state[1]}", self.show(run))

    def verify(self, data=None):
        """What `verify` has to say."""
        data = data or self.data
        done = subprocess.run(
            [self.binary, "verify", "--data", str(data)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            first = (done.stdout + done.stderr).strip()[:600]
            self.problem(f"verify ends with {done.returncode}: {first}", f"{self.binary} verify --data {data}")

    def at_rest(self):
        """What is to hold once everything has ended: reads every file of every run, and compares it with the log."""
        self.verify()
        files = {}
        for path in run_files(self.data):
            try:
                records = records_of(path)
            except ValueError as wrong:
                self.problem(str(wrong), f"{self.binary} verify --data {self.data}")
                continue
            files[path.stem] = records
            for record in records:
                known = self.log.checksums.get(record["q"])
                if known is not None and known.decode() != record["crc"]:
                    self.problem(f"record {record['q']} of {path} is not the log's", self.show(path.stem))
                if record["q"] > self.last:
                    # The last process wrote it, and its segments may be gone already.
                    self.take_in(path.stem, record)
            if records[-1]["k"] not in ENDS:
                self.problem(f"run {path.stem} has not ended", self.show(path.stem))
        for run in self.runs.keys() - files.keys():
            self.problem(f"run {run} has no file", f"ls -R {self.data}/runs")
        for token, name in {**self.events.acknowledged, **self.dropped}.items():
            for function in FUNCTIONS[name]:
                run = self.starts.get((function, token))
                if run is None:
                    self.problem(
                        f"event {token} ({name}) has no run of {function}",
                        f"grep -rn '\"token\":{token}}}' {self.data}/events {self.data}/runs {self.data}/inbox")
        rejected = self.data / "inbox" / "rejected"
        if rejected.exists() and any(rejected.iterdir()):
            self.problem("a good file was refused by the inbox", f"ls {rejected}")
