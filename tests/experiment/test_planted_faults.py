"""Faults planted into small runs: every one is found, by the check that is there for it, and named.

The table in callbacks/README.md lists them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.skeletons.store_writer import Clip
from datamodules.splits import OfficialSplit
from experiment.configs.compose import compose_config
from experiment.training import run_training
from lightning_modules.classification import ClipClassifier
from lightning_modules.event_prediction import EventPrediction
from models.baselines.verdict import AT_CHANCE
from models.event_predictor.predictor import EventPredictor
from models.gcn_lstm.spatial import SpatialGCN
from schemas.errors import ExperimentError
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


def finished_status(folder: Path, *words: str) -> dict:
    """Runs to whatever end and returns status.json."""
    try:
        run_training(compose_config([*words, f"paths.log_dir={folder}"]), str(folder / "run"), list(words), False)
    except ExperimentError:
        assert json.loads((folder / "run" / "status.json").read_text())["state"] == "failed"
    return json.loads((folder / "run" / "status.json").read_text())


def run_clips(folder: Path, clips: list[Clip], *words: str) -> dict:
    root = write_clips(folder / "store", clips)
    return finished_status(folder, *CLIP_RUN, f"datamodule.root={root}", *words)


def run_events(folder: Path, frame: pd.DataFrame, *words: str) -> dict:
    log = write_events(folder / "log.csv", frame)
    return finished_status(folder, *EVENT_RUN, f"datamodule.source.path={log}", *words)


def findings(status: dict, check: str) -> str:
    """All that one check accuses the run of, and that still holds."""
    found = (f for f in status["findings"] if f["check"] == check and f["until"] is None and f["severity"] != "note")
    return " | ".join(f["saw"] for f in found)


@dataclass(frozen=True)
class Fault:
    """What is planted, and what must be said of it."""

    check: str
    """The check, or `verdict`."""
    named: tuple[str, ...]
    """What the finding must name."""
    words: tuple[str, ...] = ()
    clips: Callable[[list[Clip]], list[Clip]] | None = None
    events: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    patch: Callable[[pytest.MonkeyPatch], None] | None = None
    stops: bool = False


def copied_into(split: str, number: int) -> Callable[[list[Clip]], list[Clip]]:
    """Training clips that stand once more in another split, under other names."""

    def plant(clips: list[Clip]) -> list[Clip]:
        train = [clip for clip in clips if clip.split == "train"][:number]
        return clips + [replace(clip, id=f"again {clip.id}", split=split) for clip in train]

    return plant


def test_stands_in_for_validation(clips: list[Clip]) -> list[Clip]:
    kept = [clip for clip in clips if clip.split != "val"]
    return kept + [replace(clip, id=f"val {clip.id}", split="val") for clip in clips if clip.split == "test"]


test_stands_in_for_validation.__test__ = False


def with_joint(joint: int, value: float | None) -> Callable[[list[Clip]], list[Clip]]:
    """A joint that stands still at `value`, or that is never seen."""

    def change(clip: Clip, rng: np.random.Generator) -> dict:
        frames, visible = clip.frames.copy(), clip.visible.copy()
        if value is None:
            visible[:, joint] = False
        else:
            frames[:, joint], visible[:, joint] = value, True
        return {"frames": frames, "visible": visible}

    return lambda clips: changed(clips, change)


def missing_as_zeros(clip: Clip, rng: np.random.Generator) -> dict:
    return {"frames": np.where(clip.visible[..., None], clip.frames, 0), "visible": None}


def padded_with_the_last_frame(clip: Clip, rng: np.random.Generator) -> dict:
    last = clip.frames[-1:].repeat(10, axis=0), clip.visible[-1:].repeat(10, axis=0)
    return {"frames": np.concatenate([clip.frames, last[0]]), "visible": np.concatenate([clip.visible, last[1]])}


def whole_split_is_test(patch: pytest.MonkeyPatch) -> None:
    honest = OfficialSplit.__call__
    patch.setattr(OfficialSplit, "__call__", lambda self, store: (r := honest(self, store)) | {"val": r["test"]})


def detach_the_encoder(patch: pytest.MonkeyPatch) -> None:
    honest = SpatialGCN.forward
    patch.setattr(SpatialGCN, "forward", lambda self, *inputs: honest(self, *inputs).detach())


def freeze_the_encoder(patch: pytest.MonkeyPatch) -> None:
    honest = SpatialGCN.__init__

    def frozen(self, *arguments, **keywords):
        honest(self, *arguments, **keywords)
        self.requires_grad_(False)

    patch.setattr(SpatialGCN, "__init__", frozen)


def never_backward(module: type) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(module, "backward", lambda self, loss, *_: None)


def blind_classifier(patch: pytest.MonkeyPatch) -> None:
    """The net's features are lost on their way: it can only learn how often each class occurs."""
    honest = SpatialGCN.forward
    patch.setattr(SpatialGCN, "forward", lambda self, *inputs: 0 * honest(self, *inputs))


