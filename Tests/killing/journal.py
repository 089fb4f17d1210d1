"""Reads a data directory by its written format alone (docs/JOURNAL_FORMAT.md), without any of Daybook's own code."""
import json
import re
import zlib

CRC = re.compile(rb',"crc":"([0-9a-f]{8})"}$')
STREAM = re.compile(rb'"s":"([^"]+)"')


def lines_of(path):
    # A log segment is filled with line feeds up to its size.
    return [line for line in path.read_bytes().split(b"\n") if line]


def is_right(line):
    found = CRC.search(line)
    return found is not None and zlib.crc32(line[: found.start()]) == int(found.group(1), 16)


def whole_batches(path):
    """Records of a segment that a commit line stands behind, as bytes. What follows the first wrong line does not
    count: it is a torn end, or damage, which is the business of `verify`."""
    records, batch = [], []
    for line in lines_of(path):
        if not is_right(line):
            break
        if line.startswith(b'{"q":'):
            batch.append(line)
        elif line.startswith(b'{"c":'):
            records += batch
            batch = []
    return records


class LogReader:
    """Goes through the commit log of one data directory as it grows. A segment is read once, when its process is gone:
    nobody writes to it after that."""

    def __init__(self, data):
        self.data, self.seen, self.checksums = data, set(), {}
        self.problems = []

    def new_records(self):
        """Records that were not seen before. The unproven batches of a dead process stand in two segments; they must
        say the same in both."""
        for path in sorted((self.data / "journal").glob("[0-9]*.jsonl")):
            if path.name in self.seen:
                continue
            self.seen.add(path.name)
            try:
                lines = whole_batches(path)
            except FileNotFoundError:
                continue
            for line in lines:
                q = int(line[5 : line.index(b",")])
                checksum = line[-10:-2]
                if q not in self.checksums:
                    self.checksums[q] = checksum
                    yield q, line
                elif self.checksums[q] != checksum:
                    self.problems.append(
                        f"record {q} was {self.checksums[q].decode()} in one segment and is {checksum.decode()} in "
                        f"{path.name}: a record that was read by a start has changed")


def run_files(data):
    return (path for path in (data / "runs").glob("*/*/*.jsonl") if path.name != "index.jsonl")


def records_of(path):
    """Records of a stream's file.
    :raises ValueError: when a line is wrong."""
    records = []
    for line in lines_of(path):
        if not is_right(line):
            raise ValueError(f"{path}: a line is wrong: {line[:80]!r}")
        records.append(json.loads(line))
    return records
