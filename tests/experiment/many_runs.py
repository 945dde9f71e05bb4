"""Folders of finished runs made by hand, for tables of results."""

import json
from pathlib import Path

import yaml

from experiment.run_folder import config_checksum

ABOVE, CHANCE = "beats the best baseline", "at or below chance"


def config_of(folder: Path, seed: int = 0, **keys: object) -> dict:
    """A small resolved config; `optimizer__lr=1` is optimizer.lr."""
    config: dict = {
        "seed": seed,
        "resume": {"source": None},
        "test": True,
        "model": {"name": "gcn_lstm", "task": "clips", "monitor": "val/loss", "spatial_dim": 64},
        "datamodule": {
            "root": "/data/gestures",
            "num_workers": 2,
            "seed": seed,
            "split": {"_target_": "x.A", "seed": 0},
        },
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
        "callbacks": {"best": {"dirpath": f"{folder}/checkpoints"}, "seeding": {"seed": seed}},
        "paths": {"log_dir": str(folder.parent), "data_dir": "/data", "run_dir": str(folder)},
    }
    for key, value in keys.items():
        node, *names = config, *key.split("__")
        for name in names[:-1]:
            node = node.setdefault(name, {})
        node[names[-1]] = value
    return config


def write_run(
    folder: Path,
    value: float | None = 0.5,
    test: float | None = None,
    *,
    seed: int = 0,
    state: str = "finished",
    data: str = "d1",
    split: str = "s1",
    level: str | None = ABOVE,
    commit: str = "c1",
    baselines: dict | None = None,
    why: str | None = None,
    **keys: object,
) -> Path:
    """A run with this figure on validation and, where it opened the test split, on test."""
    folder.mkdir(parents=True)
    config = config_of(folder, seed, **keys)
    task, monitor = config["model"]["task"], config["model"]["monitor"]
    headline = {"clips": "accuracy", "events": "loss"}[task]
    verdict = {"level": level, "split": "validation" if test is None else "test"} if level else None
    status: dict = {"state": state, "config_checksum": config_checksum(config), "epoch": 3, "epochs": 9}
    status |= {"verdict": verdict} | ({"why": why} if why else {})
    if state == "finished":
        status["result"] = {
            "data": "gestures",
            "monitor": monitor,
            "best": {"epoch": 2, monitor: value},
            "best_value": value,
            "test": None if test is None else {"metrics": {f"test/{headline}": test}},
            "baselines": baselines or {},
            "verdict": verdict,
        }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "status.json").write_text(json.dumps(status))
    origin = {"seed": seed, "data_fingerprint": data, "split_fingerprint": split, "git": {"commit": commit}}
    (folder / "provenance.json").write_text(json.dumps(origin))
    return folder
