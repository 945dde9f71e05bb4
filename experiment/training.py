"""One run as one story: folder, data, model, fit, test of the best, table."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig, OmegaConf
from rich import get_console
from rich.markup import escape

from callbacks.board import board_of
from callbacks.charts import ConfigText
from callbacks.epoch_history import EpochHistory
from callbacks.hparams import HParams
from callbacks.provisional_verdict import colour
from callbacks.pruning import Pruning
from callbacks.run_record import RunRecord, plain_findings
from callbacks.trained import TrainedAlready
from experiment.architecture import describe_architecture
from experiment.baselines.comparison import Comparison, whole_splits
from experiment.board_report import write_to_board
from experiment.build import ParameterCount, build_datamodule, build_trainer
from experiment.checkpoints.file import FORMAT, read_checkpoint
from experiment.configs.compose import direction
from experiment.final_table import RunResult, field_table, final_table
from experiment.fine_tuning import fine_tune
from experiment.hyperparameters import hyperparameters
from experiment.memory import keep_freed_memory
from experiment.provenance import describe_origin
from experiment.repeat import changes_since, refuse_other_data
from experiment.resume import differing, stored_config
from experiment.run_folder import FAILED, FINISHED, INTERRUPTED, PRUNED, RUNNING, RunFolder
from experiment.signals import ended_by_signals, is_interruption
from experiment.tasks.task import Task, task_of
from reports.report import write_report
from schemas.errors import CheckpointError, ConfigError, DataError


def run_training(
    config: DictConfig,
    folder: str,
    overrides: list[str],
    multirun: bool,
    hopeless: Callable[[dict[int, float]], bool] | None = None,
) -> float:
    """Runs one config in `folder` and returns the best validation value.

    Args:
        overrides: what the user typed, kept beside the config.
        multirun: whether this is one job of many, which leave the test split closed unless told otherwise.
        hopeless: of a search's trial, says from the monitored metric by epoch whether to end it (`callbacks.pruning`);
            status.json then says `pruned` and why.

    Raises:
        ExperimentError: for config or data that cannot be used; status.json then says `failed` and why.
    """
    with ended_by_signals():
        run = RunFolder(folder)
        try:
            return _run(config.copy(), run, overrides, multirun, hopeless and Pruning(config.model.monitor, hopeless))
        finally:
            run.release()


def _run(config: DictConfig, run: RunFolder, overrides: list[str], multirun: bool, pruning: Pruning | None) -> float:
    config.paths.run_dir = str(run.path)
    resumed = run.existed and config.resume.source is not None
    if run.existed and not resumed:
        raise ConfigError("there is a run here already", where=run.path, remedy="Give it another folder, or resume it.")
    trained = False
    if resumed:
        stored = stored_config(run.path)
        trained = RunFolder.read_status(run.path).get("trained", False) and not differing(stored, config)
        # What a job of a sweep left closed stays closed.
        config.test = stored["test"] if config.test is None else config.test
        run.continue_status()
    config.test = config.test if config.test is not None else not multirun
    run.write_config(config, overrides)
    run.write_status({"state": RUNNING, "findings": [], "verdict": None, "verdict_missing": "it did not get so far"})
    try:
        result = _train(config, run, _last_checkpoint(run) if resumed else None, trained, pruning)
        ended = {"state": PRUNED, "why": pruning.why} if pruning and pruning.why else {"state": FINISHED}
        run.write_status({**ended, "result": result.to_dict()})
    except BaseException as error:
        if is_interruption(error):
            run.write_status({"state": INTERRUPTED})
            words = f"The same words with resume={run.path} go on with this run."
            get_console().print(words, markup=False, highlight=False, soft_wrap=True)
        else:
            run.write_status({"state": FAILED, "why": f"{type(error).__name__}: {error}"})
        raise
    finally:
        _report(run.path)
    _print_result(result, config, run.path)
    return result.best_value


def _report(folder: Path) -> None:
    """Writes the report, and it and the end of the run to TensorBoard; a disk that has no room for them, or a fault of
    ours in them, must not hide how the run ended."""
    for what, write in (("report", write_report), ("end of its TensorBoard", write_to_board)):
        try:
            write(folder)
        except Exception as error:
            get_console().print(f"The {what} could not be written: {type(error).__name__}: {error}", markup=False)


def _say_changes(what: str, earlier: Path, provenance: dict) -> None:
    changes = changes_since(earlier, provenance) or ["nothing: the same code, packages, data, device and host"]
    get_console().print(f"{what} {earlier}. Changed since: {'; '.join(changes)}", markup=False, soft_wrap=True)


def _last_checkpoint(run: RunFolder) -> Path | None:
    """Where to go on; None where the run was cut off before its first epoch's end, and begins again."""
    last = run.path / "checkpoints" / "last.ckpt"
    if last.is_file():
        return last
    others = sorted(last.parent.glob("*.ckpt"))
    # best.ckpt is written before last.ckpt: cut off between the two, the first epoch has not ended.
    first = [path.name for path in others] == ["best.ckpt"] and read_checkpoint(others[0])["epoch"] == 0
    if others and not (first and RunFolder.read_status(run.path).get("epoch") == 1):
        raise CheckpointError(
            f"it is not there, though {', '.join(p.name for p in others)} {'is' if len(others) == 1 else 'are'}",
            where=last,
            remedy=f"Copy the one to go on from to {last.name}.",
        )
    for path in others:
        path.unlink()
    get_console().print(f"{run.path} had no checkpoint yet: it begins again.", markup=False, soft_wrap=True)
    return None


