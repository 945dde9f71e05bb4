"""A TensorBoard of the test's own."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def tensorboard(logdir: Path, seconds: float = 60) -> Iterator[str]:
    """Starts TensorBoard on a free port; gives its address once every run below `logdir` is loaded.

    Raises:
        RuntimeError: if it does not come up, with what it said.
    """
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = []
    try:
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"TensorBoard \S+ at (\S+)", line):
                break
        else:
            raise RuntimeError("".join(said))
        address = found[1].rstrip("/") + "/"
        runs = {str(path.parent.relative_to(logdir)) for path in logdir.rglob("events.out.tfevents.*")}
        loaded = eventually(lambda: set(asked(address + "data/runs")), runs, seconds)
        if loaded != runs:
            raise RuntimeError(f"after {seconds:g} s TensorBoard has not loaded {sorted(runs - loaded)}")
        yield address
    finally:
        server.terminate()
        server.wait(20)
        server.stderr.close()


def asked(address: str):
    """What TensorBoard's server answers."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.load(answer)


def eventually(read: Callable[[], object], expected: object, seconds: float = 20):
    """What `read` gives once it is what was expected, or when the time is up: a page fills in its own time."""
    deadline = time.monotonic() + seconds
    while (shown := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.25)
    return shown
