"""Whole runs on small stores: folder, checkpoints, result, repeatability; and every experiment for one batch."""

import csv
import json
import math
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import Clip, new_store
from experiment.build import ParameterCount, build_datamodule, build_net, choose_precision
from experiment.configs.compose import CONF, compose_config
from experiment.final_table import bootstrap_interval
from experiment.tasks.task import task_of
from experiment.training import run_training
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError, ExperimentError
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
    own = [f"datamodule.root={data_dir / 'nw_ucla'}"] if experiment == "clips" else []
    run(tmp_path, data_dir, f"experiment={experiment}", "debug=fdr", "datamodule.batch_size=4", *own)
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
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert float(rows[0]["lr"]) == pytest.approx(1e-3)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "finished" and status["epoch"] == 2
    assert value == status["result"]["best_value"] == max(float(row["val/accuracy"]) for row in rows)
    assert set(status["result"]["test"]["metrics"]) >= {"test/accuracy", "test/macro_f1", "test/top5"}
    printed = capsys.readouterr().out
    for shown in (
        "macro-F1",
        "top-5",
        "val, best (",
        "val, last (2)",
        "test (",
        "95 %",
        f"tensorboard --logdir {tmp_path}",
    ):
        assert shown in printed


@pytest.mark.parametrize("averaged", [(), ("callbacks/ema=weights", "callbacks.ema.decay=0.5")], ids=["plain", "ema"])
def test_every_checkpoint_is_of_the_epoch_it_is_named_for(averaged, tmp_path, data_dir):
    # A learning rate that only harms: the first epoch is the best of four.
    harmful = ("optimizer.lr=3", "scheduler=constant", "optimizer=sgd", "model.monitor=val/loss", *averaged)
    run(tmp_path, data_dir, *SMALL, *harmful, "trainer.max_epochs=4", "callbacks.every.every_n_epochs=3")
    seen = {}
    for path in (tmp_path / "checkpoints").iterdir():
        checkpoint = torch.load(path, weights_only=True)
        history = checkpoint["assay"]["history"]
        assert [row["epoch"] for row in history] == list(range(1, checkpoint["epoch"] + 2))
        seen[path.stem] = checkpoint["epoch"] + 1
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    best = min(range(4), key=lambda number: float(rows[number]["val/loss"])) + 1
    assert best != 4 and seen == {"best": best, "last": 4, "epoch_3": 3}

    # What was tested is what best.ckpt holds.
    result = json.loads((tmp_path / "status.json").read_text())["result"]
    assert result["best"]["epoch"] == best and result["best_value"] == float(rows[best - 1]["val/loss"])
    config = compose_config([*SMALL, *harmful, f"paths.data_dir={data_dir}"])
    datamodule = build_datamodule(config)
    module = task_of(config).build_module(config, datamodule).eval()
    batch, loss = datamodule.store.gather(datamodule.rows["test"]), {}
    for name in ("best", "last"):
        module.load_state_dict(weights(tmp_path, name))
        loss[name] = torch.nn.functional.cross_entropy(module(batch), batch.label).item()
    assert loss["best"] < 0.99 * loss["last"]
    assert result["test"]["metrics"]["test/loss"] == pytest.approx(loss["best"], rel=1e-4)


def test_a_checkpoint_alone_says_what_it_is_and_rebuilds_its_net(tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL)
    checkpoint = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    record = checkpoint["assay"]
    assert record["history"][0]["epoch"] == 1
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert record["provenance"] == provenance and provenance["device"] in ("cpu", "cuda:0", "mps:0")
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


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("model.attention.heads=3", "model"),
        ("optimizer.betas=[2,3]", "optimizer"),
        ("+optimizer.colour=red", "optimizer"),
        ("+scheduler.schedule.colour=red", "scheduler"),
        ("datamodule.channels=[joint,speed]", "datamodule.channels"),
    ],
)
def test_a_value_that_a_component_refuses_is_a_config_error(override, where, tmp_path, data_dir):
    with pytest.raises(ConfigError, match=where):
        run(tmp_path, data_dir, *SMALL, "model=gcn_lstm_fusion", override)


OPTIONS = [
    f"{group}={path.stem}"
    for group in ("optimizer", "scheduler", "model/adjacency", "model/block", "model/pooling", "model/readout", "model")
    for path in sorted((CONF / group).glob("*.yaml"))
    if path.stem != "event_predictor"
]


@pytest.mark.parametrize("option", [*OPTIONS, "datamodule/augment=none", "datamodule/augment=cross_view"])
def test_every_option_trains(option, tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, option, "test=false", "datamodule.frames=8", "datamodule.augment.mixup=0.2")
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "finished"


