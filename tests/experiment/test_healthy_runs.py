"""Healthy runs of both tasks: no check accuses them, and where there is enough to tell the verdict says they learned.

And what must never be said: twenty runs on shuffled labels, none of which learned.
"""

import json
from pathlib import Path

import pytest
import torch

from callbacks.predictions import KeepPredictions
from experiment.baselines.comparison import Comparison
from experiment.build import build_datamodule, build_trainer
from experiment.configs.compose import compose_config
from experiment.tasks.task import task_of
from experiment.training import run_training
from models.baselines.verdict import AT_CHANCE, Verdict
from tests.experiment.small_data import (
    CLASSES,
    CLIP_RUN,
    EVENT_RUN,
    changed,
    make_clips,
    make_events,
    write_clips,
    write_events,
)

HEALTHY = {
    "clips": (),
    "clips, mixup and smoothing": ("datamodule.augment.mixup=0.2", "model.loss.label_smoothing=0.1"),
    "clips, bf16 AMP": ("precision=amp_bf16",),
    "clips, accumulation": ("trainer.accumulate_grad_batches=3", "scheduler=warmup_cosine"),
    "clips, three branches": ("model=gcn_lstm_fusion", "model.attention.heads=2", "model.attention.feed_forward=16"),
    "clips, documented options": ("model.unused_norm=true", "datamodule.sampler=balanced", "optimizer=adam"),
    "events": (),
    "events, chained, context at every event": (
        "model.heads=chained",
        "model.head_width=32",
        "datamodule.context_at=event",
    ),
    "events, bf16 AMP and accumulation": ("precision=amp_bf16", "trainer.accumulate_grad_batches=2"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    write_clips(folder / "clips", make_clips())
    write_events(folder / "log.csv", make_events())
    return folder


def words_of(name: str, data: Path) -> list[str]:
    if name.startswith("events"):
        return [*EVENT_RUN, f"datamodule.source.path={data / 'log.csv'}"]
    return [*CLIP_RUN, f"datamodule.root={data / 'clips'}"]


def status_of(folder: Path, words: list[str]) -> dict:
    run_training(compose_config([*words, f"paths.log_dir={folder}"]), str(folder / "run"), words, False)
    return json.loads((folder / "run" / "status.json").read_text())


def accusations(status: dict) -> list[str]:
    return [f"{f['check']}: {f['saw']}" for f in status["findings"] if f["severity"] != "note" and f["until"] is None]


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_not_accused(name, tmp_path, data):
    status = status_of(tmp_path, [*words_of(name, data), *HEALTHY[name]])
    assert accusations(status) == []
    assert status["verdict"]["split"] == "test" and status["verdict"]["level"] != AT_CHANCE


def test_a_tiny_run_is_not_accused(tmp_path):
    root = write_clips(tmp_path / "store", make_clips(60))
    words = [*CLIP_RUN, f"datamodule.root={root}", "trainer.max_epochs=2", "datamodule.batch_size=4"]
    assert accusations(status_of(tmp_path, words)) == []


class Continued:
    """A run that goes on from another's weights, in this process: what part 4 and 6 will have doors for."""

    def __init__(self, folder: Path, words: list[str]):
        self.config = compose_config([*words, f"paths.log_dir={folder}"])
        self.config.paths.run_dir = str(folder)
        self.task, self.datamodule = task_of(self.config), build_datamodule(self.config)
        self.module = self.task.build_module(self.config, self.datamodule)
        self.trainer = build_trainer(self.config, [KeepPredictions("val/loss", True)], [])
        Comparison(self.task, self.datamodule, self.module, folder / "baselines").hand_over(self.trainer)

    def accusations(self) -> list[str]:
        from callbacks.health.check import findings_of

        return [str(f) for f in findings_of(self.trainer) if f.severity != "note" and f.until is None]


def test_a_resumed_run_is_not_accused(tmp_path, data):
    words = words_of("clips", data)
    status_of(tmp_path / "first", [*words, "trainer.max_epochs=3"])
    again = Continued(tmp_path / "second", [*words, "trainer.max_epochs=6"])
    last = tmp_path / "first" / "run" / "checkpoints" / "last.ckpt"
    again.trainer.fit(again.module, datamodule=again.datamodule, ckpt_path=last, weights_only=True)
    assert again.trainer.current_epoch == 6 and again.accusations() == []


def test_a_fine_tuned_run_with_a_declared_frozen_part_is_not_accused(tmp_path, data):
    words = words_of("clips", data)
    status_of(tmp_path / "first", [*words, "trainer.max_epochs=3"])
    again = Continued(tmp_path / "second", [*words, "callbacks.gradients.known=[spatial]"])
    weights = torch.load(tmp_path / "first" / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    again.module.load_state_dict(weights)
    again.module.net.spatial.requires_grad_(False)
    again.trainer.fit(again.module, datamodule=again.datamodule)
    assert again.accusations() == []


@pytest.fixture
def verdicts(monkeypatch) -> list[Verdict]:
    """Every verdict of the runs that follow, provisional ones included."""
    spoken, judge = [], Comparison._judge

    def listen(self, *arguments, **keywords):
        verdict = judge(self, *arguments, **keywords)
        spoken.extend([verdict] if verdict is not None else [])
        return verdict

    monkeypatch.setattr(Comparison, "_judge", listen)
    return spoken


@pytest.mark.slow
def test_no_seed_learns_from_shuffled_labels(tmp_path, verdicts):
    """Neither in the end nor at any validation, overall or in a class; and honest labels do, on as many clips."""
    for seed in range(20):
        clips = changed(make_clips(300, seed), lambda clip, rng: {"label": int(rng.integers(CLASSES))})
        root = write_clips(tmp_path / f"store {seed}", clips)
        status_of(tmp_path / str(seed), [*CLIP_RUN, f"datamodule.root={root}", f"seed={seed}", "trainer.max_epochs=4"])
    assert len(verdicts) == 20 * (4 + 1)
    called = [v.sentence for v in verdicts if v.level != AT_CHANCE]
    assert not called
    assert not [name for v in verdicts for name, part in v.parts.items() if part.level != AT_CHANCE]

    root = write_clips(tmp_path / "honest", make_clips(300))
    status = status_of(tmp_path / "run", [*CLIP_RUN, f"datamodule.root={root}", "trainer.max_epochs=4"])
    assert status["verdict"]["level"] != AT_CHANCE
