"""Small clips and events that can be learned, as plain lists: a fault can be planted before they are written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.skeletons.store_writer import Clip, new_store
from schemas.skeleton import load_layout

JOINTS, CLASSES = 20, 4
SPLITS = ("train", "train", "train", "val", "test")
CLIP_RUN = (
    "datamodule=clips",
    "datamodule.frames=8",
    "datamodule.batch_size=16",
    "datamodule.num_workers=0",
    "model.spatial_dim=16",
    "model.spatial_layers=1",
    "model.temporal_dim=16",
    "model.temporal_layers=1",
    "model.dropout=0.1",
    "model.monitor=val/loss",
    "optimizer.lr=0.01",
    "trainer.max_epochs=6",
    "logger=csv",
)
EVENT_RUN = (
    "model=event_predictor",
    "datamodule=events",
    "datamodule.sequence=case",
    "datamodule.fields={activity:{},user:{kind:id},gap:{kind:gap,edges:[0,60,3600]},priority:{role:static}}",
    "+datamodule.streams.user={key:user,groups:all}",
    "datamodule/split=column",
    "datamodule.src_seq_len=4",
    "datamodule.tgt_seq_len=8",
    "datamodule.batch_size=16",
    "model.d_model=32",
    "model.num_heads=2",
    "model.decoder_layers=1",
    "model.feed_forward=32",
    "model.head_width=0",
    "optimizer.lr=0.01",
    "trainer.max_epochs=6",
    "logger=csv",
)


def make_clips(number: int = 300, seed: int = 0) -> list[Clip]:
    """Clips of 8 to 12 frames of four classes: how the joints swing tells which; some joints are hidden."""
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(7).normal(size=(JOINTS, 3))
    swing = np.random.default_rng(8).normal(size=(CLASSES, JOINTS, 3))
    clips = []
    for i in range(number):
        label, length = i % CLASSES, int(rng.integers(8, 13))
        phase = np.sin(np.linspace(0, 3, length))[:, None, None]
        place = i // CLASSES % len(SPLITS)
        clips.append(
            Clip(
                frames=base + phase * swing[label] + 0.2 * rng.normal(size=(length, JOINTS, 3)),
                label=label,
                id=f"clip {i}",
                split=SPLITS[place],
                visible=rng.random((length, JOINTS)) > 0.1,
                groups={"subject": f"{SPLITS[place]} {i % 3}"},
            )
        )
    return clips


def write_clips(folder: Path, clips: list[Clip]) -> Path:
    """A store of the Kinect layout."""
    names = [f"class {k}" for k in range(CLASSES)]
    with new_store(folder, load_layout("kinect20"), names, source={"made": "for tests"}, importer="tests") as store:
        for clip in clips:
            store.add(clip)
    return folder


def changed(clips: list[Clip], change: Callable[[Clip, np.random.Generator], dict]) -> list[Clip]:
    """Every clip with what `change` says of it."""
    rng = np.random.default_rng(3)
    return [replace(clip, **change(clip, rng)) for clip in clips]


NEXT = {"open": "work", "work": "check", "check": "close", "close": "open"}


def make_events(cases: int = 250, seed: int = 0) -> pd.DataFrame:
    """Cases of 5 to 12 events: five times in six the next activity is the usual one; the user follows from it."""
    rng, rows = np.random.default_rng(seed), []
    for case in range(cases):
        activity, moment = str(rng.choice(list(NEXT))), 1_700_000_000 + int(rng.integers(0, 10**6))
        for _ in range(int(rng.integers(5, 13))):
            user = f"user {activity}" if rng.random() < 0.7 else f"user {rng.choice(list(NEXT))}"
            when, split = pd.Timestamp(moment, unit="s").isoformat(), SPLITS[case % len(SPLITS)]
            rows.append((f"case {case}", when, activity, user, f"p{case % 3}", split))
            activity = NEXT[activity] if rng.random() < 5 / 6 else str(rng.choice(list(NEXT)))
            moment += int(rng.choice([30, 600, 9000], p=[0.6, 0.3, 0.1]))
    return pd.DataFrame(rows, columns=["case", "time", "activity", "user", "priority", "split"])


def write_events(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, index=False)
    return path
