"""Run folders made by hand, small enough to check a page's figures by eye."""

import json
from pathlib import Path

import yaml

CLASSES = ["wave", "clap", "jump"]
CONFUSION = [[17, 7, 0], [2, 22, 0], [1, 3, 20]]
CLIPS_CONFIG = {
    "seed": 7,
    "test": True,
    "model": {"name": "gcn_lstm", "task": "clips", "spatial_dim": 64, "loss": {"label_smoothing": 0.1}},
    "datamodule": {
        "root": "/data/gestures",
        "batch_size": 16,
        "split": {"_target_": "datamodules.splits.OfficialSplit", "validation_share": 0.2},
        "augment": {"joints": {"flip": {"_target_": "x.Flip", "_partial_": True, "probability": 0.5}}},
    },
    "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.003},
    "scheduler": {"interval": "step", "schedule": {"_target_": "x.cosine", "_partial_": True, "warmup": 0.05}},
    "trainer": {"max_epochs": 4, "accumulate_grad_batches": 2, "gradient_clip_val": 1.0},
    "precision": {"mode": "auto"},
    "callbacks": {"best": {"monitor": "val/accuracy"}},
}
PROVENANCE = {
    "git": {"commit": "0123456789abcdef", "diff": "", "untracked": []},
    "packages": {"torch": "2.13.0"},
    "python": "3.11.7",
    "platform": "Linux",
    "host": "mill",
    "device": "cpu",
    "data_fingerprint": "da7a" * 16,
    "split_fingerprint": "5b11" * 16,
    "clips": {"train": 160, "val": 40, "test": 72},
    "notes": ["3 clips were empty"],
}
CLIPS_METRICS = """\
epoch,step,lr,train/accuracy,train/loss,val/accuracy,val/accuracy/linear ridge,val/accuracy/majority,val/loss,seconds
1,10,0.001,0.30,1.20,0.40,0.60,0.35,1.10,2.0
2,20,0.003,0.60,0.80,0.85,0.60,0.35,0.70,2.0
3,30,0.002,0.80,0.50,0.65,0.60,0.35,0.90,2.0
4,40,0.001,0.95,0.20,0.50,0.60,0.35,1.30,2.0
"""


def difference(baseline: str, value: float, lead: float) -> dict:
    return {
        "baseline": baseline,
        "value": value,
        "better_by": lead,
        "shown": [lead - 0.1, lead + 0.1],
        "sure": [lead - 0.2, lead + 0.2],
    }


