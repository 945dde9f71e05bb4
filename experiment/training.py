"""One run as one story: folder, data, model, fit, test of the best, table."""

import logging
import warnings
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf
from rich import get_console

from callbacks.charts import ConfigText
from callbacks.epoch_history import EpochHistory
from callbacks.predictions import KeepPredictions
from callbacks.run_record import RunRecord
from experiment.build import ParameterCount, build_datamodule, build_module, build_trainer
from experiment.provenance import describe_origin
from experiment.results import Part, RunResult, bootstrap_interval, final_table
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
    run, result = RunFolder(folder), None
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
    finally:
        draw_curves(run.path, result and result.best_epoch, result and result.test)
    run.write_status({"state": "finished", "result": result.to_dict()})
    _print_result(result, config, run.path)
    return result.best_value


def _train(config: DictConfig, run: RunFolder) -> RunResult:
    _quiet_lightning()
    L.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = build_datamodule(config)
    with get_console().status("Opening the data; generated sets are made on first use ..."):
        datamodule.prepare_data()
    if config.test and len(datamodule.rows["test"]) == 0:
        raise DataError("there are no test clips", where=datamodule.root, remedy="Set test=false.")
    module = build_module(config, datamodule)
    predictions = KeepPredictions()
    record = {"config": OmegaConf.to_container(config, resolve=True), "schema": datamodule.schema.to_dict()}
    text = ConfigText(OmegaConf.to_yaml(config, resolve=True))
    trainer = build_trainer(config, [predictions, text, RunRecord(record, run.write_status)])
    device = str(trainer.strategy.root_device)
    record["provenance"] = describe_origin(config.seed, device) | _data_facts(datamodule)
    run.write_json("provenance.json", record["provenance"])
    get_console().print(_headline(config, datamodule, ParameterCount.of(module.net), device), highlight=False)
    try:
        trainer.fit(module, datamodule=datamodule)
        return _conclude(config, trainer, module, datamodule, predictions)
    except SystemExit:
        # Lightning's way of ending on Ctrl-C.
        raise KeyboardInterrupt from None


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
    """The figures of the best and the last epoch; the test split, where it is open, on the best epoch's weights."""
    history = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
    last = history[-1] if history else {n: float(v) for n, v in trainer.callback_metrics.items()}
    checkpoint = next((c.best_model_path for c in trainer.callbacks if isinstance(c, ModelCheckpoint)), "")
    best = last
    if checkpoint:
        # The file, not the history, says which epoch's weights will be tested.
        epoch = torch.load(checkpoint, weights_only=True, mmap=True)["epoch"] + 1
        best = next((row for row in history if row["epoch"] == epoch), {"epoch": epoch})
    result = RunResult(config.model.monitor, best, last)
    if not config.test:
        return result
    trainer.test(module, datamodule=datamodule, ckpt_path=checkpoint or None, weights_only=True, verbose=False)
    output = predictions.test
    correct = (output.logits.argmax(dim=1) == output.label).numpy()
    result.test = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    result.test_interval = bootstrap_interval(correct)
    result.test_clips = len(correct), len(datamodule.rows["test"])
    result.test_parts = _parts(datamodule, output, correct)
    return result


def _parts(datamodule, output: ClipOutput, correct: np.ndarray) -> dict[str, Part]:
    """Parts of the test clips that deserve a figure of their own.

    `twins_<parameter>`: classes that have a twin which differs in that parameter only (minimal pairs), where the data
    name such. `unseen`: clips that do not stand, byte for byte, in train as well, where some do.
    """
    store, members = datamodule.store, {}
    twins: dict[str, set[int]] = {}
    for first, second, parameter in store.header["source"].get("minimal_pairs", []):
        twins.setdefault(parameter, set()).update((first, second))
    for parameter, classes in twins.items():
        members[f"twins_{parameter}"] = np.isin(output.label.numpy(), list(classes))
    known = set(store.digests(datamodule.rows["train"]))
    unseen = np.array([digest not in known for digest in store.digests(output.clip_id.tolist())])
    if not unseen.all():
        members["unseen"] = unseen
    return {name: Part(float(correct[m].mean()), int(m.sum())) for name, m in members.items() if m.any()}


def _print_result(result: RunResult, config: DictConfig, folder: Path) -> None:
    console = get_console()
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
