"""One run as one story: folder, data, model, fit, test of the best, table."""

import logging
import warnings
from pathlib import Path

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from callbacks.charts import ConfigText
from callbacks.epoch_history import EpochHistory
from callbacks.predictions import KeepPredictions
from callbacks.run_record import RunRecord
from experiment.build import ParameterCount, build_datamodule, build_module, build_trainer
from experiment.provenance import describe_origin
from experiment.results import RunResult, bootstrap_interval, final_table
from experiment.run_folder import RunFolder
from reports.curves import draw_curves
from schemas.batches import ClipOutput
from schemas.errors import DataError
from storage import fingerprint


def run_training(config: DictConfig, folder: str, overrides: list[str], multirun: bool) -> float:
    """Runs one config in `folder` and returns the best validation value.

    Args:
        overrides: what the user typed, kept beside the config.
        multirun: whether this is one job of many, which leave the test split closed unless told otherwise.

    Raises:
        ExperimentError: for config or data that cannot be used; status.json then says `failed` and why.
    """
    run = RunFolder(folder)
    config = config.copy()
    config.paths.run_dir = str(run.path)
    config.test = config.test if config.test is not None else not multirun
    run.write_config(config, overrides)
    run.write_status({"state": "running"})
    try:
        result = _train(config, run)
    except KeyboardInterrupt:
        run.write_status({"state": "interrupted"})
        raise
    except BaseException as error:
        run.write_status({"state": "failed", "why": f"{type(error).__name__}: {error}"})
        raise
    run.write_status({"state": "finished", "result": result.to_dict()})
    return result.best_value


def _train(config: DictConfig, run: RunFolder) -> RunResult:
    console = Console()
    _quiet_lightning()
    L.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = build_datamodule(config)
    if config.test and len(datamodule.rows["test"]) == 0:
        raise DataError("there are no test clips", where=datamodule.root, remedy="Set test=false.")
    module = build_module(config, datamodule)
    count = ParameterCount.of(module.net)
    predictions = KeepPredictions()
    provenance = describe_origin(config.seed, "") | _data_facts(datamodule)
    record = {
        "config": OmegaConf.to_container(config, resolve=True),
        "schema": datamodule.schema.to_dict(),
        "provenance": provenance,
    }
    text = ConfigText(OmegaConf.to_yaml(config, resolve=True))
    trainer = build_trainer(config, [predictions, text, RunRecord(record, run.write_status)])
    provenance["device"] = str(trainer.strategy.root_device)
    run.write_json("provenance.json", provenance)
    console.print(_headline(config, datamodule, count, provenance["device"]), highlight=False)

    try:
        trainer.fit(module, datamodule=datamodule)
        result = _conclude(config, trainer, module, datamodule, predictions)
    except SystemExit:
        # Lightning's way of ending on Ctrl-C.
        raise KeyboardInterrupt from None
    draw_curves(run.path, result.best_epoch, result.test)
    _print_result(console, result, config, run.path)
    return result


def _data_facts(datamodule) -> dict:
    rows = {split: rows.tolist() for split, rows in datamodule.rows.items()}
    return {
        "data_fingerprint": datamodule.store.fingerprint,
        "split_fingerprint": fingerprint.of_json([datamodule.store.fingerprint, rows]),
        "clips": {split: len(members) for split, members in rows.items()},
    }


def _headline(config: DictConfig, datamodule, count: ParameterCount, device: str) -> str:
    schema, clips = datamodule.schema, {split: len(rows) for split, rows in datamodule.rows.items()}
    return (
        f"[bold]{config.model.name}[/]: {count}, on {device}\n"
        f"[bold]{datamodule.store.name}[/]: {clips['train']:,} / {clips['val']:,} / {clips['test']:,} clips "
        f"(train / val / test), {schema.num_classes} classes, {schema.skeleton.num_joints} joints "
        f"({schema.skeleton.name}), {schema.channels} channels"
    )


def _conclude(
    config: DictConfig, trainer: L.Trainer, module: L.LightningModule, datamodule, predictions: KeepPredictions
) -> RunResult:
    monitor, mode = config.model.monitor.metric, config.model.monitor.mode
    rows = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
    last = rows[-1] if rows else {n: float(v) for n, v in trainer.callback_metrics.items()}
    known = [row for row in rows if row.get(monitor) == row.get(monitor, float("nan"))]
    best = (max if mode == "max" else min)(known, key=lambda row: row[monitor]) if known else last
    test, interval = None, None
    if config.test:
        checkpoint = next((c.best_model_path for c in trainer.callbacks if isinstance(c, ModelCheckpoint)), "") or None
        trainer.test(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True, verbose=False)
        test = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
        output = predictions.outputs["test"]
        correct = (output.logits.argmax(dim=1) == output.label).numpy()
        interval = bootstrap_interval(correct)
        test |= _apart(datamodule, output, correct)
    return RunResult(
        best_epoch=int(best["epoch"]) + 1 if "epoch" in best else None,
        last_epoch=int(last.get("epoch", 0)) + 1,
        monitor=monitor,
        best=best,
        last=last,
        test=test,
        test_interval=interval,
    )


def _apart(datamodule, output: ClipOutput, correct: np.ndarray) -> dict[str, float]:
    """Test accuracy on parts of the clips that deserve a figure of their own.

    Classes that have a twin which differs in one parameter only (minimal pairs), where the data name such, by
    parameter; and the clips that do not stand, byte for byte, in train as well, where some do.
    """
    store, found = datamodule.store, {}
    members: dict[str, set[int]] = {}
    for first, second, parameter in store.header["source"].get("minimal_pairs", []):
        members.setdefault(parameter, set()).update((first, second))
    for parameter, classes in members.items():
        chosen = np.isin(output.label.numpy(), list(classes))
        if chosen.any():
            found[f"test/{len(classes)} twins: {parameter}"] = float(correct[chosen].mean())
    known = set(store.digests(datamodule.rows["train"]))
    unseen = np.array([digest not in known for digest in store.digests(output.clip_id.tolist())])
    if not unseen.all() and unseen.any():
        found[f"test/{unseen.sum()} not in train"] = float(correct[unseen].mean())
    return found


def _print_result(console: Console, result: RunResult, config: DictConfig, folder: Path) -> None:
    console.print(final_table(result, f"{config.model.name} on {Path(config.datamodule.root).name}"))
    console.print(f"run          {folder}", highlight=False, soft_wrap=True)
    console.print(f"tensorboard  tensorboard --logdir {folder}", highlight=False, soft_wrap=True)


def _quiet_lightning() -> None:
    """Its chatter (devices, tips, "fit stopped") goes, and advice that does not apply; its other warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for advice in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
        ".*Checkpoint directory .* exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message=advice)
