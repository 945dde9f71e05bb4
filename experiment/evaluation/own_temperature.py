"""The temperature that makes a run's probabilities believable: the one that its latest evaluation on its own data
fitted on validation.
"""

import json
import math
from pathlib import Path

from experiment.checkpoints.loading import LoadedRun
from experiment.evaluation.opened_runs import FINGERPRINTS


def own_temperature(run: LoadedRun) -> tuple[float, Path] | None:
    """The temperature and the folder of the evaluation; None where no evaluation has one that holds for this model.

    It holds where that very checkpoint was evaluated alone, on the data and split that it was trained on, and by one
    look at each clip: of an ensemble and of several views it is another number.
    """
    folder = run.path.parent.parent / "evaluations" if run.path.parent.name == "checkpoints" else None
    if folder is None or not folder.is_dir():
        return None
    for evaluation in sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True):
        value = _value(evaluation, run)
        if value is not None:
            return value, evaluation
    return None


def _value(folder: Path, run: LoadedRun) -> float | None:
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
        value = float(numbers["temperature"]["value"]) if holds else math.nan
    # Damaged, nested without end, of another version, a number beyond any float, or without a temperature.
    except (OSError, ValueError, RecursionError, OverflowError, KeyError, TypeError):
        return None
    return value if 0 < value < math.inf else None
