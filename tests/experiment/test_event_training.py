"""Whole runs of the event predictor on a small log: folder, figures, repeatability, what cannot be used."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from experiment.build import build_net
from experiment.configs.compose import CONF, compose_config
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
    label = "cross-entropy given earlier" if heads == "chained" else "cross-entropy"
    mean = np.mean([figures[label] for figures in test["by_field"].values()])
    assert test["metrics"]["test/loss"] == pytest.approx(mean) == test["metrics"]["test/joint_nll"] / 3
    low, high = test["interval"]
    assert low < mean < high
    assert test["tested"][0] == test["tested"][1]
    assert list((tmp_path / "tensorboard").glob("events*")) and (tmp_path / "curves.png").is_file()
    if heads == "independent":
        schema = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["assay"]["schema"]
        sizes = [len(field["values"]) + 1 for field in schema["fields"] if field["role"] == "dynamic"]
        assert test["baselines"]["uniform"] == pytest.approx(np.log(sizes).mean())
        assert test["baselines"]["counts (best on val)"] < test["baselines"]["unigram"]
    else:
        assert list(test["baselines"]) == ["uniform", "unigram", "counts, chained"]
    printed = capsys.readouterr().out
    for shown in ("joint NLL / fields", "accuracy, given earlier", "each given the event's earlier fields"):
        assert (shown in printed) == (heads == "chained")
    assert "bootstrap over sequences" in printed


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "datamodule.sequence=event datamodule.streams.own=null test=false",
            "no train events.*is datamodule.sequence the right column",
        ),
        ("datamodule.split.val_share=0", "no val events"),
        ("datamodule.split.test_share=0", "no test events.*test=false"),
        ("datamodule.min_sequences=1000", "every value of every predicted field is unknown"),
    ],
)
def test_a_run_that_could_learn_or_choose_nothing_does_not_begin(option, message, tmp_path, log):
    frame = pd.read_csv(log)
    frame["event"] = np.arange(len(frame))
    frame.to_csv(tmp_path / "numbered.csv", index=False)
    with pytest.raises(DataError, match=message):
        run(tmp_path / "run", tmp_path / "numbered.csv", *option.split())
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_where_a_limit_leaves_events_out_there_is_no_baseline_of_others(tmp_path, log):
    run(tmp_path, log, "debug=limit", "datamodule.batch_size=2")
    test = result(tmp_path)["test"]
    assert test["tested"][0] < test["tested"][1] and test["baselines"] == {}


def test_what_the_data_say_is_not_read_as_markup(tmp_path, log):
    frame = pd.read_csv(log).assign(priority="[/bold]")
    frame.to_csv(tmp_path / "log.csv", index=False)
    with pytest.warns(UserWarning, match="priority"):
        run(tmp_path / "run", tmp_path / "log.csv", "debug=fdr")


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
        ('+model.impossible.activity=["(unknown)",close]', ConfigError, "'close' is masked"),
        ("+datamodule.streams.o={key:case,groups:all}", ConfigError, "streams.o.groups: a stream of the own sequence"),
        ("+datamodule.streams.o={key:activity,group:all}", ConfigError, "streams.o: .* describes no stream"),
        ("+datamodule.streams.o=activity", ConfigError, "streams.o: activity describes no stream"),
        ("model.copy=user", ConfigError, r"model.copy: 'user' is no list. Write \[user\]"),
        ("model.order=activity model.heads=chained", ConfigError, "model.order: 'activity' is no list"),
        ("model.tied=maybe", ConfigError, "model.tied: 'maybe' is not one of true, false"),
        ("model.feed_forward=big", ConfigError, "model.feed_forward: 'big' is not a whole number"),
        ("model.monitor=val/macro_f1", ConfigError, "model.monitor: 'val/macro_f1' is not one of val/loss"),
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
        ("datamodule.sequence=cases datamodule.streams.own=null", DataError, "case"),
        ("datamodule.source.path=nowhere.csv", DataError, "nowhere.csv"),
        ("+datamodule.fields.activity.kind=word", ConfigError, "word"),
    ],
)
def test_what_cannot_be_used_says_why(option, error, message, tmp_path, log):
    with pytest.raises(error, match=message):
        run(tmp_path, log, *option.split())
