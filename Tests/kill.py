#!/usr/bin/env python3
"""Kills a Daybook server with SIGKILL again and again, and checks after every death what it had promised.

  Tests/kill.py --binary .build/debug/KillTarget --rounds 200

A round starts the server once or more often and ends with its death:

  load      killed at any moment while events arrive over the socket and as files in the inbox
  start     killed up to five times in a row while it starts, so inside recovery and the recovery of that
  snapshot  killed while a snapshot is being written
  stop      SIGTERM under load, then killed inside the orderly stop
  suspend   stopped and continued (SIGSTOP, SIGCONT) under load, then killed
  second    a second server is started on the same directory; it must say so and harm nothing
  files     with few file descriptors (RLIMIT_NOFILE)
  full      with a limit on the size of files (RLIMIT_FSIZE), or with no free space by its own reckoning

After every death: no acknowledged event is without its run, no event started a function twice, no step whose result was in
the journal ran again, every journaled result is one that a body returned, every run returned what its steps did, no
tick fired twice, and a record that was there is still the same. After --directory rounds the server is left to finish
everything, `verify` must find nothing, every file of every run is read, and a new directory is begun. On a violation
it stops, keeps the directory and the logs, and prints a command that shows what is wrong.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time

from killing.checks import Ledger
from killing.server import Events, Loads, Server

WEIGHTS = {"load": 6, "start": 4, "snapshot": 2, "stop": 2, "suspend": 1, "second": 1, "files": 2, "full": 2}
# Exit codes of a server that ends by itself with a message: failed, cannot be used, storage full.
ORDERLY = (1, 4, 6)


class Torture:
    def __init__(self, arguments):
        self.arguments = arguments
        self.binary = os.path.abspath(arguments.binary)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="daybook-kill-"))
        self.begun = self.shown = time.monotonic()
        self.rounds, self.kinds, self.server = 0, {}, None
        self.totals = dict.fromkeys(
            ["kills", "starts", "ended_by_themselves", "swift_nio_traps", "acknowledged", "dropped", "refused", "journaled_steps", "runs",
             "records", "executions", "verified", "directories"], 0)
        self.start_seconds, self.start_seconds_max, self.problems = 0.1, 0.0, []
        self.ledger = None

    # MARK: - One directory

    def open_directory(self, number):
        self.directory = self.root / f"{number:04}"
        self.data = self.directory / "data"
        (self.data / "inbox").mkdir(parents=True)
        self.effects_path = self.directory / "effects.log"
        self.effects_path.touch()
        self.log = open(self.directory / "server.log", "ab")
        self.choices = open(self.directory / "rounds.log", "w")
        chance = random.Random(f"{self.arguments.seed}/directory/{number}")
        self.events = Events(chance)
        self.ledger = Ledger(self.binary, self.data, self.effects_path, self.events)
        self.sizes = {
            "SEGMENT_BYTES": chance.choice([32_768, 131_072, 524_288]),
            "SNAPSHOT_BYTES": chance.choice([65_536, 524_288]), "GRACE_MS": chance.choice([3_000, 600_000])}
        self.note(f"directory {number}: {self.sizes}")

    def note(self, text):
        print(text, file=self.choices, flush=True)
        if self.arguments.verbose:
            print(text, file=sys.stderr)

    def close_directory(self):
        """Lets everything finish, checks all of it, and removes the directory, under a running server now and then."""
        self.start(drain="30s")
        if not self.server.wait_until_ready():
            self.ledger.problem("the last start failed", f"tail {self.directory}/server.log")
        else:
            left = self.server.wait_until_idle(300)
            if left is not None:
                self.ledger.problem(
                    f"{left} runs or files are not done after five minutes",
                    f"{self.binary} runs --data {self.data} --status running --status queued")
            code = self.server.stop()
            if code != 0:
                self.ledger.problem(f"an orderly stop ended with {code}", f"tail {self.directory}/server.log")
            self.ledger.after_death()
            self.ledger.at_rest()
        self.add_up()
        if not self.ledger.problems and self.rounds % 2 == 0:
            self.remove_under_server()
        self.log.close()
        self.choices.close()
        if not self.ledger.problems and not self.arguments.keep:
            shutil.rmtree(self.directory)

    def add_up(self):
        ledger, totals = self.ledger, self.totals
        totals["directories"] += 1
        totals["acknowledged"] += len(self.events.acknowledged)
        totals["refused"] += self.events.refused
        totals["dropped"] += len(ledger.dropped)
        totals["journaled_steps"] += len(ledger.results)
        totals["executions"] += sum(map(len, ledger.values.values()))
        totals["runs"] += len(ledger.runs)
        totals["records"] += len(ledger.log.checksums)
        self.problems += ledger.problems

    def remove_under_server(self):
        """A server whose directory is gone cannot keep a promise; it must not hang or fall over a trap either."""
        gone = self.directory / "gone"
        shutil.copytree(self.data, gone / "data", ignore=shutil.ignore_patterns("*.sock"))
        os.rename(self.data, self.directory / "kept")
        os.rename(gone / "data", self.data)
        self.start()
        if self.server.wait_until_ready():
            self.events.allow(50)
            loads = Loads(self.server, self.events)
            shutil.rmtree(self.data, ignore_errors=True)
            time.sleep(0.2)
            self.server.process.send_signal(signal.SIGTERM)
            loads.stop()
            code = self.server.stop(20)
            self.events.problems.clear()
            if code is None or code < 0:
                self.problems.append(f"a server whose directory was removed ended with {code}; "
                                     f"see {self.directory}/server.log")
                self.arguments.keep = True
        self.server.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        os.rename(self.directory / "kept", self.data)

    # MARK: - One round

    def start(self, **options):
        self.totals["starts"] += 1
        self.log_position = (self.directory / "server.log").stat().st_size
        self.server = Server(
            self.binary, self.data, self.effects_path, self.log, {**self.sizes, **options.pop("sizes", {})}, **options)

    def die(self):
        """SIGKILL, unless it has ended by itself, which a server does with a message and never with a trap."""
        code = self.server.process.poll()
        if code is None:
            self.server.kill()
            self.totals["kills"] += 1
        else:
            self.totals["ended_by_themselves"] += 1
        self.ledger.after_death()
        return code

    def drop(self, chance):
        for _ in range(chance.randrange(3)):
            event = self.events.one()
            name = f"event-{event['data']['token']}.json"
            (self.data / name).write_text(json.dumps(event))
            os.rename(self.data / name, self.data / "inbox" / name)
            self.ledger.dropped[event["data"]["token"]] = event["name"]

    def under_load(self, chance, seconds, then=lambda: None):
        """Load for a while, and the kill."""
        self.events.allow(chance.randrange(10, 60))
        loads = Loads(self.server, self.events)
        self.drop(chance)
        time.sleep(seconds)
        then()
        if self.server.process.poll() is None:
            self.server.process.kill()
        loads.stop()

    def must_start(self):
        if self.server.wait_until_ready():
            took = time.monotonic() - self.server.started
            self.start_seconds += 0.1 * (took - self.start_seconds)
            self.start_seconds_max = max(self.start_seconds_max, took)
            return True
        self.ledger.problem("the server did not start", f"tail {self.directory}/server.log")
        return False

    def round(self, kind, chance):
        seconds = chance.uniform(0.005, 0.12)
        if kind == "start":
            moments = [chance.uniform(0, 1.1 * self.start_seconds) for _ in range(chance.randrange(1, 6))]
            self.note(f"  starts killed after {', '.join(f'{moment:.4f}' for moment in moments)} s")
            self.drop(chance)
            for moment in moments:
                self.start()
                time.sleep(moment)
                code = self.die()
                if code is not None:
                    self.ledger.problem(f"a start ended with {code}", f"tail {self.directory}/server.log")
            return
        if kind == "snapshot":
            # What the log has grown by makes a snapshot due at once.
            self.start(sizes={"SNAPSHOT_BYTES": 2_000})
            if self.must_start():
                late = chance.uniform(0, 0.004)
                self.under_load(chance, 0, lambda: self.wait_for_snapshot(late))
        elif kind == "stop":
            self.start(drain=chance.choice(["0ms", "10ms", "2s"]))
            if self.must_start():
                later = chance.uniform(0, 0.08)
                self.under_load(chance, seconds, lambda: (self.server.process.terminate(), time.sleep(later)))
        elif kind == "suspend":
            self.start()
            if self.must_start():
                self.under_load(chance, seconds, lambda: self.suspend(chance.uniform(0.01, 0.08)))
        elif kind == "second":
            self.start()
            if self.must_start():
                self.under_load(chance, seconds, self.start_second)
        elif kind == "files":
            limit = chance.randrange(12, 64)
            self.note(f"  {limit} file descriptors")
            self.start(limits={resource.RLIMIT_NOFILE: limit})
            self.starved(chance, seconds)
        elif kind == "full":
            if chance.random() < 0.3:
                self.note("  no free space")
                self.start(sizes={"FREE_BYTES": 1 << 60})
            else:
                limit = int(2 ** chance.uniform(10, 20))
                self.note(f"  files of at most {limit} bytes")
                self.start(limits={resource.RLIMIT_FSIZE: limit})
            self.starved(chance, seconds)
        else:
            self.note(f"  killed after {seconds:.4f} s")
            self.start()
            if self.must_start():
                self.under_load(chance, seconds)
        code = self.die_after(kind)
        if code is not None and code != -signal.SIGKILL:
            if (kind == "stop" and code == 0 or kind in ("files", "full") and code in ORDERLY
                    or kind == "files" and self.swift_nio_trapped()):
                self.totals["ended_by_themselves"] += 1
            else:
                self.ledger.problem(
                    f"in a round of kind '{kind}' the server ended with {code}", f"tail {self.directory}/server.log")

    def die_after(self, kind):
        code = self.server.process.wait()
        self.totals["kills"] += code == -signal.SIGKILL
        self.ledger.after_death()
        return code

    def swift_nio_trapped(self):
        """Without descriptors for its event loops swift-nio traps, above all in debug builds. To the journal that is a
        death like any other, and it is checked like one."""
        said = (self.directory / "server.log").read_bytes()[self.log_position :]
        if b"NIOPosix/" not in said:
            return False
        self.totals["swift_nio_traps"] += 1
        return True

    def starved(self, chance, seconds):
        """It may refuse to start, refuse work, or end with a message. What it does acknowledge counts."""
        if self.server.wait_until_ready(2):
            self.under_load(chance, seconds)
        elif self.server.process.poll() is None:
            self.server.process.kill()

    def wait_for_snapshot(self, late):
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline and not (self.data / "snapshot" / "new.tmp").exists():
            time.sleep(0.0002)
        time.sleep(late)

    def suspend(self, seconds):
        self.server.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.server.process.send_signal(signal.SIGCONT)
        time.sleep(seconds)

    def start_second(self):
        second = Server(self.binary, self.data, self.effects_path, self.log, self.sizes)
        try:
            code = second.process.wait(20)
        except Exception:
            second.kill()
            code = None
        if code != 4:
            self.ledger.problem(
                f"a second server on the same directory ended with {code}, not with 4",
                f"tail {self.directory}/server.log")
        if self.server.process.poll() is not None:
            self.ledger.problem("the first server ended because of a second", f"tail {self.directory}/server.log")

    # MARK: - All rounds

    def run(self):
        kinds = self.arguments.kinds or list(WEIGHTS)
        per_directory, number = self.arguments.directory, 0
        while self.rounds < self.arguments.rounds:
            self.open_directory(number)
            for _ in range(min(per_directory, self.arguments.rounds - self.rounds)):
                chance = random.Random(f"{self.arguments.seed}/{self.rounds}")
                kind = chance.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
                self.note(f"round {self.rounds}: {kind}")
                self.round(kind, chance)
                self.rounds += 1
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                if chance.random() < 0.03 and not self.ledger.problems:
                    self.ledger.verify()
                    self.totals["verified"] += 1
                self.progress()
                if self.ledger.problems:
                    self.add_up()
                    return
            self.close_directory()
            self.totals["verified"] += 1
            if self.problems:
                return
            number += 1

    def progress(self):
        now = time.monotonic()
        if now - self.shown < (1 if sys.stderr.isatty() else 10):
            return
        self.shown = now
        rate = self.rounds / (now - self.begun)
        left = (self.arguments.rounds - self.rounds) / rate
        text = (f"{self.rounds} of {self.arguments.rounds} rounds, {rate:.1f} a second, "
                f"{int(left // 60)} min {int(left % 60):02} s left, {self.totals['kills']} kills, {self.totals['acknowledged'] + len(self.events.acknowledged)} events "
                f"acknowledged, {len(self.problems)} problems")
        if sys.stderr.isatty():
            print("\r\033[K" + text, end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def summary(self, interrupted):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        seconds = time.monotonic() - self.begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        result = {
            "rounds": self.rounds, "interrupted": interrupted, "seed": self.arguments.seed, "seconds": round(seconds, 1),
            "rounds_per_second": round(self.rounds / seconds, 2), "kinds": self.kinds, **self.totals,
            "start_seconds_max": round(self.start_seconds_max, 3), "checker_memory_mib": peak,
            "problems": [str(problem) for problem in self.problems]}
        if self.problems or self.arguments.keep:
            result["kept"] = str(self.root)
        if self.arguments.json:
            print(json.dumps(result))
            return
        totals = self.totals
        print(f"{self.rounds} rounds in {seconds:.0f} s ({self.rounds / seconds:.1f} a second), seed {self.arguments.seed}"
              + (", interrupted" if interrupted else ""))
        print("  " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items())))
        print(f"  {totals['starts']} starts, {totals['kills']} kills, {totals['ended_by_themselves']} ended by themselves, "
              f"{totals['directories']} directories, verified {totals['verified']} times")
        print(f"  {totals['acknowledged']} events acknowledged and {totals['dropped']} dropped as files, {totals['runs']} "
              f"runs, {totals['journaled_steps']} steps journaled, {totals['records']} records")
        print(f"  {len(self.problems)} problems")
        for problem in self.problems[:20]:
            print(f"  {problem}")
        if self.problems:
            print(f"  kept: {self.root}")
            print(f"  again: Tests/kill.py --binary {self.arguments.binary} --seed {self.arguments.seed} "
                  f"--rounds {self.arguments.rounds} --directory {self.arguments.directory}"
                  + "".join(f" --kind {kind}" for kind in self.arguments.kinds or []))


def stop_on_signal(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, help="the KillTarget program")
    parser.add_argument("--rounds", type=int, default=200, help="default 200")
    parser.add_argument("--kind", dest="kinds", action="append", choices=list(WEIGHTS), help="only this kind; may be repeated")
    parser.add_argument("--directory", type=int, default=100, metavar="ROUNDS", help="rounds on one data directory (default 100)")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()),
        help="of everything that is left to chance but the processes themselves")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--verbose", action="store_true", help="print every choice; they are also kept in rounds.log")
    parser.add_argument("--keep", action="store_true", help="keep the data directories")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_on_signal)
    torture = Torture(arguments)
    print(f"{arguments.rounds} rounds, seed {arguments.seed}, in {torture.root}", file=sys.stderr, flush=True)
    interrupted = False
    try:
        torture.run()
    except KeyboardInterrupt:
        interrupted = True
        if torture.server:
            torture.server.kill()
        if torture.ledger:
            torture.ledger.after_death()
            torture.add_up()
    torture.summary(interrupted)
    if not torture.problems and not arguments.keep:
        shutil.rmtree(torture.root)
    return 1 if torture.problems else 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
