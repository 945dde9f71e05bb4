"""A run that was cut off goes on in its own folder and ends as if it had not been."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.checkpoints import LastAndEvery
from callbacks.seeding import SeedEachBatch
from experiment.configs.compose import compose_config
from experiment.resume import run_to_resume, spelled_out
from experiment.run_folder import RunFolder
from experiment.training import run_training
from schemas.errors import CheckpointError, ConfigError, DataError
from tests.experiment.same_run import assert_same, words_of, write_data
from tests.experiment.small_data import make_clips, write_clips


class PowerCutError(Exception):
    """Not an error of ours: the run ends in the middle."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def run(words: list[str], folder: Path) -> None:
    run_training(compose_config(words), str(folder), words, False)


def cut_off(monkeypatch, epoch: int, batch: int) -> None:
    honest = SeedEachBatch.on_train_batch_start

    def hook(self, trainer, pl_module, data, batch_idx):
        if (trainer.current_epoch, batch_idx) == (epoch, batch):
            raise PowerCutError
        honest(self, trainer, pl_module, data, batch_idx)

    monkeypatch.setattr(SeedEachBatch, "on_train_batch_start", hook)


@pytest.mark.parametrize("task", ["clips", "events"])
@pytest.mark.parametrize(
    ("epoch", "batch", "more"),
    [
        (0, 2, ()),
        (3, 0, ()),
        (3, 3, ["datamodule.num_workers=2"]),
        (3, 1, ["datamodule.steps_per_epoch=4", "callbacks/ema=weights"]),
    ],
)
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(task, epoch, batch, more, tmp_path, data, monkeypatch):
    words = words_of(task, data, tmp_path, *more)
    run(words, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, epoch, batch)
        run(words, tmp_path / "cut")
    assert RunFolder.read_status(tmp_path / "cut")["state"] == "failed"
    run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")
    status, whole = (RunFolder.read_status(tmp_path / name) for name in ("cut", "whole"))
    assert status["state"] == "finished" and len(status["resumed"]) == 1
    assert status["result"]["test"] == whole["result"]["test"] and status["verdict"] == whole["verdict"]


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_run_that_was_cut_off_between_its_two_checkpoints(epoch, tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path)
    run(words, tmp_path / "whole")
    honest = LastAndEvery.on_train_epoch_end

    def hook(self, trainer, pl_module):
        if trainer.current_epoch == epoch:
            raise PowerCutError
        honest(self, trainer, pl_module)

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(LastAndEvery, "on_train_epoch_end", hook)
        run(words, tmp_path / "cut")
    kept = sorted(path.name for path in (tmp_path / "cut" / "checkpoints").iterdir())
    assert kept == ["best.ckpt", "last.ckpt"][: 1 if epoch == 0 else 2]
    resumed = [*words, f"resume.source={tmp_path / 'cut'}"]
    if epoch == 0:
        before = {path: path.read_bytes() for path in (tmp_path / "cut").glob("*.*")}
        (tmp_path / "cut" / "status.json").write_text("{")  # nobody can tell how far it came: nothing is removed
        with pytest.raises(CheckpointError, match="though best"):
            run(resumed, tmp_path / "cut")
        for path, content in before.items():
            path.write_bytes(content)
    if epoch:
        last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
        last.rename(tmp_path / "taken away")
        with pytest.raises(CheckpointError, match="though best"):
            run(resumed, tmp_path / "cut")
        (tmp_path / "taken away").rename(last)
    run(resumed, tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")
    assert sorted(path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_closed_test_split_leaves_the_same_verdict(tmp_path, data, monkeypatch):
    # The best epoch lies before the cut: what the net said of validation then has to be asked anew.
    words = words_of("clips", data, tmp_path, "test=false", "scheduler=constant", "optimizer.lr=0.05")
    run(words, tmp_path / "whole")
    best = RunFolder.read_status(tmp_path / "whole")["result"]["best"]["epoch"]
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, 4, 0)
        run(words, tmp_path / "cut")
    run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")
    verdicts = [RunFolder.read_status(tmp_path / name)["verdict"] for name in ("whole", "cut")]
    assert best <= 4 and verdicts[0] == verdicts[1] and verdicts[0]["split"] == "validation"


def test_tensorboard_has_every_epoch_once(tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path, "logger=tensorboard")
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, 3, 3)
        run(words, tmp_path / "cut")
    run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")
    events = EventAccumulator(str(tmp_path / "cut" / "tensorboard")).Reload()
    steps = [point.step for point in events.Scalars("val/loss")]
    assert len(steps) == 5 and steps == sorted(set(steps))


PLATEAU = ("scheduler=plateau", "scheduler.schedule.patience=0", "optimizer.lr=0.05", "model.dropout=0.5")
EARLY = (
    "+callbacks.early._target_=lightning.pytorch.callbacks.EarlyStopping",
    "+callbacks.early.monitor=val/loss",
    "+callbacks.early.patience=1",
    "optimizer.lr=0.5",
)


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_plateau_schedule_makes_up_for_its_step(cut, tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path, *PLATEAU)
    run(words, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, cut, 1)
        run(words, tmp_path / "cut")
    run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_run_that_early_stopping_ended_is_not_trained_on(tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path, *EARLY)
    run(words, tmp_path / "whole")
    epochs = RunFolder.read_status(tmp_path / "whole")["epoch"]

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr("experiment.training._test", cut)
        run(words, tmp_path / "cut")
    run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")
    assert epochs < 5
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_closed_test_split_stays_closed(tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path)
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, 2, 0)
        run_training(compose_config(words), str(tmp_path / "job"), words, True)
    run([*words, f"resume.source={tmp_path / 'job'}"], tmp_path / "job")
    assert RunFolder.read_status(tmp_path / "job")["result"]["test"] is None


