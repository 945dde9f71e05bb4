"""Runs found under folders and read, whatever state they are in."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.configs.compose import compose_config
from experiment.results.runs import read_run, read_runs
from experiment.run_folder import RunFolder
from experiment.training import run_training
from schemas.errors import ConfigError
from tests.experiment.many_runs import CHANCE, write_run
from tests.experiment.same_run import words_of, write_data

ROOT = Path(__file__).parents[3]


def test_a_real_run_is_read_as_it_says_of_itself(tmp_path):
    words = words_of("clips", write_data(tmp_path), tmp_path, "trainer.max_epochs=1", "seed=3")
    run_training(compose_config(words), str(tmp_path / "run"), words, False)
    run, status = read_run(tmp_path / "run"), RunFolder.read_status(tmp_path / "run")
    origin = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert run.counts and run.state == "finished" and run.opened
    assert (run.seed, run.fold, run.task, run.data) == (3, None, "clips", "clips")
    assert run.value == status["result"]["best_value"]
    assert run.test == status["result"]["test"]["metrics"]["test/accuracy"]
    assert run.level == status["verdict"]["level"] if status["verdict"] else run.level is None
    assert (run.data_fingerprint, run.split_fingerprint) == (origin["data_fingerprint"], origin["split_fingerprint"])
    assert run.baselines == status["result"]["baselines"]


def test_runs_lie_at_any_depth_and_count_once(tmp_path):
    for place in ("runs/a", "multiruns/x/0", "multiruns/x/1"):
        write_run(tmp_path / "logs" / place)
    for place in ("runs/a/checkpoints/old", "runs/a/tensorboard/old", ".hidden/old"):
        write_run(tmp_path / "logs" / place)
    (tmp_path / "latest").symlink_to(tmp_path / "logs" / "runs")
    (tmp_path / "logs" / "round").symlink_to(tmp_path / "logs")
    runs = read_runs([tmp_path / "logs", tmp_path / "latest", tmp_path / "logs" / "runs" / "a"])
    assert [run.path.relative_to(tmp_path).as_posix() for run in runs] == [
        "logs/multiruns/x/0",
        "logs/multiruns/x/1",
        "logs/runs/a",
    ]


@pytest.mark.parametrize(
    ("written", "state", "why"),
    [
        ({"state": "failed", "why": "DataError: no\nclips"}, "failed", "DataError: no clips"),
        ({"state": "interrupted"}, "interrupted", "after epoch 3 of 9"),
        ({"state": "running"}, "cut off", "no process here is at it"),
        ({"state": "pruned", "why": "worse than the median"}, "pruned", "worse than the median"),
        ({"state": "failed"}, "failed", "after epoch 3 of 9, without a reason"),
        ({"state": None}, "damaged", "status.json says no state"),
        ({"value": None}, "finished", "its val/loss is not a finite number"),
        ({"data": ""}, "finished", "provenance.json does not name"),
    ],
)
def test_a_run_that_has_no_figure_says_why(written, state, why, tmp_path):
    run = read_run(write_run(tmp_path / "run", **written))
    assert not run.counts and run.state == state and why in run.why


def test_a_run_in_progress_is_not_one_that_was_cut_off(tmp_path):
    folder = write_run(tmp_path / "run", state="running")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = read_run(folder)
    assert run.state == "running" and run.why == "after epoch 3 of 9"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("config.yaml", None, "config.yaml is missing"),
        ("config.yaml", b"model: [1,\n", "config.yaml is damaged or cut off"),
        ("config.yaml", b"\xff\xfe", "config.yaml cannot be read"),
        ("config.yaml", b"- 1\n", "config.yaml does not hold"),
        ("config.yaml", b"", "config.yaml"),
        ("config.yaml", b"model:\n  name: other\n", "its checksum differs"),
        ("status.json", None, "status.json is missing"),
        ("status.json", b'{"state": "fini', "status.json is damaged or cut off"),
        ("status.json", b"[]", "status.json does not hold"),
        ("status.json", b"[" * 100_000, "status.json is damaged"),
        ("provenance.json", b"{", "provenance.json is damaged or cut off"),
        ("provenance.json", None, "provenance.json does not name"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_a_damaged_file_costs_its_run_and_no_other(name, content, why, tmp_path):
    folder = write_run(tmp_path / "bad")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    write_run(tmp_path / "good")
    bad, good = read_runs([tmp_path])
    assert good.counts and not bad.counts and why in bad.why


@pytest.mark.parametrize("key", range(5))
def test_every_part_of_a_config_that_was_cut_off_is_noticed(key, tmp_path):
    folder = write_run(tmp_path / "run")
    sections = (folder / "config.yaml").read_text().split("\n")
    whole = [place for place, line in enumerate(sections) if line and line[0] != " "]
    (folder / "config.yaml").write_text("\n".join(sections[: whole[key + 2]]))
    assert "its checksum differs" in read_run(folder).why


def test_a_run_that_failed_after_its_test_opened_it(tmp_path):
    by_verdict = write_run(tmp_path / "a", state="failed", test=0.1)
    by_numbers = write_run(tmp_path / "b", state="interrupted")
    (by_numbers / "evaluation.json").write_text('{"split": "test"}')
    damaged = write_run(tmp_path / "c")
    (damaged / "evaluation.json").write_text('{"split": "test"}')
    (damaged / "status.json").write_text("{")
    closed = write_run(tmp_path / "d", state="failed")
    assert [read_run(run).opened for run in (by_verdict, by_numbers, damaged, closed)] == [True, True, True, False]
    assert read_run(damaged).split_fingerprint == "s1"


def test_a_verdict_is_above_chance_or_not_or_not_there(tmp_path):
    levels = {"a": CHANCE, "b": "above chance, below the best baseline", "c": None}
    runs = [read_run(write_run(tmp_path / name, level=level)) for name, level in levels.items()]
    assert [run.above_chance for run in runs] == [False, True, None]


def test_a_config_with_texts_of_many_lines_is_read_whole(tmp_path):
    text = "first line\nsecond: line\n- third"
    run = read_run(write_run(tmp_path / "run", note=text, datamodule__origin=f"{'long ' * 60}: end", empty={}))
    assert run.counts and run.config["note"] == text and run.config["empty"] == {}


def test_folders_without_runs_are_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no run was found, that is a folder with config.yaml and status.json"):
        read_runs([tmp_path])
    with pytest.raises(ConfigError, match=r"none: there is no such folder"):
        read_runs([tmp_path / "none"])


def test_runs_are_read_without_torch_lightning_pandas_and_matplotlib(tmp_path):
    write_run(tmp_path / "a")
    code = (
        "import sys, results; assert results.main([sys.argv[1]]) == 0;"
        "print({'torch', 'lightning', 'pandas', 'matplotlib', 'hydra'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_moved_run_is_the_same_run(tmp_path):
    write_run(tmp_path / "old" / "run")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert read_runs([tmp_path / "new"])[0].counts
