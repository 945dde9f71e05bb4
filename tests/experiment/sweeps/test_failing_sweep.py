"""A sweep of 12 jobs of which the data refuse two: ten results and two reasons, in its own words and in results.py."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.sweeps import sweep
from tests.experiment.small_data import CLIP_RUN, changed, make_clips, write_clips

ROOT = Path(__file__).parents[3]
SUBJECTS, JOBS = 10, 12


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """Leave one subject out, over two folds more than there are subjects: only the data know how many that are."""
    top = tmp_path_factory.mktemp("sweep")
    clips = changed(
        make_clips(80), lambda clip, _: {"groups": {"subject": f"s{int(clip.id.split()[1]) // 4 % SUBJECTS}"}}
    )
    store = write_clips(top / "store", clips)
    words = [*CLIP_RUN, f"datamodule.root={store}", "trainer.max_epochs=1", f"paths.log_dir={top / 'logs'}"]
    done = door("train.py", "-m", *words, "datamodule/split=subject_fold", f"datamodule.split.fold=range(0,{JOBS})")
    (folder,) = (top / "logs" / "clips" / "multiruns").iterdir()
    return done, folder


def door(*words: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_ten_jobs_have_results_and_two_their_reasons(swept):
    done, folder = swept
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stdout + done.stderr
    states = {int(number): status for number, _, status in sweep.jobs(folder)}
    finished = [number for number, status in states.items() if status["state"] == "finished"]
    failed = {number: status["why"] for number, status in states.items() if status["state"] == "failed"}
    assert finished == list(range(SUBJECTS)) and list(failed) == [10, 11]
    assert all(states[number]["result"]["best_value"] > 0 for number in finished)
    for number, why in failed.items():
        assert "datamodule.split.fold" in why and f"{number}" in why and "From 0 to 9" in why
        assert (folder / str(number) / "config.yaml").is_file() and (folder / str(number) / "report.md").is_file()
        assert why.partition(". ")[0] in " ".join(done.stdout.split())
    assert "10 of the 12 jobs that began have finished" in done.stdout and "go on" in done.stdout


@pytest.mark.slow
def test_the_table_has_the_ten_and_names_the_two_with_their_reasons(swept):
    folder = swept[1]
    done = door("results.py", str(folder), f"csv={folder.parent / 'table.csv'}", f"latex={folder.parent / 'table.tex'}")
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    (row,) = csv.DictReader((folder.parent / "table.csv").open())
    values = [json.loads((folder / str(job) / "status.json").read_text())["result"]["best_value"] for job in range(10)]
    assert (row["folds"], row["runs"], row["val_n"]) == ("10", "10", "10")
    assert float(row["val_mean"]) == pytest.approx(sum(values) / len(values))
    assert "12 runs read, 10 in the tables; no figure is of the other 2" in done.stdout
    for job in (10, 11):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"failed {folder / str(job)}: ")]
        assert "datamodule.split.fold" in line and "From 0 to 9" in line
    assert "no figure is of the other 2" in (folder.parent / "table.tex").read_text()
