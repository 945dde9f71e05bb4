"""Whole runs of the event predictor on a small log: folder, figures, repeatability, what cannot be used."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from experiment.build import build_datamodule, build_net
from experiment.config import CONF, compose_config
from experiment.training import run_training
from schemas.errors import ConfigError, DataError
from schemas.events import EventSchema

SMALL = (
    "model=event_predictor",
    "datamodule=events",
    "datamodule.sequence=case",
    "datamodule.fields={activity:{},user:{kind:id},gap:{kind:gap,edges:[0,60,3600]},priority:{role:static}}",
    "+datamodule.streams.own.key=case",
    "+datamodule.streams.user={key:user,groups:all}",
    "datamodule.src_seq_len=4",
    "datamodule.tgt_seq_len=6",
    "datamodule.batch_size=8",
    "model.d_model=16",
    "model.num_heads=2",
    "model.decoder_layers=1",
    "model.feed_forward=16",
    "model.head_width=16",
    "trainer.max_epochs=2",
    "logger=csv",
)
NEXT = {"open": ["work", "work", "wait"], "wait": ["work"], "work": ["wait", "close", "work"], "close": ["open"]}


def log_frame(cases: int = 40, seed: int = 0) -> pd.DataFrame:
    """Cases of 2 to 14 events: an activity follows from the one before it."""
    rng, rows = np.random.default_rng(seed), []
    for case in range(cases):
        activity, moment = "open", 1_700_000_000 + int(rng.integers(0, 10_000))
        for _ in range(int(rng.integers(2, 15))):
            when = pd.Timestamp(moment, unit="s").isoformat()
            rows.append((f"case {case}", when, activity, f"user {rng.integers(3)}", f"p{case % 3}"))
            activity, moment = str(rng.choice(NEXT[activity])), moment + int(rng.choice([30, 600, 9000]))
    return pd.DataFrame(rows, columns=["case", "time", "activity", "user", "priority"])


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("events") / "log.csv"
    log_frame().to_csv(path, index=False)
    return path


def run(folder: Path, log: Path, *overrides: str) -> float:
    words = [*SMALL, f"datamodule.source.path={log}", *overrides]
    return run_training(compose_config(words), str(folder), words, False)


def result(folder: Path) -> dict:
    return json.loads((folder / "status.json").read_text())["result"]


@pytest.mark.parametrize("heads", ["independent", "chained"])
def test_a_run_leaves_its_figures(heads, tmp_path, log, capsys):
    value = run(tmp_path, log, f"model.heads={heads}", "logger=tensorboard")
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert value == result(tmp_path)["best_value"] == min(float(row["val/loss"]) for row in rows)
    test, given = result(tmp_path)["test"], "_given_earlier" if heads == "chained" else ""
    for name in ("activity", "user", "gap"):
        assert f"train/ce{given}/{name}" in rows[0] and f"val/accuracy{given}/{name}" in rows[0]
        assert f"test/calibration_error{given}/{name}" in test["metrics"]
    assert "priority" not in test["by_field"]
    mean = np.mean([figures["cross-entropy"] for figures in test["by_field"].values()])
    assert test["metrics"]["test/loss"] == pytest.approx(mean) == test["metrics"]["test/joint_nll"] / 3
    low, high = test["interval"]
    assert low < mean < high
    assert test["tested"][0] == test["tested"][1]
    assert list((tmp_path / "tensorboard").glob("events*")) and (tmp_path / "curves.png").is_file()
    if heads == "independent":
        schema = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["assay"]["schema"]
        sizes = [len(field["values"]) + 1 for field in schema["fields"] if field["role"] == "dynamic"]
        assert test["baselines"]["uniform"] == pytest.approx(np.log(sizes).mean())
        assert test["baselines"]["best counts"] < test["baselines"]["unigram"]
    else:
        assert list(test["baselines"]) == ["chained counts"]
    printed = capsys.readouterr().out
    assert ("joint NLL / fields" in printed) == (heads == "chained") and "over sequences" in printed


def test_it_learns_what_follows_from_what(tmp_path, log):
    run(tmp_path, log, "trainer.max_epochs=30", "optimizer.lr=0.01", "model.dropout=0")
    activity = result(tmp_path)["test"]["by_field"]["activity"]["cross-entropy"]
    # Four activities and UNK: chance is ln 5; the process itself has at most ln 3 a step, less on average.
    assert activity < 1.0


def test_a_checkpoint_alone_rebuilds_its_net(tmp_path, log):
    run(tmp_path, log)
    checkpoint = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    record = checkpoint["assay"]
    net = build_net(OmegaConf.create(record["config"]), EventSchema.from_dict(record["schema"]))
    net.load_state_dict({name.removeprefix("net."): value for name, value in checkpoint["state_dict"].items()})
    assert record["provenance"]["events"]["train"] > 0


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path, log):
    for name, words in {"a": [], "b": ["datamodule.num_workers=1"], "c": ["seed=1"]}.items():
        run(tmp_path / name, log, "test=false", *words)
    a, b, c = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for name in "abc"
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


OPTIONS = [
    "model.memory=full",
    "model.heads=chained",
    "model.tied=true",
    "model.copy=[user]",
    "+model.impossible.gap=[START]",
    "model.stream_attention=1",
    "model.head_width=0",
    "+model.loss.weights.user=0.5",
    "model.heads=chained model.order=[user,activity,gap]",
    "datamodule.context_at=event",
    "datamodule.streams.user=null datamodule.streams.own=null",
    "trainer.accumulate_grad_batches=2",
    "precision=amp_bf16",
    "model.monitor=val/joint_nll scheduler=plateau",
    *[f"scheduler={path.stem}" for path in sorted((CONF / "scheduler").glob("*.yaml"))],
    "debug=fdr",
    "debug=overfit trainer.max_epochs=2",
    "debug=limit",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains(option, tmp_path, log):
    run(tmp_path, log, *option.split())
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "finished"


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ("model.num_heads=3", ConfigError, "model.*num_heads|divisible"),
        ("model.copy=[usr]", ConfigError, "usr"),
        ("+model.impossible.gap=[NEVER]", ConfigError, "NEVER"),
        (
            "+model.impossible.activity=[close]",
            ConfigError,
            r"'close' is masked as impossible and is the value of \d+ events",
        ),
        ("model.order=[user] model.heads=chained", ConfigError, "order"),
        ("+model.loss.weights.usr=1", ConfigError, "usr"),
        ("datamodule.streams.user.key=usr", ConfigError, "usr"),
        ("datamodule.streams.user.groups=some", ConfigError, "groups"),
        ("datamodule.time=moment", DataError, "moment"),
        ("datamodule.sequence=cases", DataError, "case"),
        ("datamodule.source.path=nowhere.csv", DataError, "nowhere.csv"),
        ("+datamodule.fields.activity.kind=word", ConfigError, "word"),
    ],
)
def test_what_cannot_be_used_says_why(option, error, message, tmp_path, log):
    with pytest.raises(error, match=message):
        run(tmp_path, log, *option.split())


@pytest.mark.parametrize("experiment", ["documented_events", "documented_events_large"])
def test_the_documented_presets_run_on_any_log(experiment, tmp_path, log):
    config = compose_config([f"experiment={experiment}"])
    schema = build_datamodule(compose_config([*SMALL, f"datamodule.source.path={log}"])).schema
    net = build_net(config, schema)
    assert net is not None