def nan_from_the_third_step(patch: pytest.MonkeyPatch) -> None:
    honest, calls = SpatialGCN.forward, []

    def forward(self, *inputs):
        calls.append(0)
        out = honest(self, *inputs)
        return out * (float("nan") if self.training and len(calls) > 40 else 1.0)

    patch.setattr(SpatialGCN, "forward", forward)


def loud_heads(patch: pytest.MonkeyPatch) -> None:
    """Heads that are sure of nonsense from the beginning."""
    honest = EventPredictor.__init__

    def init(self, *arguments, **keywords):
        honest(self, *arguments, **keywords)
        for name, parameter in self.named_parameters():
            if "heads" in name:
                torch.nn.init.normal_(parameter, std=0.7)

    patch.setattr(EventPredictor, "__init__", init)


FAULTS = {
    # the data of clips
    "a clip in train and test": Fault("duplicates", ("clip 0", "again clip 0"), clips=copied_into("test", 5)),
    "a subject on both sides of the split": Fault(
        "groups",
        ("train 0",),
        clips=lambda clips: changed(
            clips, lambda c, _: {"groups": {"subject": "train 0"}} if c.split == "test" and c.label == 0 else {}
        ),
        words=("datamodule.split.test_apart_by=subject",),
    ),
    "test is validation": Fault("test_as_validation", ("60 of 60 test clips",), patch=whole_split_is_test, stops=True),
    "test is copied into validation": Fault(
        "test_as_validation", ("60 of 60 test clips",), clips=test_stands_in_for_validation, stops=True
    ),
    "a joint that stands still": Fault("constant", ("head",), clips=with_joint(3, 0.7)),
    "a joint that is never seen": Fault("constant", ("right_elbow",), clips=with_joint(9, None)),
    "missing joints as zeros": Fault("missing_as_seen", ("origin",), clips=lambda c: changed(c, missing_as_zeros)),
    "padding counted as frames": Fault("padding", ("frames",), clips=lambda c: changed(c, padded_with_the_last_frame)),
    "zeroed targets": Fault("imbalance", ("class 0",), clips=lambda clips: changed(clips, lambda c, _: {"label": 0})),
    "one class is nearly all": Fault(
        "imbalance",
        ("class 0",),
        clips=lambda clips: changed(clips, lambda c, rng: {"label": 0 if rng.random() < 0.95 else c.label}),
    ),
    "a class that train lacks": Fault(
        "absent_labels",
        ("class 2",),
        clips=lambda clips: [c for c in clips if not (c.split == "train" and c.label == 2)],
    ),
    "shuffled labels": Fault(
        "verdict",
        (AT_CHANCE,),
        clips=lambda clips: changed(clips, lambda c, rng: {"label": int(rng.integers(CLASSES))}),
    ),
    # the training of clips
    "a detached encoder": Fault("gradients", ("spatial",), patch=detach_the_encoder),
    "a frozen encoder": Fault("gradients", ("spatial", "frozen"), patch=freeze_the_encoder),
    "a learning rate of nothing": Fault("gradients", ("1e-30",), words=("optimizer.lr=1e-30",), stops=True),
    "backward is never called": Fault("gradients", ("gradient",), patch=never_backward(ClipClassifier), stops=True),
    "NaN from a layer": Fault("finite", ("epoch 3", "clip ", "spatial"), patch=nan_from_the_third_step, stops=True),
    "a learning rate that explodes": Fault(
        "finite",
        ("step", "1e+30"),
        words=("optimizer.lr=1e30", "optimizer=sgd", "trainer.gradient_clip_val=0", "scheduler=constant"),
        stops=True,
    ),
    "features that are lost": Fault("collapse", ("class",), patch=blind_classifier),
    "few clips with labels half wrong": Fault(
        "overfit",
        ("epoch",),
        clips=lambda clips: changed(
            [c for i, c in enumerate(clips) if c.split != "train" or i < 80],
            lambda c, rng: {"label": int(rng.integers(CLASSES)) if rng.random() < 0.6 else c.label},
        ),
        words=("trainer.max_epochs=60", "datamodule/augment=none", "optimizer.lr=0.02", "model.dropout=0"),
    ),
    # events
    "a field of unknown values": Fault(
        "constant",
        ("user",),
        events=lambda f: f.assign(user=[f"user {i}" for i in range(len(f))]),
    ),
    "a case on both sides of the split": Fault(
        "groups",
        ("case 0",),
        events=lambda f: f.assign(split=np.where(f.groupby("case").cumcount() > 3, "test", f["split"])),
    ),
    "a case again under another name": Fault(
        "duplicates",
        ("case 0", "again"),
        events=lambda f: pd.concat([f, f[f["case"] == "case 0"].assign(case="again", split="test")]),
    ),
    "shuffled targets": Fault(
        "verdict",
        (AT_CHANCE,),
        events=lambda f: f.assign(
            **{name: f[name].sample(frac=1, random_state=1).to_numpy() for name in ("activity", "user", "time")}
        ),
    ),
    "backward is never called, events": Fault(
        "gradients", ("gradient",), patch=never_backward(EventPrediction), stops=True
    ),
    "a loss above ln V": Fault(
        "uniform", ("activity",), patch=loud_heads, words=("optimizer.lr=1e-7", "trainer.max_epochs=1")
    ),
    "a loss that never moves": Fault(
        "stalled", ("10",), words=("optimizer.lr=1e-8", "trainer.max_epochs=10", "model.dropout=0.1")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name, tmp_path, monkeypatch):
    fault = FAULTS[name]
    if fault.patch is not None:
        fault.patch(monkeypatch)
    if fault.events is not None or fault.check in ("uniform", "stalled") or "events" in name:
        frame = make_events()
        status = run_events(tmp_path, fault.events(frame) if fault.events else frame, *fault.words)
    else:
        clips = make_clips()
        status = run_clips(tmp_path, fault.clips(clips) if fault.clips else clips, *fault.words)
    assert (status["state"] == "failed") == fault.stops, status.get("why")
    if fault.check == "verdict":
        assert status["verdict"]["level"] == fault.named[0]
        return
    said = findings(status, fault.check) + status.get("why", "")
    assert findings(status, fault.check), [f["check"] for f in status["findings"]]
    assert all(word in said for word in fault.named), said


def test_a_rate_that_explodes_later_leaves_a_best_checkpoint_that_loads(tmp_path):
    root = write_clips(tmp_path / "store", make_clips())
    words = [*CLIP_RUN, f"datamodule.root={root}", "scheduler=step", "optimizer=adam", f"paths.log_dir={tmp_path}"]
    config = compose_config(words)
    config.scheduler.schedule.factor = 1e30  # which the config's own check would refuse
    with pytest.raises(ExperimentError, match="not a finite number"):
        run_training(config, str(tmp_path / "run"), words, False)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and "epoch 3" in status["why"] and "learning rate 1e+28" in status["why"]
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["epoch"] + 1 in (1, 2)
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())
    assert "not a finite number" in (tmp_path / "run" / "report.md").read_text()
