#!/usr/bin/env python3
"""Copies the data directory of a server under load, again and again, and checks that every copy is a good backup.

  Tests/hotcopy.py --binary .build/debug/KillTarget --copies 20

The ways of copying: `cp -r`, `cp -a`, `tar`, `rsync` where there is one, file by file in every order of the folders
(runs before journal, journal before runs, …), and slowly, piece by piece, while the log goes on. Every copy

  * verifies, by the command an operator would use;
  * opens, and finishes all of its runs, with a server of its own;
  * has every event that was acknowledged before the copy began, and starts none of them twice;
  * runs no step again whose result it has.

On a violation it stops, keeps original, copy and logs, and prints a command that shows what is wrong.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from killing.checks import ENDS, FUNCTIONS, Effects, Problem
from killing.journal import STREAM, is_right, lines_of, records_of, run_files, whole_batches
from killing.server import Events, Loads, Server

FOLDERS = ["journal", "runs", "events", "system", "snapshot", "inbox", "daybook.lock"]


def run(*command):
    """A copy may meet a file that goes away meanwhile: cp, tar and rsync say so and carry on."""
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def copy_piecewise(source, target, order, pause, piece_bytes):
    """File by file in the order of the folders, with pauses, so that no two files are of one moment."""
    target.mkdir()
    for folder in order:
        start = source / folder
        paths = sorted(path for path in start.rglob("*")) if start.is_dir() else [start]
        if start.name == "journal":
            # The newest segments are what is being written; spares and marks wait.
            paths.sort(key=lambda path: (not path.name[0].isdigit(), path.name))
        if start.is_dir():
            (target / folder).mkdir()
        for path in paths:
            place = target / path.relative_to(source)
            try:
                if path.is_dir():
                    place.mkdir(exist_ok=True)
                    continue
                if not path.is_file():
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with open(path, "rb") as reading, open(place, "wb") as writing:
                    while piece := reading.read(piece_bytes):
                        writing.write(piece)
                        if len(piece) == piece_bytes:
                            time.sleep(pause)
            except FileNotFoundError:
                continue  # it went away, as it does for cp


def ways(chance):
    def piecewise(order, pause=0.0, piece_bytes=1 << 20):
        return lambda source, target: copy_piecewise(source, target, order, pause, piece_bytes)

    shuffled = chance.sample(FOLDERS, len(FOLDERS))
    found = {
        "cp -r": lambda source, target: run("cp", "-r", str(source), str(target)),
        "cp -a": lambda source, target: run("cp", "-a", str(source), str(target)),
        "tar": lambda source, target: (
            target.mkdir(),
            run("sh", "-c", f"tar -C '{source}' -cf - . | tar -C '{target}' -xf -")),
        "journal last": piecewise(["runs", "events", "system", "snapshot", "inbox", "daybook.lock", "journal"]),
        "journal first": piecewise(["journal", "snapshot", "runs", "events", "system", "inbox", "daybook.lock"]),
        "snapshot last": piecewise(["journal", "runs", "events", "system", "inbox", "daybook.lock", "snapshot"]),
        "any order": piecewise(shuffled),
        "slowly, journal first": piecewise(
            ["journal", "snapshot", "runs", "events", "system", "inbox", "daybook.lock"], 0.002, 65_536),
        "slowly, any order": piecewise(shuffled, 0.002, 65_536),
        # A network as a bottleneck: between two pieces of a segment whole batches are written.
        "in small pieces": piecewise(["journal", "snapshot", "runs", "events", "system", "inbox", "daybook.lock"], 0.003, 4_096),
    }
    if shutil.which("rsync"):
        found["rsync"] = lambda source, target: run("rsync", "-a", f"{source}/", f"{target}/")
    return found


class HotCopies:
    def __init__(self, arguments):
        self.arguments, self.binary = arguments, os.path.abspath(arguments.binary)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="daybook-hotcopy-"))
        self.problems, self.copies, self.by_way = [], 0, {}
        self.totals = dict.fromkeys(["events_checked", "runs_finished", "runs_unfinished_in_copies", "bytes_copied"], 0)
        self.complaints = 0

    def problem(self, what, command):
        self.problems.append(Problem(what, command))

    def run(self):
        number = 0
        while self.copies < self.arguments.copies and not self.problems:
            self.directory = self.root / f"{number:04}"
            self.copy_one_server(random.Random(f"{self.arguments.seed}/{number}"))
            if not self.problems and not self.arguments.keep:
                shutil.rmtree(self.directory)
            number += 1

    def copy_one_server(self, chance):
        """Ten copies of one server's directory; then a new one, so that the directory stays small."""
        data = self.directory / "data"
        (data / "inbox").mkdir(parents=True)
        effects = self.directory / "effects.log"
        log = open(self.directory / "server.log", "ab")
        sizes = {"SEGMENT_BYTES": chance.choice([65_536, 262_144]), "SNAPSHOT_BYTES": 131_072, "GRACE_MS": 600_000}
        hold = chance.random() < 0.3
        if hold:
            # What OPERATING.md says of a copy that takes longer than the grace.
            sizes["GRACE_MS"] = 0
        server, events = Server(self.binary, data, effects, log, sizes), Events(chance)
        if not server.wait_until_ready():
            return self.problem("the server did not start", f"tail {self.directory}/server.log")
        loads = Loads(server, events)
        feeding = threading.Event()

        copying = threading.Event()

        def feed():
            # Load only while it is copied: checking takes longer, and the directory is not to grow meanwhile.
            while not feeding.wait(0.1):
                if not copying.wait(0.05):
                    continue
                events.allow(8)
                # With an id, since a file that is taken meanwhile may be in a copy twice: in the journal and in the inbox.
                drop = events.one()
                drop["id"] = f"dropped-{drop['data']['token']}"
                name = f"event-{drop['data']['token']}.json"
                (data / name).write_text(json.dumps(drop))
                os.rename(data / name, data / "inbox" / name)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            for index in range(10):
                if self.copies >= self.arguments.copies or self.problems:
                    break
                copying.set()
                time.sleep(chance.uniform(0.1, 0.6))
                choices = ways(chance)
                way = self.arguments.way or list(choices)[self.copies % len(choices)]
                copy = self.directory / f"copy-{index}"
                acknowledged = dict(events.acknowledged)
                if hold:
                    (data / "hold").touch()
                said = choices[way](data, copy)
                if hold:
                    (data / "hold").unlink()
                copying.clear()
                events.allow(0)
                if getattr(said, "returncode", 0) != 0:
                    self.complaints += 1
                    print(f"  {way} said: {said.stderr.strip().splitlines()[:2]}", file=sys.stderr)
                self.check(way, copy, acknowledged, sizes)
                self.copies += 1
                self.by_way[way] = self.by_way.get(way, 0) + 1
                print(f"{self.copies} of {self.arguments.copies} copies, {len(acknowledged)} events in the last, "
                      f"{way}{', held' if hold else ''}", file=sys.stderr, flush=True)
                if not self.problems and not self.arguments.keep:
                    shutil.rmtree(copy)
        finally:
            feeding.set()
            feeder.join()
            server.kill()
            loads.stop()
            log.close()
        for what in events.problems:
            self.problem(what, f"tail {self.directory}/server.log")

    def check(self, way, copy, acknowledged, sizes):
        about = f"copy by '{way}': "
        self.totals["bytes_copied"] += sum(path.stat().st_size for path in copy.rglob("*") if path.is_file())
        verified = run(self.binary, "verify", "--data", str(copy))
        if verified.returncode != 0:
            return self.problem(
                f"{about}verify ends with {verified.returncode}: {(verified.stdout + verified.stderr)[:800]}",
                f"{self.binary} verify --data {copy}")
        if self.arguments.keep:
            shutil.copytree(copy, f"{copy}.asis", ignore=shutil.ignore_patterns("*.sock"))
        journaled = self.results_in(copy)
        effects = self.directory / f"{copy.name}-effects.log"
        effects.touch()
        with open(self.directory / f"{copy.name}.log", "ab") as log:
            server = Server(self.binary, copy, effects, log, sizes)
            if not server.wait_until_ready():
                return self.problem(f"{about}it does not open", f"cat {self.directory}/{copy.name}.log")
            self.totals["runs_unfinished_in_copies"] += server.get("/health")["unfinishedRuns"]
            try:
                left = server.wait_until_idle(120)
                code = server.stop()
            finally:
                server.kill()
        if left is not None or code != 0:
            return self.problem(
                f"{about}{left} runs are unfinished after two minutes, the stop ended with {code}",
                f"{self.binary} runs --data {copy} --status running --status queued")
        for key, _, _ in Effects(effects).new():
            if key in journaled:
                self.problem(f"{about}step {key} ran again although the copy has its result",
                             f"{self.binary} show {key[:26]} --data {copy}")
        verified = run(self.binary, "verify", "--data", str(copy))
        if verified.returncode != 0:
            self.problem(f"{about}after it was served, verify ends with {verified.returncode}: {verified.stdout[:800]}",
                         f"{self.binary} verify --data {copy}")
        self.check_runs(about, copy, acknowledged)

    @staticmethod
    def results_in(copy):
        """Steps whose result the copy has: in its log up to the first gap, or in the file of a run, which may be ahead
        of the log and counts only as far as that goes."""
        keys, last = set(), None
        for path in sorted((copy / "journal").glob("[0-9]*.jsonl")):
            for line in whole_batches(path):
                q = int(line[5 : line.index(b",")])
                if last is not None and q > last + 1:
                    break
                last = q if last is None else max(last, q)
                if b'"k":"step.completed"' in line:
                    keys.add(STREAM.search(line).group(1)[4:].decode() + "." + json.loads(line)["step"])
        for path in run_files(copy):
            for line in lines_of(path):
                if is_right(line) and b'"k":"step.completed"' in line and int(line[5 : line.index(b",")]) <= (last or 0):
                    keys.add(path.stem + "." + json.loads(line)["step"])
        return keys

    def check_runs(self, about, copy, acknowledged):
        starts = {}
        for path in run_files(copy):
            try:
                records = records_of(path)
            except ValueError as wrong:
                self.problem(f"{about}{wrong}", f"{self.binary} verify --data {copy}")
                continue
            show = f"{self.binary} show {path.stem} --data {copy}"
            if records[-1]["k"] != "run.completed":
                self.problem(f"{about}run {path.stem} ends with {records[-1]['k']}", show)
                continue
            total = sum(record["out"] for record in records
                        if record["k"] == "step.completed" and record.get("op") in (None, "invoke"))
            if records[-1]["out"] != total:
                self.problem(f"{about}run {path.stem} returned {records[-1]['out']}, its steps {total}", show)
            if sum(record["k"] in ENDS for record in records) != 1:
                self.problem(f"{about}run {path.stem} has ended twice", show)
            token = records[0].get("event", {}).get("data", {}).get("token")
            if token is not None:
                starts.setdefault((records[0]["fn"], token), []).append(path.stem)
            self.totals["runs_finished"] += 1
        for (function, token), runs in starts.items():
            if len(runs) > 1:
                self.problem(f"{about}event {token} started {function} {len(runs)} times: {runs}",
                             f"{self.binary} runs --data {copy}")
        for token, name in acknowledged.items():
            for function in FUNCTIONS[name]:
                if (function, token) not in starts:
                    self.problem(f"{about}event {token} ({name}) was acknowledged before the copy and has no run of "
                                 f"{function}", f"grep -rn '\"token\":{token}}}' {copy}/journal {copy}/events {copy}/runs")
        self.totals["events_checked"] += len(acknowledged)