def test_tensorboard_has_what_a_person_looks_for(tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, "logger=tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = events.Tags()
    names = {f"{split}/{name}" for split in ("train", "val") for name in ("loss", "accuracy", "macro_f1", "top5")}
    assert names | {"optimisation/lr", "test/accuracy"} <= set(tags["scalars"])
    assert all("/" in tag for tag in tags["scalars"])
    assert {"clips/train", "confusion/val", "confusion/test"} <= set(tags["images"])
    assert "config/text_summary" in tags["tensors"]
    assert len(events.Scalars("val/loss")) == 2


def test_parts_of_the_test_split_are_reported_apart(tmp_path, make_store):
    store = make_store("nw_ucla", groups=("subject", "camera"), source={"minimal_pairs": [[0, 1, "handshape"]]})
    first = store.rows("train")[0]
    copied, test = store.frames[store.offsets[first] : store.offsets[first + 1]], store.rows("test")
    with new_store(
        tmp_path / "copied" / "nw_ucla", store.skeleton, store.classes, source=store.header["source"], importer=""
    ) as new:
        for row in range(len(store)):
            frames = store.frames[store.offsets[row] : store.offsets[row + 1]]
            split = ("train", "val", "test")[store.splits[row]]
            new.add(
                Clip(
                    copied if row == test[0] else frames,
                    int(store.labels[row]),
                    str(store.ids[row]),
                    split,
                    groups={group: str(members[row]) for group, members in store.groups.items()},
                )
            )
    run(tmp_path / "run", tmp_path / "copied", *SMALL)
    parts = json.loads((tmp_path / "run" / "status.json").read_text())["result"]["test"]["parts"]
    assert parts["unseen"]["members"] == len(test) - 1
    assert parts["twins_handshape"]["members"] == int(np.isin(store.labels[test], [0, 1]).sum())


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoints_good(tmp_path, data_dir):
    with pytest.raises(ExperimentError, match=r"epoch \d+: .*loss.*not a finite number.*optimizer.lr"):
        run(tmp_path, data_dir, *SMALL, "optimizer=sgd", "optimizer.lr=1e30", "trainer.gradient_clip_val=0")
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed" and "finite" in status["why"]
    for path in tmp_path.glob("checkpoints/*.ckpt"):
        history = torch.load(path, weights_only=True)["assay"]["history"]
        assert all(math.isfinite(row["train/loss"]) and math.isfinite(row["val/loss"]) for row in history)


def test_epochs_without_validation_have_no_validation_figures(tmp_path, data_dir):
    run(tmp_path, data_dir, *SMALL, "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4", "test=false")
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [bool(row["val/accuracy"]) for row in rows] == [False, True, False, True]


def test_generated_data_of_another_seed_are_refused(tmp_path, data_dir):
    with pytest.raises(DataError, match=r"generated with .*'seed': 0.*asks for .*'seed': 7"):
        run(tmp_path, data_dir, "datamodule=signs", "datamodule.generate.seed=7", "debug=fdr")


def test_a_flip_of_extra_channels_is_refused(tmp_path, data_dir):
    with pytest.raises(ConfigError, match=r"flip: extra channels.*no_flip"):
        run(tmp_path, data_dir, "datamodule=faces", "datamodule/augment=default", "debug=fdr")


def test_every_epoch_of_a_fit_has_its_own_order(data_dir):
    config = compose_config([*SMALL, f"paths.data_dir={data_dir}", "logger=none"])
    datamodule = build_datamodule(config)
    seen = {}

    class Watch(L.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.setdefault(trainer.current_epoch, []).extend(batch.clip_id.tolist())

    trainer = L.Trainer(
        max_epochs=3, logger=False, callbacks=[Watch()], enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(task_of(config).build_module(config, datamodule), datamodule=datamodule)
    assert sorted(seen[0]) == sorted(seen[1]) == sorted(datamodule.rows["train"].tolist())
    assert seen[0] != seen[1] != seen[2]


def test_balanced_weights_and_sampler_reach_the_training(data_dir):
    config = compose_config(
        [*SMALL, f"paths.data_dir={data_dir}", "model.loss.class_weights=balanced", "datamodule.sampler=balanced"]
    )
    datamodule = build_datamodule(config)
    module = task_of(config).build_module(config, datamodule)
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
def test_every_debug_mode_runs(debug, tmp_path, data_dir, caplog):
    run(tmp_path, data_dir, *SMALL, f"debug={debug}", *(["trainer.max_epochs=2"] if debug == "overfit" else []))
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "finished"
    assert (status["result"]["test"] is None) == (debug == "overfit")
    assert ("run_training_epoch" in caplog.text) == (debug == "profiler")


@pytest.mark.slow
def test_a_small_net_learns_what_it_is_shown_again_and_again(tmp_path, data_dir):
    overrides = ("debug=overfit", "model.temporal_dim=32", "model.spatial_dim=32", "model/pooling=flatten")
    run(tmp_path, data_dir, *SMALL, *overrides, "trainer.max_epochs=60", "optimizer.lr=0.01")
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["train/accuracy"]) == 1.0


def test_a_missing_test_split_is_found_before_training(tmp_path, make_store):
    store = make_store("nw_ucla", groups=("subject", "camera"), splits=("train",))
    with pytest.raises(DataError, match=r"no test clips.*test=false"):
        run(tmp_path / "run", store.folder.parent, *SMALL, "datamodule.split.validation_share=0.3")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_one_class_is_nothing_to_tell_apart(tmp_path, data_dir, make_store):
    store = make_store(classes=1, groups=("subject", "camera"))
    with pytest.raises(DataError, match="all clips are of one class, 'class_0'"):
        run(tmp_path / "run", data_dir, *SMALL, f"datamodule.root={store.folder}")
