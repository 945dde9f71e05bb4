"""Whether the machine is idle enough that times tell of us and not of others (Linux)."""

import os
import sys
import time
from pathlib import Path

OTHERS_AT_MOST = 0.10
"""Cores that all other processes together may use."""


def busy_seconds() -> float:
    """CPU seconds that all processes have used since the machine started."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Others:
    """The cores that other processes use on average, between construction and `cores()`."""

    def __init__(self):
        self.before = time.monotonic(), busy_seconds(), time.process_time()

    def cores(self) -> float:
        wall, busy, own = (
            now - then
            for now, then in zip((time.monotonic(), busy_seconds(), time.process_time()), self.before, strict=True)
        )
        return max(0.0, busy - own) / wall


def refuse_if_busy(others: Others, allow: bool):
    if (cores := others.cores()) <= OTHERS_AT_MOST:
        return
    if not allow:
        print(f"refused: other processes use {cores:.2f} cores; time on an idle machine, or add --allow-busy")
        sys.exit(2)
    print(f"NOT A MEASUREMENT: other processes use {cores:.2f} cores (--allow-busy)")
