"""Killed at any moment, a run goes on and ends as if nothing had happened: kill -9, SIGTERM and Ctrl-C.

A short form runs here; `make torture` (ASSAY_TORTURE=full) does all 25 and 16.
"""

import os
import random
import signal
from itertools import product
from pathlib import Path

import pytest

from experiment.run_folder import RunFolder
from tests.experiment.killed_runs import Hit, hit_run, run_to_end
from tests.experiment.same_run import assert_same, words_of, write_data

FULL = os.environ.get("ASSAY_TORTURE") == "full"
CASES = [("clips", 0), ("events", 2), ("clips", 2), ("events", 0)]
KILLS = range(25 if FULL else 5)
# Ctrl-C in a terminal and a cluster's SIGTERM reach the workers too; `kill PID` does not.
SIGNALS = list(product((signal.SIGTERM, signal.SIGINT), CASES, (True, False)))
SIGNALS = SIGNALS if FULL else SIGNALS[2::3]


class Whole:
    """An unbroken run of each kind, made once."""

    def __init__(self, folder: Path):
        self.folder, self.data = folder, write_data(folder)
        self._moments: dict[tuple[str, int], int] = {}

    def words(self, task: str, workers: int) -> list[str]:
        return words_of(task, self.data, self.folder, f"datamodule.num_workers={workers}")

    def run(self, task: str, workers: int) -> tuple[Path, int]:
        """Its folder and how many moments it had."""
        folder = self.folder / f"whole {task} {workers}"
        if (task, workers) not in self._moments:
            self._moments[task, workers] = run_to_end(self.words(task, workers), folder)
        return folder, self._moments[task, workers]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def finish(words: list[str], folder: Path) -> None:
    run_to_end([*words, f"resume.source={folder}"], folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", KILLS)
def test_kill_9_at_a_random_moment(number, tmp_path, whole):
    task, workers = CASES[number % len(CASES)]
    expected, moments = whole.run(task, workers)
    drawn = random.Random(number)
    words = whole.words(task, workers)
    hit = Hit(signal.SIGKILL, drawn.randint(1, moments), drawn.choice([0.0, 0.003, 0.01]))
    ended = hit_run(words, tmp_path / "run", hit)
    assert ended in (-signal.SIGKILL, 0)
    if ended:
        finish(words, tmp_path / "run")
    assert_same(expected, tmp_path / "run")
    assert RunFolder.read_status(tmp_path / "run")["state"] == "finished"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "case", "group"), SIGNALS)
def test_sigterm_and_ctrl_c_end_in_order(number, case, group, tmp_path, whole):
    task, workers = case
    expected, moments = whole.run(task, workers)
    # After the folder's first files, before the report.
    moment = random.Random(f"{number} {case} {group}").randint(moments // 6, moments * 5 // 6)
    words = whole.words(task, workers)
    ended = hit_run(words, tmp_path / "run", Hit(number, moment, group=group))
    assert ended in (130, 0)
    if ended:
        # It may have been writing the report of a finished run.
        status = RunFolder.read_status(tmp_path / "run")
        assert status["state"] == "interrupted" or "result" in status
        if "result" not in status:
            assert "nterrupted" in (tmp_path / "run" / "report.md").read_text()
        finish(words, tmp_path / "run")
    assert_same(expected, tmp_path / "run")
