"""A search: what it draws from, what it does with failed and hopeless trials, and that a kill leaves no trace in it."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.configs.compose import compose_config
from experiment.run_folder import RunFolder
from experiment.sweeps import search, trials
from experiment.sweeps.space import Choices, Range, check_space, read_space, words_of
from experiment.sweeps.sweep import words_of_sweep
from schemas.errors import ConfigError
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips

optuna = pytest.importorskip("optuna")
ROOT = Path(__file__).parents[3]


def test_a_space_is_read_by_key():
    node = {
        "optimizer": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "weight_decay": {"low": 0, "high": 1.0}},
        "model": {"loss": {"label_smoothing": {"low": 0.0, "high": 0.3, "step": 0.1}}},
        "model.spatial_layers": {"low": 1, "high": 3},
        "model/pooling": ["flatten", "mean_max"],
    }
    space = read_space(node)
    assert space == {
        "optimizer.lr": Range(1e-4, 1e-2, log=True),
        "optimizer.weight_decay": Range(0, 1.0),
        "model.loss.label_smoothing": Range(0.0, 0.3, step=0.1),
        "model.spatial_layers": Range(1, 3),
        "model/pooling": Choices(("flatten", "mean_max")),
    }
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = [drawn.ask({key: part.distribution() for key, part in space.items()}).params for _ in range(200)]
    by_key = {key: [value[key] for value in values] for key in space}
    # Half of a range by its logarithm lies below the geometric mean of its ends, 1e-3.
    assert 70 < sum(rate < 1e-3 for rate in by_key["optimizer.lr"]) < 130
    assert all(0 <= decay <= 1 and isinstance(decay, float) for decay in by_key["optimizer.weight_decay"])
    assert {round(10 * share) for share in by_key["model.loss.label_smoothing"]} == {0, 1, 2, 3}
    assert set(by_key["model.spatial_layers"]) == {1, 2, 3} and set(by_key["model/pooling"]) == {"flatten", "mean_max"}


def test_words_give_a_config_exactly_the_values():
    values = {"optimizer.lr": 1.2345678901234567e-05, "model.dropout": 0.1 + 0.2, "model.spatial_dim": 33, "test": None}
    values |= {"paths.data_dir": "a, 'b' (c)", "model.monitor": "val/loss", "model.unused_norm": True}
    config = compose_config(words_of(values))
    assert config.optimizer.lr == values["optimizer.lr"] and config.model.dropout == values["model.dropout"]
    assert config.model.spatial_dim == 33 and config.model.unused_norm is True and config.test is None
    assert config.paths.data_dir == "a, 'b' (c)" and config.model.monitor == "val/loss"


BAD_SPACES = {
    "no range": ({"model": {"dropout": 0.3}}, "space.model.dropout: 0.3 is neither a range nor choices"),
    "upside down": ({"model": {"dropout": {"low": 0.5, "high": 0.1}}}, "low 0.5 is not below high 0.1"),
    "one end": ({"model": {"dropout": {"low": 0.5}}}, "space.model.dropout.high: None is not a finite number"),
    "infinite": ({"optimizer.lr": {"low": 1e-3, "high": math.inf}}, "optimizer.lr.high: inf is not a finite number"),
    "text": ({"optimizer.lr": {"low": "a", "high": 1}}, "optimizer.lr.low: 'a' is not a finite number"),
    "log of 0": ({"optimizer.lr": {"low": 0, "high": 1, "log": True}}, "low 0 has no logarithm"),
    "log and step": ({"optimizer.lr": {"low": 1, "high": 2, "log": True, "step": 1}}, "cannot have a step as well"),
    "log of what": ({"optimizer.lr": {"low": 1, "high": 2, "log": "e"}}, "lr.log: 'e' is not one of true, false"),
    "step": ({"optimizer.lr": {"low": 1, "high": 2, "step": 3}}, "a step of 3 does not fit between 1 and 2"),
    "unknown part": ({"optimizer.lr": {"low": 1, "high": 2, "base": 10}}, "a range has no base"),
    "no choices": ({"model": {"spatial_dim": []}}, "space.model.spatial_dim: it has no choices"),
    "a list each": ({"datamodule.augment.crop": [[0.5, 1.0], [0.8, 1.0]]}, "[0.5, 1.0] is no single value"),
    "nothing": ({"model": {}}, "there is nothing to search"),
    "no such key": ({"model": {"dropuot": [0.1]}}, "model.dropuot: there is no such key. Did you mean model.dropout?"),
    "an end": ({"model": {"dropout": {"low": 0.1, "high": 1.0}}}, "no trial can run with 1.0: model.dropout: 1.0 is"),
    "a choice": ({"model": {"spatial_dim": [8, 16, -1]}}, "no trial can run with -1: model.spatial_dim: -1 is not"),
    "an option": ({"model/pooling": ["flatten", "middle"]}, "no trial can run with 'middle'"),
    "given": ({"model": {"temporal_dim": [8, 16]}}, "model.temporal_dim: it is searched, and given as well"),
}


@pytest.mark.parametrize("name", BAD_SPACES)
def test_a_space_that_cannot_be_searched_is_refused(name):
    node, said = BAD_SPACES[name]
    with pytest.raises(ConfigError) as raised:
        check_space(read_space(node), ["model.temporal_dim=16"])
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("words", [[], ["experiment=natops"], ["model=gcn_lstm_fusion", "datamodule=signs"]])
def test_the_shipped_search_of_clips_fits(words):
    found = search.read_search(["hparams_search=gcn_lstm", *words])
    check_space(found.space, found.words)


@pytest.mark.parametrize("words", [[], ["datamodule=timesheets", "model.heads=chained"], ["experiment=helpdesk"]])
def test_the_shipped_search_of_events_fits(words):
    found = search.read_search(["hparams_search=event_predictor", *words])
    check_space(found.space, found.words)
    assert found.config.model.name == "event_predictor"


def test_settings_are_judged_and_complete():
    for word, said in {
        "hparams_search.trials=0": "hparams_search.trials: 0 is not a whole number from 1",
        "~hparams_search.startup": "hparams_search: it holds exactly model, prune, seed, space, startup, trials",
        "hparams_search.prune={warm:3}": "hparams_search.prune",
        "~hparams_search.prune.startup": "hparams_search.prune: it holds exactly startup, warmup_epochs",
        "resume.source=auto": "command line: resume.source=auto cannot stand beside a search",
    }.items():
        with pytest.raises(ConfigError) as raised:
            search.read_search(["hparams_search=gcn_lstm", word])
        assert said in str(raised.value)
    assert search.read_search(["hparams_search=gcn_lstm", "hparams_search.prune=null"]).settings["prune"] is None


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r'pip install -e "\.\[search\]"'):
        search.read_search(["hparams_search=gcn_lstm"])


class Killed(BaseException):
    """What nothing but the test catches."""


SPACE = {"optimizer.lr": Range(1e-4, 1e-2, log=True), "model.spatial_dim": Choices((8, 16, 32))}
SETTINGS = {"trials": 10, "seed": 3, "startup": 4, "prune": {"startup": 3, "warmup_epochs": 1}}


def losses(rate: float, dim: int) -> list[float]:
    """Made up: the nearer the rate to 1e-3 and the larger the net, the better, from the first epoch on."""
    far = abs(math.log10(rate) + 3) + 8 / dim
    return [far + 1 / epoch for epoch in (1, 2, 3, 4)]


def made_up_job(killed_in: int | None = None):
    """In place of a run: its trials report LOSSES; one of them is killed after two epochs, another fails."""

    def job(config, folder, words, hopeless):
        run, seen, state = RunFolder(folder), {}, "finished"
        try:
            for epoch, loss in enumerate(losses(config.optimizer.lr, config.model.spatial_dim)):
                seen[epoch] = loss
                if hopeless(seen):
                    state = "pruned"
                    break
                if folder.name == str(killed_in) and epoch == 1:
                    raise Killed
            state = "failed" if folder.name == "2" else state
            run.write_status({"state": state, "why": "made up", "result": {"best_value": min(seen.values())}})
        finally:
            run.release()

    return job


def made_up_search(folder: Path, monkeypatch, killed_in: int | None = None) -> trials.Trials:
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(trials, "run_job", made_up_job(killed_in))
    made = trials.Trials(folder, list(CLIP_RUN), SPACE, SETTINGS, "val/loss")
    made.run()
    return made


def told(made: trials.Trials) -> list[tuple]:
    return [(t.number, t.state.name, t.value, t.params, t.intermediate_values) for t in made.ended()]


def test_hopeless_trials_are_pruned_by_the_median_and_failed_ones_are_not_ranked(tmp_path, monkeypatch):
    made = made_up_search(tmp_path / "one", monkeypatch)
    states = [trial.state.name for trial in made.ended()]
    assert len(states) == 10 and states[2] == "FAIL" and "PRUNED" in states
    curves = {t.number: losses(*t.params.values()) for t in made.ended()}
    for number, state in enumerate(states):
        done = [curves[n][1] for n in range(number) if states[n] == "COMPLETE"]
        # From the second epoch on, three having finished: worse than the median of what they had reached by then.
        middle = sorted(done)[len(done) // 2] if len(done) % 2 else sum(sorted(done)[len(done) // 2 - 1 :][:2]) / 2
        expected = len(done) >= 3 and curves[number][1] > middle
        assert (state == "PRUNED") == expected or number == 2
    ranked = [trial.number for trial in made.ranked()]
    assert ranked == sorted((n for n in curves if states[n] == "COMPLETE"), key=lambda n: curves[n][3])


def test_a_search_killed_again_and_again_draws_what_an_unbroken_one_does(tmp_path, monkeypatch):
    unbroken, folder = made_up_search(tmp_path / "unbroken", monkeypatch), tmp_path / "killed"
    for killed_in in (0, 3, 7):
        with pytest.raises(Killed):
            made_up_search(folder, monkeypatch, killed_in)
        log = folder / "study.log"
        log.write_bytes(log.read_bytes() + b'{"op_code":4,"worker')  # a line that was being written
        (folder / "study.log.lock").symlink_to(log)
    resumed = made_up_search(folder, monkeypatch)
    assert told(resumed) == told(unbroken)
    assert sorted(path.name for path in folder.glob("[0-9]")) == [str(number) for number in range(10)]


def test_the_trials_are_told_by_rank_and_the_best_can_be_trained(tmp_path, monkeypatch, capsys):
    made = made_up_search(tmp_path / "one", monkeypatch)
    search.conclude(made)
    printed = capsys.readouterr().out
    best = made.ranked()[0]
    assert f"{tmp_path}/one/{best.number}" in printed and f"optimizer.lr={best.params['optimizer.lr']!r}" in printed
    assert "10 of 10 have ended" in printed and "python results.py" in printed and "go on" not in printed


def test_a_damaged_log_or_trial_is_named(tmp_path, monkeypatch):
    made_up_search(tmp_path / "one", monkeypatch)
    log = tmp_path / "one" / "study.log"
    log.write_bytes(b"{\n" + log.read_bytes())
    with pytest.raises(ConfigError, match=r"study\.log: it cannot be read"):
        made_up_search(tmp_path / "one", monkeypatch)
    (tmp_path / "two" / "0").mkdir(parents=True)
    (tmp_path / "two" / "0" / "trial.json").write_text("{")
    with pytest.raises(ConfigError, match=r"trial\.json: it is damaged"):
        made_up_search(tmp_path / "two", monkeypatch)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """A search of six trials of two epochs, some of which have a learning rate that no net survives."""
    store = write_clips(tmp_path_factory.mktemp("data") / "store", make_clips(60))
    run = ["callbacks.clip_grid=null", "callbacks.confusion=null"]
    run += [word for word in CLIP_RUN if not word.startswith(("optimizer.lr", "model.dropout"))]
    space = [f"~hparams_search.space.{key}" for key in ("model.spatial_dim", "model.temporal_dim", "datamodule")]
    own = ["hparams_search=gcn_lstm", "hparams_search.trials=6", "hparams_search.startup=2"]
    rates = ["~hparams_search.space.optimizer.lr", "+hparams_search.space.optimizer.lr=[0.01,1e30]"]
    return [*own, *space, *rates, *run, f"datamodule.root={store}", "trainer.max_epochs=2"]


KILLED_BEHIND_THE_SECOND = """
import os, signal, sys
from experiment.run_folder import RunFolder
import train
write = RunFolder.write_status
def write_and_die(run, changes):
    write(run, changes)
    if run.path.name.isdigit() and int(run.path.name) >= 2 and changes.get("epoch") == 2:
        os.kill(os.getpid(), signal.SIGKILL)
