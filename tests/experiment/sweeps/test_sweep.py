"""Sweeps: a job that fails is recorded, one that was cut off goes on, and finished ones are left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiment.configs.compose import compose_config
from experiment.configs.override_words import quoted
from experiment.run_folder import RunFolder
from experiment.sweeps import sweep
from schemas.errors import ConfigError
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    store = write_clips(tmp_path_factory.mktemp("data") / "store", make_clips(60))
    return [*CLIP_RUN, f"datamodule.root={store}", "trainer.max_epochs=2"]


def train(*words: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "train.py", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


def states(folder: Path) -> list[dict]:
    return [status for _, _, status in sweep.jobs(folder)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_a_sweep_goes_on_past_a_failed_job_and_after_a_cut(words, tmp_path):
    # A warm-up over the whole run is refused, and only the jobs that have one.
    words = [*words, "model.dropout=0.1,0.2", "scheduler=warmup_cosine", f"paths.log_dir={tmp_path}"]
    done = train("-m", *words, "scheduler.schedule.warmup=0.1,1.0")
    assert done.returncode == 2 and "some jobs cannot run" in done.stdout, done.stdout + done.stderr
    (folder,) = (tmp_path / "clips" / "multiruns").iterdir()
    found = states(folder)
    assert [status["state"] for status in found] == ["finished", "failed", "finished", "failed"]
    assert all("warmup" in status["why"] for status in found if status["state"] == "failed")
    assert "2 of the 4 jobs that began have finished" in done.stdout

    # As if it had been killed in the third job, and the fourth had not begun.
    before = weights(folder / "2")
    status = json.loads((folder / "2" / "status.json").read_text())
    (folder / "2" / "status.json").write_text(json.dumps(status | {"state": "running"}))
    for path in sorted((folder / "3").rglob("*"), reverse=True):
        path.unlink()
    untouched = (folder / "0" / "status.json").stat().st_mtime_ns
    again = train(f"sweep.resume={folder}")
    assert again.returncode == 2 and "job 0 had finished" in again.stdout, again.stdout + again.stderr
    assert [status["state"] for status in states(folder)] == ["finished", "failed", "finished", "failed"]
    assert (folder / "0" / "status.json").stat().st_mtime_ns == untouched
    after = weights(folder / "2")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_jobs_side_by_side_are_those_of_one_process(words, tmp_path):
    for launcher in ("basic", "joblib"):
        workers = f"datamodule.num_workers={0 if launcher == 'basic' else 1}"
        done = train(
            "-m", *words, workers, "seed=0,1", f"paths.log_dir={tmp_path / launcher}", f"hydra/launcher={launcher}"
        )
        assert done.returncode == 0, done.stdout + done.stderr
    one, other = (next((tmp_path / name / "clips" / "multiruns").iterdir()) for name in ("basic", "joblib"))
    for job in ("0", "1"):
        first, second = weights(one / job), weights(other / job)
        assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = weights(one / "0"), weights(one / "1")
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_any_error_of_a_job_is_recorded(words, tmp_path, monkeypatch, capsys):
    def burst(*_):
        raise ZeroDivisionError("by a component of the user's")

    monkeypatch.setattr("experiment.training.run_training", burst)
    value = sweep.run_job(compose_config(words), tmp_path / "0", words)
    status = RunFolder.read_status(tmp_path / "0")
    assert value != value and status["state"] == "failed" and status["why"].startswith("ZeroDivisionError: by a")
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setattr("experiment.training.run_training", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sweep.run_job(compose_config(words), tmp_path / "1", words)


def test_words_that_no_job_can_use_are_refused_at_once(words):
    with pytest.raises(ConfigError, match="-3 is not a whole number"):
        sweep.check_sweep([*words, "model.spatial_dim=-3,-4"])
    with pytest.raises(ConfigError, match="Did you mean gcn_lstm"):
        sweep.check_sweep([*words, "model=gcn_lstm,gcn_lst"])
    assert sweep.check_sweep([*words, "model.spatial_dim=8,-4"]).model.spatial_dim == 8


def test_what_is_no_sweep_does_not_go_on(tmp_path):
    assert sweep.words_of_sweep(["-m", "seed=1,2"]) == ["-m", "seed=1,2"]
    with pytest.raises(ConfigError, match="there is no sweep in"):
        sweep.words_of_sweep([f"sweep.resume={tmp_path}"])
    with pytest.raises(ConfigError, match="seed=3 would change it"):
        sweep.words_of_sweep(["-m", f"sweep.resume={tmp_path}", "seed=3"])
    for content, said in (("[", "cannot be read"), ("a: 1", "no list of words")):
        (tmp_path / "sweep.yaml").write_text(content)
        with pytest.raises(ConfigError, match=said):
            sweep.words_of_sweep([f"sweep.resume={tmp_path}"])


def test_words_are_kept_as_they_were_typed(words, tmp_path):
    typed = ["seed=0,1", "datamodule.split.seed=${seed}", "optimizer.lr=${oc.env:A,'b c'}", "model.name=é: [x"]
    config = compose_config([*words, f"paths.log_dir={tmp_path}"])
    folder = sweep.folder_of_sweep(config, typed)
    assert sweep.words_of_sweep([f"sweep.resume={folder}"])[1:-1] == typed


@pytest.mark.parametrize("name", ["plain", "it's", "back\\slash", "both\\' and", "we ird [x], a=b", "end\\"])
def test_any_folder_can_be_named(name):
    parsed = OverridesParser.create().parse_override(f"hydra.sweep.dir={quoted(f'/x/{name}')}")
    assert parsed.value() == f"/x/{name}"


@pytest.mark.parametrize(
    ("word", "said"),
    [("++hydra.sweep.dir=/x", "a sweep's folders"), ("seed=shuffle(1,2)", "in another order each time")],
)
def test_what_could_not_go_on_is_refused(word, said, words):
    with pytest.raises(ConfigError, match=said):
        sweep.check_sweep([*words, word])


def test_a_folder_of_another_job_is_not_taken_for_this_one(words, tmp_path):
    sweep.write_words(tmp_path / "0" / "overrides.yaml", ["seed=7"])
    with pytest.raises(ConfigError, match="it holds another job, seed=7"):
        sweep.run_job(compose_config(words), tmp_path / "0", words)


def test_a_job_that_another_process_is_at_is_left_to_it(words, tmp_path, capsys):
    held = RunFolder(tmp_path / "0")
    assert sweep.run_job(compose_config(words), tmp_path / "0", words) != 0
    held.release()
    assert "another process" in capsys.readouterr().out and not (tmp_path / "0" / "status.json").exists()


def test_a_job_that_failed_before_its_run_began_begins_anew(words, tmp_path, monkeypatch):
    config = compose_config([*words, "model.dropout=7"], judged=False)
    sweep.run_job(config, tmp_path / "0", words)
    assert "7 is not" in RunFolder.read_status(tmp_path / "0")["why"]
    assert next(iter(sweep.jobs(tmp_path)))[1] == words
    monkeypatch.setattr("experiment.training.run_training", lambda config, *_: config.resume.source)
    assert sweep.run_job(compose_config(words), tmp_path / "0", words) is None
    lost = compose_config([*words, "optimizer.lr=${nowhere}"], judged=False)
    sweep.run_job(lost, tmp_path / "1", words)
    assert "nowhere" in RunFolder.read_status(tmp_path / "1")["why"] and len(list(sweep.jobs(tmp_path))) == 2