CLIPS_STATUS = {
    "state": "finished",
    "started": "2026-03-01T10:00:00+00:00",
    "updated": "2026-03-01T10:02:05+00:00",
    "epoch": 4,
    "epochs": 4,
    "findings": [
        {"check": "note_check", "saw": "a small thing", "remedy": "", "severity": "note", "epoch": None},
        {"check": "overfit", "saw": "val/loss rises", "remedy": "Stop earlier.", "severity": "warning", "epoch": 3},
    ],
    "result": {
        "data": "gestures",
        "monitor": "val/accuracy",
        "best": {"epoch": 2, "train/loss": 0.8, "val/accuracy": 0.85, "val/loss": 0.7},
        "last": {"epoch": 4, "train/loss": 0.2, "val/accuracy": 0.5, "val/loss": 1.3},
        "best_value": 0.85,
        "verdict": {
            "level": "beats the best baseline",
            "sentence": "beats the best baseline by 0.213 [0.113, 0.313]: accuracy 0.819 on test, linear ridge 0.606",
            "split": "test",
            "metric": "accuracy",
            "final": True,
            "looks": 1,
            "value": 0.819,
            "chance": difference("majority", 0.333, 0.486),
            "best": difference("linear ridge", 0.606, 0.213),
            "parts": {},
        },
        "test": {
            "metrics": {"test/accuracy": 0.819, "test/loss": 0.777},
            "interval": [0.722, 0.903],
            "tested": [72, 72],
            "parts": {"unseen": {"accuracy": 0.801, "members": 60}},
            "by_field": {},
            "baselines": {"majority": 0.333, "linear ridge": 0.606},
        },
    },
}
CLIPS_EVALUATION = {
    "task": "clips",
    "split": "test",
    "classes": CLASSES,
    "confusion": CONFUSION,
    "calibration": [
        {"confidence": None, "accuracy": None, "count": 0},
        {"confidence": 0.5, "accuracy": 0.4, "count": 10},
        {"confidence": 0.9, "accuracy": 0.8, "count": 30},
    ],
    "table_title": "each class, test",
    "table": {
        "wave": {"clips": 24, "accuracy": 0.708, "linear ridge": 0.5, "verdict": "beats the best baseline"},
        "clap": {"clips": 24, "accuracy": 0.917, "linear ridge": 0.95, "verdict": "at or below chance"},
        "jump": {"clips": 24, "accuracy": 0.833, "linear ridge": 0.7, "verdict": "beats the best baseline"},
    },
}
ARCHITECTURE = {
    "name": "gcn_lstm",
    "state_dict": 11223143,
    "trainable": 11221604,
    "modules": [
        {"name": "spatial", "type": "SpatialGCN", "widths": "9 -> 64", "numbers": 8100, "trainable": 8000, "depth": 0},
        {"name": "spatial.0", "type": "Conv", "widths": "9 -> 64", "numbers": 640, "trainable": 640, "depth": 1},
    ],
}


def write(folder: Path, **files: object) -> Path:
    """A run's folder: `status={...}` becomes status.json, `metrics="..."` metrics.csv, `config={...}` config.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name == "metrics":
            (folder / "metrics.csv").write_text(content)
        elif name in ("config", "overrides"):
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
        else:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def finished_clips(folder: Path) -> Path:
    """A finished run over clips, with everything that a run can leave."""
    return write(
        folder / "clips_run",
        config=CLIPS_CONFIG,
        overrides=["model=gcn_lstm", "optimizer.lr=3e-3"],
        provenance=PROVENANCE,
        metrics=CLIPS_METRICS,
        status=CLIPS_STATUS,
        evaluation=CLIPS_EVALUATION,
        architecture=ARCHITECTURE,
    )


def finished_events(folder: Path) -> Path:
    """A finished run over events, of two fields, whose test split stayed closed."""
    metrics = (
        "epoch,lr,train/ce/city,train/ce/hour,train/loss,val/accuracy,val/accuracy/city,val/ce/city,"
        "val/ce/city/bigram,val/ce/hour,val/loss,val/loss/bigram,val/loss/uniform\n"
        "1,0.001,2.0,2.0,2.00,0.2,0.3,2.1,1.5,2.1,2.10,1.70,3.00\n"
        "2,0.001,1.5,1.5,1.50,0.4,0.3,1.4,1.5,1.6,1.50,1.70,3.00\n"
    )
    table = {
        "city": {"cross-entropy": 1.4, "uniform": 3.0, "bigram": 1.5, "floor": 1.2, "accuracy": 0.3},
        "hour": {"cross-entropy": 1.6, "uniform": 3.0, "bigram": 1.9, "floor": 1.1, "accuracy": 0.5},
    }
    result = {
        "data": "flights",
        "monitor": "val/loss",
        "best": {"epoch": 2, "val/loss": 1.5},
        "last": {"epoch": 2, "val/loss": 1.5},
        "test": None,
        "verdict": None,
        "verdict_missing": "fewer than 20 sequences",
    }
    return write(
        folder / "events_run",
        config={"model": {"name": "event_predictor", "task": "events"}, "test": False},
        overrides=[],
        provenance={"events": {"train": 1000, "val": 200, "test": 300}},
        metrics=metrics,
        status={"state": "finished", "result": result, "findings": []},
        evaluation={"task": "events", "split": "validation", "table_title": "validation, by field", "table": table},
    )
