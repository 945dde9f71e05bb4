"""Whole runs on small stores: folder, checkpoints, result, repeatability; and every experiment for one batch."""

import csv
import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from datamodules.skeletons.store import ClipStore
from experiment.build import ParameterCount, build_datamodule, build_module, build_net, choose_precision
from experiment.config import CONF, compose_config
from experiment.results import bootstrap_interval
from experiment.training import run_training
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError
from schemas.skeleton import load_layout

SMALL = (
    "datamodule=nw_ucla",
    "model.spatial_dim=8",
    "model.spatial_layers=1",
    "model.temporal_dim=8",
    "model.temporal_layers=1",
    "datamodule.num_workers=0",
    "datamodule.batch_size=8",
    "trainer.max_epochs=2",
    "logger=csv",
)
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def run(folder: Path, data_dir: Path, *overrides: str, multirun: bool = False) -> float:
    config = compose_config([*overrides, f"paths.data_dir={data_dir}"])
    return run_training(config, str(folder), list(overrides), multirun)


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_a_batch_of_everything(experiment, tmp_path, data_dir):
    run(tmp_path, data_dir, f"experiment={experiment}", "debug=fdr", "datamodule.batch_size=4")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "finished"


def test_a_run_leaves_everything_in_its_folder(tmp_path, data_dir, capsys):
    value = run(tmp_path, data_dir, *SMALL, "callbacks.every.every_n_epochs=1", "logger=tensorboard")
    config = OmegaConf.load(tmp_path / "config.yaml")
    assert config.model.spatial_dim == 8 and config.test is True and config.paths.run_dir == str(tmp_path)
    assert "model.spatial_dim=8" in OmegaConf.load(tmp_path / "overrides.yaml")
    assert {path.stem for path in (tmp_path / "checkpoints").iterdir()} == {"best", "last", "epoch_1", "epoch_2"}
    assert list((tmp_path / "tensorboard").glob("events*"))
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["seed"] == 0 and provenance["packages"]["torch"] == torch.__version__
    assert provenance["data_fingerprint"] == ClipStore(data_dir / "nw_ucla").fingerprint

    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert float(rows[0]["lr"]) == pytest.approx(1e-3)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "finished" and status["epoch"] == 1
    assert value == status["result"]["best_value"] == max(float(row["val/accuracy"]) for row in rows)
    assert set(status["result"]["test"]) >= {"test/accuracy", "test/macro_f1", "test/top5"}
    printed = capsys.readouterr().out
    for shown in ("macro-F1", "top-5", "val, best (", "val, last (2)", "test (", f"tensorboard --logdir {tmp_path}"):
        assert shown in printed


