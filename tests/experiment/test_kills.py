"""Killed at any moment, a run goes on and ends as if nothing had happened: kill -9, SIGTERM and Ctrl-C.

A short form runs here; `make torture` (ASSAY_TORTURE=full) does all 25 and 10.
"""

import os
import random
import signal
from pathlib import Path

import pytest

from experiment.run_folder import RunFolder
from tests.experiment.killed_runs import hit, run_to_end
from tests.experiment.same_run import assert_same, words_of, write_data

FULL = os.environ.get("ASSAY_TORTURE") == "full"
CASES = [("clips", 0), ("events", 0), ("clips", 2), ("events", 2)]
KILLS = 25 if FULL else 5
SIGNALS = 10 if FULL else 4


class Whole:
    """An unbroken run of each kind, made once."""

    def __init__(self, folder: Path):
        self.folder, self.data = folder, write_data(folder)
        self._seconds: dict[tuple[str, int], float] = {}

    def words(self, task: str, workers: int) -> list[str]:
        return words_of(task, self.data, self.folder, f"datamodule.num_workers={workers}")

    def run(self, task: str, workers: int) -> tuple[Path, float]:
        """Its folder and its seconds."""
        folder = self.folder / f"whole {task} {workers}"
        if (task, workers) not in self._seconds:
            self._seconds[task, workers] = run_to_end(self.words(task, workers), folder)
        return folder, self._seconds[task, workers]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def finish(words: list[str], folder: Path) -> None:
    run_to_end([*words, f"resume.source={folder}"], folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_kill_9_at_a_random_moment(number, tmp_path, whole):
    task, workers = CASES[number % len(CASES)]
    expected, seconds = whole.run(task, workers)
    moment = random.Random(number).uniform(0.05, 1.0) * seconds
    words = whole.words(task, workers)
    ended = hit(words, tmp_path / "run", moment, signal.SIGKILL)
    assert ended in (-signal.SIGKILL, 0)
    if ended:
        finish(words, tmp_path / "run")
    assert_same(expected, tmp_path / "run")
    assert RunFolder.read_status(tmp_path / "run")["state"] == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SIGNALS))
def test_sigterm_and_ctrl_c_end_in_order(number, tmp_path, whole):
    task, _ = CASES[number % 2]
    expected, seconds = whole.run(task, 0)
    moment = random.Random(100 + number).uniform(0.3, 0.9) * seconds
    words = whole.words(task, 0)
    ended = hit(words, tmp_path / "run", moment, (signal.SIGTERM, signal.SIGINT)[number // 2 % 2])
    assert ended in (130, 0)
    if ended:
        # It may have been writing the report of a finished run.
        status = RunFolder.read_status(tmp_path / "run")
        assert status["state"] == "interrupted" or "result" in status
        if "result" not in status:
            assert "nterrupted" in (tmp_path / "run" / "report.md").read_text()
        finish(words, tmp_path / "run")
    assert_same(expected, tmp_path / "run")