def _train(
    config: DictConfig, run: RunFolder, checkpoint: Path | None, trained: bool, pruning: Pruning | None
) -> RunResult:
    _quiet_lightning()
    keep_freed_memory()
    L.seed_everything(config.seed, workers=True, verbose=False)
    task, datamodule = task_of(config), build_datamodule(config)
    with get_console().status("Opening the data; generated sets are made on first use ..."):
        datamodule.prepare_data()
        _refuse_empty_splits(config, task, datamodule)
        schema = datamodule.schema
    module = task.build_module(config, datamodule)
    keeper = task.keeper(config.model.monitor, direction(config.model.monitor) == "min")
    record = {"format": FORMAT, "config": OmegaConf.to_container(config, resolve=True), "schema": schema.to_dict()}
    first = [keeper, ConfigText(OmegaConf.to_yaml(config, resolve=True)), _row(record["config"], run, datamodule.name)]
    source, still = fine_tune(config, module, record["schema"], checkpoint)
    purge = read_checkpoint(checkpoint)["global_step"] if checkpoint else 0
    last = [RunRecord(record, run.write_status), *([TrainedAlready()] if trained else ())]
    last += [pruning] if pruning else []
    trainer = build_trainer(config, [*first, *still], last, purge)
    device = str(trainer.strategy.root_device)
    record["provenance"] = describe_origin(config.seed, device) | task.facts(datamodule) | source
    record["provenance"]["config_checksum"] = run.config_checksum
    if config.repeat is not None:
        _say_changes("Repeats", Path(config.repeat), record["provenance"])
    if checkpoint is not None:
        refuse_other_data(run.path, record["provenance"])
        _say_changes("Goes on with", run.path, record["provenance"])
    run.write_json("provenance.json", record["provenance"])
    run.write_json("architecture.json", describe_architecture(config.model.name, module.net))
    headline = f"[bold]{config.model.name}[/]: {ParameterCount.of(module.net)}, on {device}"
    get_console().print(f"{headline}\n{task.describe(datamodule)}", highlight=False)
    comparison = Comparison(task, datamodule, module, Path(config.paths.log_dir) / "baselines")
    comparison.hand_over(trainer)
    try:
        trainer.fit(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
        run.write_status({"trained": not (pruning and pruning.why)})
        result = _test(config, trainer, module, datamodule, comparison, keeper)
    except BaseException:
        try:
            _conclude(run, trainer, comparison, keeper)
        except Exception as second:  # what is said of a run must not hide why it ended
            get_console().print(f"It could not be concluded either: {type(second).__name__}: {second}", markup=False)
        raise
    result.verdict, result.findings = _conclude(run, trainer, comparison, keeper), plain_findings(trainer)
    result.verdict_missing = comparison.missing
    return result


def _row(config: dict, run: RunFolder, data: str) -> HParams:
    """The run among others in TensorBoard, called as its folder is under that of all runs."""
    log_dir = Path(config["paths"]["log_dir"]).resolve()
    path = run.path.resolve()
    name = path.relative_to(log_dir) if path.is_relative_to(log_dir) else path
    typed = OmegaConf.to_container(OmegaConf.load(run.path / "overrides.yaml"))
    return HParams(str(name), hyperparameters(config, typed, data))


def _test(
    config: DictConfig,
    trainer: L.Trainer,
    module: L.LightningModule,
    datamodule: L.LightningDataModule,
    comparison: Comparison,
    keeper: L.Callback,
) -> RunResult:
    """The figures of the epochs; those of the best one on the test split where it is opened."""
    result, checkpoint = _epochs(config, trainer, datamodule.name)
    headline = comparison.task.headline
    result.baselines = {
        split: known.levels[headline] for split, known in comparison.baselines.items() if split in whole_splits(trainer)
    }
    if config.test:
        trainer.test(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True, verbose=False)
        metrics = {n: float(value) for n, value in trainer.callback_metrics.items() if n.startswith("test/")}
        if keeper.test is not None:
            known = comparison.baselines.get("test")
            result.test = comparison.task.conclude(datamodule, module, keeper.test, metrics, known)
    elif keeper.best is None and keeper.best_epoch is not None:
        # The best epoch was before the run was cut off, and what the net said then is lost.
        trainer.loggers = []
        trainer.validate(module, datamodule=datamodule, ckpt_path=checkpoint, weights_only=True, verbose=False)
        keeper.best = keeper.val
    return result


def _conclude(run: RunFolder, trainer: L.Trainer, comparison: Comparison, keeper: L.Callback) -> dict | None:
    """The last word on a run, however it ended: verdict, findings, and the numbers behind the report's tables."""
    run.write_status({"findings": plain_findings(trainer)})
    verdict, numbers = comparison.conclude(trainer, keeper)
    spoken = verdict and verdict.to_dict()
    run.write_status({"verdict": spoken, "verdict_missing": comparison.missing})
    if numbers:
        run.write_json("evaluation.json", numbers)
    if verdict and (board := board_of(trainer)):
        board.add_text("verdict", f"at the end: {verdict.sentence}", trainer.global_step)
        board.close()  # Lightning did so before, and would not again
    return spoken


def _refuse_empty_splits(config: DictConfig, task: Task, datamodule: L.LightningDataModule) -> None:
    remedies = {"train": task.nothing_to_train, "val": "Change datamodule.split.", "test": "Set test=false."}
    for split, remedy in remedies.items():
        if (split != "test" or config.test) and task.count(datamodule, split) == 0:
            raise DataError(f"there are no {split} {task.unit}", where="datamodule", remedy=remedy)


def _epochs(config: DictConfig, trainer: L.Trainer, data: str) -> tuple[RunResult, str | None]:
    """The figures of the best and the last epoch, and the best one's checkpoint."""
    history = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
    last = history[-1] if history else {n: float(v) for n, v in trainer.callback_metrics.items()}
    checkpoint = next((c.best_model_path for c in trainer.callbacks if isinstance(c, ModelCheckpoint)), "")
    best = last
    if checkpoint:
        # The file, not the history, says which epoch's weights will be tested.
        epoch = read_checkpoint(checkpoint)["epoch"] + 1
        best = next((row for row in history if row["epoch"] == epoch), {"epoch": epoch})
    return RunResult(data, config.model.monitor, best, last), checkpoint or None


def _print_result(result: RunResult, config: DictConfig, folder: Path) -> None:
    console, task = get_console(), task_of(config)
    title = f"{config.model.name} on {result.data}"
    console.print(final_table(result, title, task.shown(config), task.unit, task.drawn))
    if result.test and result.test.by_field:
        console.print(field_table(result.test.by_field, task.by_field_title(config)))
    if result.verdict:
        style, sentence = colour(result.verdict["level"]), escape(result.verdict["sentence"])
        console.print(f"verdict      [{style}]{sentence}[/]", highlight=False, soft_wrap=True)
    elif result.verdict_missing:
        console.print(f"no verdict   {escape(result.verdict_missing)}", highlight=False, soft_wrap=True)
    if found := [f"{f['check']} ({f['severity']})" for f in result.findings if f["until"] is None]:
        console.print(f"health       {', '.join(dict.fromkeys(found))}", highlight=False, soft_wrap=True)
    console.print(f"run          {folder}", highlight=False, soft_wrap=True)
    console.print(f"report       {folder / 'report.html'}", highlight=False, soft_wrap=True)
    console.print(f"tensorboard  tensorboard --logdir {folder}", highlight=False, soft_wrap=True)


def _quiet_lightning() -> None:
    """Its chatter (devices, tips, "fit stopped") goes, and advice that does not apply; its other warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # what debug=profiler is for
    for advice in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
        ".*Checkpoint directory .* exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message=advice)
    # What a person is told of their data needs no line of our source beside it.
    warnings.formatwarning = lambda message, category, *source, **_: f"{category.__name__}: {message}\n"