def test_every_checkpoint_is_of_the_epoch_it_is_named_for(tmp_path, data_dir):
    # The highest training loss is not the last epoch's, and so the best epoch is another than the last.
    backwards = ("model.monitor.metric=train/loss", "model.monitor.mode=max")
    run(tmp_path, data_dir, *SMALL, *backwards, "trainer.max_epochs=4", "callbacks.every.every_n_epochs=3")
    seen = {}
    for path in (tmp_path / "checkpoints").iterdir():
        checkpoint = torch.load(path, weights_only=True)
        history = checkpoint["assay"]["history"]
        assert [row["epoch"] for row in history] == list(range(checkpoint["epoch"] + 1))
        seen[path.stem] = checkpoint["epoch"] + 1
    losses = [float(row["train/loss"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    best = losses.index(max(losses)) + 1
    assert best != 4 and seen == {"best": best, "last": 4, "epoch_3": 3}


def test_a_checkpoint_alone_says_what_it_is_and_rebuilds_its_net(tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL)
    checkpoint = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    record = checkpoint["assay"]
    assert next(row["epoch"] for row in record["history"]) == 0
    net = build_net(OmegaConf.create(record["config"]), ClipSchema.from_dict(record["schema"]))
    net.load_state_dict({name.removeprefix("net."): value for name, value in checkpoint["state_dict"].items()})


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path, data_dir):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, data_dir, *SMALL, f"seed={seed}", "test=false")
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(tmp_path, data_dir):
    for workers in (0, 2):
        run(tmp_path / str(workers), data_dir, *SMALL, f"datamodule.num_workers={workers}", "test=false")
    assert equal(weights(tmp_path / "0"), weights(tmp_path / "2"))


@pytest.mark.parametrize(
    ("overrides", "multirun", "opened"),
    [((), False, True), ((), True, False), (("test=false",), False, False), (("test=true",), True, True)],
)
def test_the_test_split_is_opened_by_single_runs_or_on_demand(overrides, multirun, opened, tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, "trainer.max_epochs=1", *overrides, multirun=multirun)
    result = json.loads((tmp_path / "status.json").read_text())["result"]
    assert (result["test"] is not None) == opened


def test_a_failed_run_says_so(tmp_path, data_dir):
    with pytest.raises(DataError, match=r"has not been imported.*prepare.py format=nw_ucla"):
        run(tmp_path, tmp_path / "nowhere", *SMALL)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed" and "DataError" in status["why"]


def test_what_a_component_does_not_take_is_a_config_error(tmp_path, data_dir):
    with pytest.raises(ConfigError, match=r"model.*unexpected keyword argument 'colour'"):
        run(tmp_path, data_dir, *SMALL, "+model.spatial.colour=red")


def test_balanced_weights_and_sampler_reach_the_training(data_dir):
    config = compose_config(
        [*SMALL, f"paths.data_dir={data_dir}", "model.loss.class_weights=balanced", "datamodule.sampler=balanced"]
    )
    datamodule = build_datamodule(config)
    module = build_module(config, datamodule)
    counts = torch.from_numpy(datamodule.class_counts)
    torch.testing.assert_close(module.class_weights, counts.sum() / (len(counts) * counts.float()))
    assert datamodule.train_dataloader().sampler.weights is not None


def test_workers_are_capped_at_the_cores(data_dir, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    config = compose_config(["datamodule=natops", f"paths.data_dir={data_dir}"])
    assert config.datamodule.num_workers == 8
    assert build_datamodule(config).num_workers == 3


@pytest.mark.parametrize(
    ("experiment", "state_dict", "trainable"),
    [("documented_final", 11_223_143, 11_221_604), ("documented_best", 33_219_694, 33_212_519)],
)
def test_the_documented_presets_have_their_documented_counts(experiment, state_dict, trainable, data_dir):
    config = compose_config([f"experiment={experiment}"])
    schema = ClipSchema(load_layout("face62"), tuple(map(str, range(100))), 31)
    count = ParameterCount.of(build_net(config, schema))
    assert count == ParameterCount(state_dict, trainable)
    assert f"{state_dict:,}" in str(count) and f"{trainable:,}" in str(count)


@pytest.mark.parametrize(
    ("mode", "cuda", "bf16", "expected"),
    [
        ("auto", False, False, "32-true"),
        ("auto", True, True, "bf16-mixed"),
        ("auto", True, False, "16-mixed"),
        ("fp32", True, True, "32-true"),
        ("amp_bf16", False, False, "bf16-mixed"),
        ("amp_fp16", True, True, "16-mixed"),
    ],
)
def test_precision_takes_what_the_device_truly_has(mode, cuda, bf16, expected, monkeypatch):
    def supported(including_emulation=True):
        return bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert choose_precision(mode, "auto") == expected


def test_fp16_without_cuda_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="precision: fp16 AMP needs a CUDA device"):
        choose_precision("amp_fp16", "auto")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, this machine has none")
@pytest.mark.parametrize("precision", ["auto", "amp_bf16", "amp_fp16"])
def test_mixed_precision_trains_on_a_gpu(precision, tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, f"precision={precision}")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_bfloat16_on_the_cpu_trains(tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, "precision=amp_bf16", "trainer.max_epochs=1")
    assert all(value.isfinite().all() for value in weights(tmp_path).values())


def test_the_bootstrap_interval_is_the_binomial_one():
    correct = torch.zeros(400)
    correct[:300] = 1
    low, high = bootstrap_interval(correct.numpy())
    # Normal approximation of a mean of 400 draws at .75: a standard error of .0217.
    assert low == pytest.approx(0.75 - 1.96 * 0.0217, abs=0.004)
    assert high == pytest.approx(0.75 + 1.96 * 0.0217, abs=0.004)


@pytest.mark.parametrize("debug", ["limit", "overfit", "profiler"])
def test_every_debug_mode_runs(debug, tmp_path, data_dir, capsys):
    run(tmp_path, data_dir, *SMALL, f"debug={debug}", *(["trainer.max_epochs=2"] if debug == "overfit" else []))
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "finished"
    assert (status["result"]["test"] is None) == (debug == "overfit")


@pytest.mark.slow
def test_a_small_net_learns_what_it_is_shown_again_and_again(tmp_path, data_dir):
    overrides = ("debug=overfit", "model.temporal_dim=32", "model.spatial_dim=32", "model/pooling=flatten")
    run(tmp_path, data_dir, *SMALL, *overrides, "trainer.max_epochs=60", "optimizer.lr=0.01")
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["train/accuracy"]) == 1.0


def test_a_missing_test_split_is_found_before_training(tmp_path, make_store):
    store = make_store("nw_ucla", groups=("subject",), splits=("train",))
    with pytest.raises(DataError, match=r"no test clips.*test=false"):
        run(tmp_path / "run", store.folder.parent, *SMALL, "datamodule.split.validation_share=0.3")
    assert not (tmp_path / "run" / "checkpoints").exists()