def stop_on_signal(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the KillTarget program")
    parser.add_argument("--copies", type=int, default=20, help="default 20")
    parser.add_argument("--way", help="only this way of copying")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--keep", action="store_true", help="keep the copies, each also as it was before it was served")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_on_signal)
    copies, begun = HotCopies(arguments), time.monotonic()
    print(f"{arguments.copies} copies, seed {arguments.seed}, in {copies.root}", file=sys.stderr, flush=True)
    interrupted = False
    try:
        copies.run()
    except KeyboardInterrupt:
        interrupted = True
    seconds = time.monotonic() - begun
    result = {
        "copies": copies.copies, "interrupted": interrupted, "seed": arguments.seed, "seconds": round(seconds, 1),
        "ways": copies.by_way, **copies.totals, "commands_that_complained": copies.complaints,
        "problems": [str(problem) for problem in copies.problems]}
    if copies.problems or arguments.keep:
        result["kept"] = str(copies.root)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{copies.copies} copies in {seconds:.0f} s, {copies.totals['bytes_copied'] >> 20} MiB: "
              + ", ".join(f"{count} by {way}" for way, count in copies.by_way.items()))
        print(f"  {copies.totals['events_checked']} acknowledged events looked for, "
              f"{copies.totals['runs_unfinished_in_copies']} runs were unfinished in the copies and finished there")
        print(f"  {len(copies.problems)} problems")
        for problem in copies.problems[:10]:
            print(f"  {problem}")
        if copies.problems:
            print(f"  kept: {copies.root}")
    if not copies.problems and not arguments.keep:
        shutil.rmtree(copies.root)
    return 1 if copies.problems else 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
