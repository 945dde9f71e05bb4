"""The temperature that makes a run's probabilities believable, of events one a field: as its latest evaluation on its
own data fitted them on validation.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from experiment.checkpoints.loading import LoadedRun
from experiment.evaluation.opened_runs import FINGERPRINTS

Found = TypeVar("Found")


def own_temperature(run: LoadedRun) -> tuple[float, Path] | None:
    """The temperature and the folder of the evaluation; None where no evaluation has one that holds for this model.

    It holds where that very checkpoint was evaluated alone, on the data and split that it was trained on, and by one
    look at each clip: of an ensemble and of several views it is another number.
    """
    return _latest(run, lambda known: _positive(known["value"]))


def own_temperatures(run: LoadedRun) -> tuple[dict[str, float], Path] | None:
    """As `own_temperature` for a run of events: the temperature of every dynamic field."""
    names = run.schema.dynamic_names
    return _latest(run, lambda known: {name: _positive(known["fields"][name]["value"]) for name in names})


def _latest(run: LoadedRun, read: Callable[[Mapping], Found]) -> tuple[Found, Path] | None:
    """What is read of the newest evaluation that holds, and its folder."""
    folder = run.path.parent.parent / "evaluations" if run.path.parent.name == "checkpoints" else None
    if folder is None or not folder.is_dir():
        return None
    for evaluation in sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True):
        if (known := _held(evaluation, run, read)) is not None:
            return known, evaluation
    return None


def _held(folder: Path, run: LoadedRun, read: Callable[[Mapping], Found]) -> Found | None:
    try:
        status = json.loads((folder / "status.json").read_bytes())
        numbers = json.loads((folder / "evaluation.json").read_bytes())
        holds = (
            status["state"] == "finished"
            and all(status[key] == run.provenance[key] for key in FINGERPRINTS)
            and len(numbers["runs"]) == 1
            and numbers["epochs"] == [run.epoch]
            and "views" not in numbers
        )
        return read(numbers["temperature"]) if holds else None
    # Damaged, nested without end, of another version, a number beyond any float, or without a temperature.
    except (OSError, ValueError, RecursionError, OverflowError, KeyError, TypeError):
        return None


def _positive(value: object) -> float:
    """The number itself; raises ValueError for what is no temperature."""
    if not 0 < float(value) < math.inf:
        raise ValueError(f"{value} is no temperature")
    return float(value)