def test_what_cannot_go_on_is_refused_and_left_as_it_is(tmp_path, data, monkeypatch):
    words = words_of("clips", data, tmp_path, "trainer.max_epochs=1")
    run(words, tmp_path / "done")
    before = (tmp_path / "done" / "status.json").read_bytes()
    with pytest.raises(ConfigError, match="has finished"):
        run_to_resume(compose_config([*words, f"resume.source={tmp_path / 'done'}"]))
    with pytest.raises(ConfigError, match="a run here already"):
        run(words, tmp_path / "done")
    assert (tmp_path / "done" / "status.json").read_bytes() == before
    (tmp_path / "done").rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="this run began in"):
        run_to_resume(compose_config([*words, f"resume.source={tmp_path / 'moved'}"]))
    runs(tmp_path, data, monkeypatch, "a")
    folder = tmp_path / "clips" / "runs" / "a"
    steps = [*words_of("clips", data, tmp_path), f"resume.source={folder}", "trainer.max_steps=9"]
    with pytest.raises(ConfigError, match="max_steps"):
        run_to_resume(compose_config([w if "max_steps" not in w else f"+{w}" for w in steps]))
    (folder / "config.yaml").write_text("")
    assert run_to_resume(compose_config([*words_of("clips", data, tmp_path), "resume.source=auto"])) is None


def runs(tmp_path: Path, data: Path, monkeypatch, *names: str) -> None:
    """Runs that were cut off, where `auto` looks for them."""
    for name in names:
        with monkeypatch.context() as patch, pytest.raises(PowerCutError):
            cut_off(patch, 1, 0)
            run(words_of("clips", data, tmp_path), tmp_path / "clips" / "runs" / name)


def test_auto_takes_the_newest_unfinished_run_of_the_same_config(tmp_path, data, monkeypatch):
    runs(tmp_path, data, monkeypatch, "a", "b")
    words = words_of("clips", data, tmp_path, "resume.source=auto")
    assert run_to_resume(compose_config(words)) == tmp_path / "clips" / "runs" / "b"
    run(words, tmp_path / "clips" / "runs" / "b")
    assert run_to_resume(compose_config(words)) == tmp_path / "clips" / "runs" / "a"
    assert run_to_resume(compose_config([*words, "seed=1"])) is None
    held = RunFolder(tmp_path / "clips" / "runs" / "a")
    assert run_to_resume(compose_config(words)) is None
    held.release()


def test_another_config_is_shown_and_refused_unless_it_is_allowed(tmp_path, data, monkeypatch):
    runs(tmp_path, data, monkeypatch, "a")
    folder = tmp_path / "clips" / "runs" / "a"
    words = words_of("clips", data, tmp_path, f"resume.source={folder}", "optimizer.lr=0.5")
    with pytest.raises(ConfigError, match=r"optimizer\.lr: 0\.01 -> 0\.5.*allow_changes"):
        run_to_resume(compose_config(words))
    assert run_to_resume(compose_config([*words, "resume.allow_changes=true"])) == folder


def test_a_path_without_a_run_is_an_error(tmp_path, data):
    words = words_of("clips", data, tmp_path, f"resume.source={tmp_path / 'nowhere'}")
    with pytest.raises(ConfigError, match="there is no run"):
        run_to_resume(compose_config(words))


def test_a_config_that_was_tampered_with_is_refused(tmp_path, data, monkeypatch):
    runs(tmp_path, data, monkeypatch, "a")
    folder = tmp_path / "clips" / "runs" / "a"
    config = OmegaConf.load(folder / "config.yaml")
    config.optimizer.lr = 0.02
    OmegaConf.save(config, folder / "config.yaml")
    words = words_of("clips", data, tmp_path, f"resume.source={folder}")
    with pytest.raises(ConfigError, match="checksum"):
        run_to_resume(compose_config(words))
    # `auto` passes it by.
    assert run_to_resume(compose_config(words_of("clips", data, tmp_path, "resume.source=auto"))) is None


def test_other_data_are_refused(tmp_path, data, monkeypatch):
    words = [w for w in words_of("clips", data, tmp_path) if not w.startswith("datamodule.root")]
    root = write_clips(tmp_path / "store", make_clips(100))
    words.append(f"datamodule.root={root}")
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        cut_off(patch, 1, 0)
        run(words, tmp_path / "cut")
    shutil.rmtree(root)
    write_clips(root, make_clips(100, seed=1))
    with pytest.raises(DataError, match="the data are not what this run began with"):
        run([*words, f"resume.source={tmp_path / 'cut'}"], tmp_path / "cut")


def test_the_short_form():
    assert spelled_out(["resume=auto", "seed=1", "resume.source=x"]) == [
        "resume.source=auto",
        "seed=1",
        "resume.source=x",
    ]


def test_two_processes_cannot_be_at_one_run(tmp_path):
    held = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigError, match="another process"):
        RunFolder(tmp_path / "run")
    held.release()
    RunFolder(tmp_path / "run").release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_worker_does_not_hold_the_lock_of_a_run_that_is_gone(tmp_path):
    run = RunFolder(tmp_path / "run")
    worker = os.fork()
    if worker == 0:
        time.sleep(20)
        os._exit(0)
    try:
        time.sleep(0.2)
        run.release()  # what the kernel does for a process that was killed
        assert not RunFolder.is_held(tmp_path / "run")
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def test_a_folder_without_a_run_has_no_status(tmp_path):
    assert RunFolder.read_status(tmp_path / "run") == {}