RunFolder.write_status = write_and_die
train.main()
"""


def values_and_figures(folder: Path) -> list[tuple]:
    found = []
    for number in range(6):
        status, trial = RunFolder.read_status(folder / str(number)), trials.read_trial(folder / str(number))
        found.append((trial["values"], trial["seen"], status["state"], (status.get("result") or {}).get("best_value")))
    return found


@pytest.mark.slow
def test_a_search_killed_in_a_trial_goes_on_as_if_it_had_not_been(words, tmp_path):
    assert search.run_search([*words, f"paths.log_dir={tmp_path / 'unbroken'}"])
    command = [sys.executable, "-c", KILLED_BEHIND_THE_SECOND, *words, f"paths.log_dir={tmp_path / 'killed'}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr
    unbroken, killed = (next((tmp_path / name / "clips" / "searches").iterdir()) for name in ("unbroken", "killed"))
    *done, cut_off = sorted(path.parent for path in killed.glob("*/status.json"))
    assert 2 <= len(done) < 5 and RunFolder.read_status(cut_off)["state"] == "running"
    assert (cut_off / "checkpoints" / "last.ckpt").is_file()
    before = [(path / "status.json").stat().st_mtime_ns for path in done]

    assert search.run_search(words_of_sweep([f"sweep.resume={killed}"]))
    assert values_and_figures(killed) == values_and_figures(unbroken)
    assert before == [(path / "status.json").stat().st_mtime_ns for path in done]
    assert "resumed" in RunFolder.read_status(cut_off)
    found = values_and_figures(unbroken)
    assert {state for _, _, state, _ in found} == {"finished", "failed"}
    assert all((state == "failed") == (values["optimizer.lr"] == 1e30) for values, _, state, _ in found)
    statuses = [RunFolder.read_status(unbroken / str(number)) for number in range(6)]
    assert all(status["result"]["test"] is None for status in statuses if status["state"] == "finished")


@pytest.mark.slow
def test_a_hopeless_run_ends_as_pruned_with_its_figures(words, tmp_path):
    from experiment.training import run_training

    words = [word for word in words if "hparams_search" not in word]
    run_training(compose_config(words), str(tmp_path / "0"), words, True, lambda seen: seen[0] > 0)
    status = json.loads((tmp_path / "0" / "status.json").read_text())
    assert status["state"] == "pruned" and status["why"].startswith("hopeless after epoch 1, with val/loss at")
    assert status["epoch"] == 1 and status["result"]["best_value"] > 0 and (tmp_path / "0" / "report.html").is_file()
