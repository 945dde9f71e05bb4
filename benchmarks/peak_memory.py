"""How far a benchmark's process grows in a side's training steps, measured in a process of its own (Linux).

A script that calls `peak_memory` calls `report_peak_memory` where it is given `--memory SIDE`.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def peak_memory(side: str) -> float:
    """MiB of a side: this script once more, with the words that it was given and `--memory SIDE`."""
    command = [sys.executable, *sys.argv, "--memory", side]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 2**20


def report_peak_memory(step: Callable[[], object]):
    """Prints how many bytes this process grows over its present size in three training steps."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = _resident_bytes("VmRSS")
    for _ in range(3):
        step()
    print(_resident_bytes("VmHWM") - before)


def _resident_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))
