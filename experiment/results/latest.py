"""Which dashboard to open: that of the newest run, or of its whole sweep. No torch is imported."""

import os
from dataclasses import dataclass
from pathlib import Path

from experiment.results.runs import NOT_RUNS
from experiment.sweeps.sweep import SEARCH_WORDS, SWEEP_WORDS
from schemas.errors import ConfigError

BOARD = "tensorboard"
"""In a run's folder, by conf/logger/tensorboard.yaml."""


@dataclass(frozen=True)
class Latest:
    """What was written to last."""

    path: Path
    what: str
    """A run, a sweep or a search."""
    others: int
    """How many runs with a dashboard lie beside it."""


def latest(logs: Path) -> Latest:
    """The newest of all runs under a folder by their status.json, or the sweep or search that it is a job of.

    Raises:
        ConfigError: where the folder is not there or holds no run with a TensorBoard folder.
    """
    boards = _with_boards(logs)
    if not boards:
        raise ConfigError(
            "there is no run with a dashboard" if logs.is_dir() else "there is no such folder",
            where=logs,
            remedy="`python train.py experiment=quickstart` makes one; or name the folder of yours.",
        )
    newest = max(boards, key=boards.__getitem__)
    for name, what in ((SWEEP_WORDS, "sweep"), (SEARCH_WORDS, "search")):
        if (newest.parent / name).is_file():
            inside = sum(run.parent == newest.parent for run in boards)
            return Latest(newest.parent, f"{what} of {inside} run{'s' * (inside > 1)}", len(boards) - inside)
    return Latest(newest, "run", len(boards) - 1)


def _with_boards(logs: Path) -> dict[Path, int]:
    """Run -> when its status was written last, in nanoseconds, of all that have a TensorBoard folder."""
    found = {}
    for place, inner, files in os.walk(logs):
        if "status.json" in files and BOARD in inner:
            found[Path(place)] = os.stat(os.path.join(place, "status.json")).st_mtime_ns
        inner[:] = [name for name in inner if name not in NOT_RUNS and not name.startswith(".")]
    return found
