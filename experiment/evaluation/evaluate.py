"""An evaluation as one story: open runs and data, let the nets answer, judge beside the baselines, write, report.

Opening a test split is recorded before it is done: `status.json` names the runs, the split and the fingerprints.
"""

import warnings
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf
from rich import get_console

from experiment.baselines.comparison import Comparison
from experiment.evaluation.answers import Evaluated
from experiment.evaluation.opened_runs import FINGERPRINTS, OpenedRun, notes_on, open_run, refuse_what_cannot_be_done
from experiment.evaluation.request import SPLITS, Request
from experiment.prediction.inference import choose_device
from experiment.provenance import describe_origin
from experiment.run_folder import EVALUATIONS, FAILED, FINISHED, INTERRUPTED, RUNNING, RunFolder
from experiment.signals import ended_by_signals, is_interruption
from models.baselines.verdict import Verdict
from reports.evaluated import write_evaluation_report
from storage import atomic


def run_evaluation(request: Request, configs: Sequence[DictConfig]) -> tuple[dict, Path]:
    """Evaluates one run or an ensemble, writes its folder, and returns evaluation.json's content and the folder.

    Args:
        configs: of the runs, with the data that are asked for (`config.evaluated_config`).

    Raises:
        ExperimentError: a run or its data cannot be used, or the data is not what the model reads.
    """
    # What a person is told of their data needs no line of our source beside it.
    warnings.formatwarning = lambda message, category, *source, **_: f"{category.__name__}: {message}\n"
    with get_console().status("Opening runs and data ..."):
        members = [open_run(*each, request) for each in zip(request.runs, configs, strict=True)]
        refuse_what_cannot_be_done(members, request)
        notes = notes_on(members, request)
    with ended_by_signals():
        folder = RunFolder(new_folder(request))
        try:
            return _evaluate(members, request, folder, notes), folder.path
        except BaseException as error:
            folder.write_status(
                {"state": INTERRUPTED} if is_interruption(error) else {"state": FAILED, "why": f"{error}"}
            )
            raise
        finally:
            folder.release()


def new_folder(request: Request) -> Path:
    """A new folder beside the first run's other files, where `results.py` counts it."""
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{request.on}"
    for number in count():
        folder = request.runs[0] / EVALUATIONS / (f"{name}_{number}" if number else name)
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue  # another evaluation in the same second


def _evaluate(members: Sequence[OpenedRun], request: Request, folder: RunFolder, notes: list[str]) -> dict:
    first = members[0]
    asked = {"evaluates": [str(member.folder.resolve()) for member in members], "on": request.on}
    folder.write_status({"state": RUNNING, **asked, **{key: first.facts[key] for key in FINGERPRINTS}})
    folder.write_json(
        "provenance.json", describe_origin(first.config.seed, str(choose_device(first.config))) | first.facts
    )
    atomic.write_text(folder.path / "datamodule.yaml", OmegaConf.to_yaml(first.config.datamodule, resolve=True))
    if first.task.unit == "clips":
        from experiment.evaluation.clips import evaluate
    else:
        from experiment.evaluation.events import evaluate
    evaluated = evaluate(members, request)
    numbers, verdict, missing = _judged(first, evaluated, request.on)
    numbers |= _what(members, request) | evaluated.numbers | {"notes": [*notes, *evaluated.notes]}
    folder.write_json("evaluation.json", numbers)
    table = BytesIO()
    pq.write_table(evaluated.predictions, table)
    atomic.write_bytes(folder.path / "predictions.parquet", table.getvalue())
    result = {"data": first.datamodule.name, "monitor": first.config.model.monitor}
    spoken = verdict and verdict.to_dict()
    folder.write_status({"state": FINISHED, "result": result, "verdict": spoken, "verdict_missing": missing})
    write_evaluation_report(folder.path)
    return numbers | {"verdict": spoken, "verdict_missing": missing}


def _judged(member: OpenedRun, evaluated: Evaluated, on: str) -> tuple[dict, Verdict | None, str]:
    """evaluation.json as a run writes it, with the figures; the verdict, or why there is none."""
    cache = Path(member.config.paths.log_dir)
    comparison = Comparison(
        member.task, member.datamodule, evaluated.module, cache / "baselines" if cache.is_dir() else None
    )
    # What a Trainer would tell: how often validation was looked at.
    trainer = SimpleNamespace(num_training_batches=0, val_check_batch=0, **_looks(member.config))
    kept = SimpleNamespace(test=evaluated.output if on == "test" else None, best=evaluated.output, val=None)
    verdict, numbers = comparison.conclude(trainer, kept)
    levels = comparison.baselines[on].levels if on in comparison.baselines else {}
    shown = member.task.shown(member.config)
    numbers["figures"] = {
        name: {"label": label} | evaluated.figures[name].to_dict()
        for name, label in shown.items()
        if name in evaluated.figures
    }
    numbers["baselines"] = levels.get(member.task.headline, {})
    return numbers, verdict, comparison.missing


def _looks(config: DictConfig) -> dict:
    keys = {"max_epochs": None, "check_val_every_n_epoch": 1}
    return {key: OmegaConf.select(config, f"trainer.{key}", default=value) for key, value in keys.items()}


def _what(members: Sequence[OpenedRun], request: Request) -> dict:
    """What was evaluated."""
    first = members[0]
    return {
        "model": first.config.model.name if len(members) == 1 else f"ensemble of {len(members)} runs",
        "data": first.datamodule.name,
        "split": SPLITS[request.on],
        "size": first.task.count(first.datamodule, request.on),
        "runs": [str(member.folder.resolve()) for member in members],
        "checkpoint": request.checkpoint,
        "epochs": [member.run.epoch for member in members],
    }
