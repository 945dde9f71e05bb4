"""The front door as a user meets it: a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = (
    "datamodule=nw_ucla",
    "model.spatial_dim=8",
    "model.spatial_layers=1",
    "model.temporal_dim=8",
    "model.temporal_layers=1",
    "datamodule.num_workers=0",
    "trainer.max_epochs=1",
    "logger=none",
)


def train(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "train.py", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "words",
    [
        ["model.spatial_dim=abc"],
        ["model.spatal_dim=3"],
        ["model.dropout=-0.1"],
        ["model=gcn_lst"],
        ["datamodule.task=events"],
        ["-m", "seed=-1,-2"],
        ["paths.log_dir=/proc/none"],
    ],
    ids=lambda words: words[-1],
)
def test_a_bad_override_is_one_line_and_exit_code_2(words, tmp_path):
    done = train(f"paths.data_dir={tmp_path}", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("ConfigError ") and len(done.stderr.splitlines()) == 1
    assert done.stdout == "" and not list(tmp_path.iterdir())


def test_absent_data_says_where_they_can_be_had(tmp_path):
    done = train("datamodule=natops", f"paths.log_dir={tmp_path}", f"paths.data_dir={tmp_path / 'none'}")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "UEA" in done.stderr and "prepare.py format=natops" in done.stderr


@pytest.mark.slow
def test_a_multirun_gives_every_job_a_folder_and_leaves_the_test_split_closed(tmp_path, data_dir):
    done = train("-m", *SMALL, "seed=1,2", f"paths.log_dir={tmp_path}", f"paths.data_dir={data_dir}")
    assert done.returncode == 0, done.stderr
    states = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("clips/multiruns/*/*/status.json"))]
    assert [state["state"] for state in states] == ["finished", "finished"]
    assert all(state["result"]["test"] is None for state in states)


@pytest.mark.slow
def test_two_runs_started_in_the_same_second_have_folders_of_their_own(tmp_path, data_dir):
    command = [sys.executable, "train.py", *SMALL, f"paths.log_dir={tmp_path}", f"paths.data_dir={data_dir}"]
    jobs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [job.wait(timeout=120) for job in jobs] == [0, 0]
    assert len(list(tmp_path.glob("clips/runs/*/checkpoints/best.ckpt"))) == 2


@pytest.mark.slow
def test_ctrl_c_marks_the_run_interrupted(tmp_path, data_dir):
    words = [*SMALL, "trainer.max_epochs=100000", f"paths.log_dir={tmp_path}", f"paths.data_dir={data_dir}"]
    job = subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob("clips/runs/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(job.pid, signal.SIGINT)
    _, printed = job.communicate(timeout=60)
    assert job.returncode == 130 and "Traceback" not in printed
    (status,) = tmp_path.glob("clips/runs/*/status.json")
    assert json.loads(status.read_text())["state"] == "interrupted"
