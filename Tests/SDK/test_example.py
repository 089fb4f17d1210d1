"""examples/python-flask does what its page says."""

import os
import subprocess
import sys

from harness import HERE, PROGRAM, free_port


def test_the_example_takes_an_order_to_its_end(tmp_path) -> None:
    done = subprocess.run(
        [str(HERE.parent.parent / "examples/python-flask/run"), "--once"],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            "PATH": os.environ["PATH"],
            "DAYBOOK": PROGRAM,
            "PYTHON": sys.executable,
            "PORT": str(free_port()),
            "APP_PORT": str(free_port()),
            "DAYBOOK_DATA": str(tmp_path / "var"),
        },
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    for part in ("shop-fulfil-order", "reserve-stock", "the bank did not answer", "receipt for 8", "completed"):
        assert part in done.stdout, f"{part!r} is missing in:\n{done.stdout}\n{done.stderr[-2_000:]}"
