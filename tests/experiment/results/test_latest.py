"""Which dashboard is the newest."""

import os
from pathlib import Path

import pytest

from experiment.results.latest import Latest, latest
from schemas.errors import ConfigError


def make_run(path: Path, when: int, board: bool = True) -> Path:
    (path / "tensorboard" if board else path).mkdir(parents=True)
    (path / "status.json").write_text("{}")
    os.utime(path / "status.json", (when, when))
    return path


@pytest.fixture
def logs(tmp_path) -> Path:
    make_run(tmp_path / "clips" / "runs" / "old", 100)
    make_run(tmp_path / "events" / "runs" / "new", 300)
    make_run(tmp_path / "clips" / "runs" / "without", 900, board=False)
    for job in range(3):
        make_run(tmp_path / "clips" / "multiruns" / "many" / str(job), 200 + job)
    (tmp_path / "clips" / "multiruns" / "many" / "sweep.yaml").write_text("[]")
    return tmp_path


def test_the_run_that_was_written_to_last(logs):
    assert latest(logs) == Latest(logs / "events" / "runs" / "new", "run", 4)


def test_a_job_stands_for_its_sweep(logs):
    make_run(logs / "clips" / "multiruns" / "many" / "3", 400)
    assert latest(logs) == Latest(logs / "clips" / "multiruns" / "many", "sweep of 4 runs", 2)


def test_a_trial_stands_for_its_search(logs):
    make_run(logs / "searches" / "0", 400)
    (logs / "searches" / "search.yaml").write_text("[]")
    assert latest(logs) == Latest(logs / "searches", "search of 1 run", 5)


def test_a_run_by_itself(logs):
    assert latest(logs / "clips" / "runs" / "old").path == logs / "clips" / "runs" / "old"


@pytest.mark.parametrize(
    ("folder", "what"), [("clips/runs/without", "no run with a dashboard"), ("x", "no such folder")]
)
def test_where_there_is_none_it_is_said(folder, what, logs):
    with pytest.raises(ConfigError, match=rf"{folder}.*{what}.*experiment=quickstart"):
        latest(logs / folder)
