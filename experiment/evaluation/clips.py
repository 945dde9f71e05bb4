"""What runs say of the clips of a split: figures, calibration, and a row a clip.

Legend: N clips, K classes.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from experiment.evaluation.answers import Evaluated, collect
from experiment.evaluation.ensemble import (
    Answers,
    averaged,
    beside_its_best,
    beside_their_mean,
    calibrated,
    learned_weights,
)
from experiment.evaluation.figures import clip_figures, nats
from experiment.evaluation.numbers import reliability
from experiment.evaluation.opened_runs import OpenedRun
from experiment.evaluation.request import Request
from experiment.prediction.inference import ClipInference
from experiment.prediction.views import Views
from reports.calibration import Calibration
from schemas.batches import ClipBatch, ClipOutput


def evaluate(members: Sequence[OpenedRun], request: Request) -> Evaluated:
    """One run's answers, or those of the ensemble of several."""
    views = Views(request.crops, request.flip)
    answers = [_answers(member, request.on, views) for member in members]
    first, whole = members[0], answers[0]
    numbers: dict = {"views": str(views)} if views.count > 1 else {}
    if len(members) > 1:
        even = [calibrated(each) for each in answers]
        weights = learned_weights(even) if request.weights == "learned" else None
        whole = averaged(even, weights)
        numbers["members"] = [
            {"run": each.name, "temperature": raw.temperature, "figures": _plain(each.on)}
            for raw, each in zip(answers, even, strict=True)
        ]
        if weights is not None:
            numbers["weights"] = _weighed(even, weights, request.on)
        numbers["beside_its_best"] = beside_its_best(even, whole)
        numbers["beside_their_mean"] = beside_their_mean(even, whole)
    numbers |= _calibration(whole)
    parts = first.task.conclude(first.datamodule, None, whole.on, {}, None).parts
    numbers["parts"] = {name: asdict(part) for name, part in parts.items()}
    return Evaluated(whole.on, clip_figures(whole.on), numbers, _table(first, whole))


def _answers(member: OpenedRun, on: str, views: Views) -> Answers:
    inference = ClipInference(member.run, views=views)

    def answer(batch: ClipBatch) -> ClipOutput:
        return ClipOutput(inference.logits(batch), batch.label, batch.clip_id)

    splits = [split for split in dict.fromkeys(("val", on)) if member.task.count(member.datamodule, split)]
    found = {split: collect(member, split, answer) for split in splits}
    return Answers(str(member.folder), found.get("val"), found[on])


def _weighed(members: Sequence[Answers], weight_M: Tensor, on: str) -> dict:
    """Learned weights in the members' order, and the mean cross-entropy on the clips of their fit and on the split's,
    with equal weights and with these.
    """
    mixtures = [averaged(members, weights) for weights in (None, weight_M)]
    return {
        "values": weight_M.tolist(),
        "clips": len(members[0].val.label),
        "val": [float(nats(mixture.val).mean()) for mixture in mixtures],
        on: [float(nats(mixture.on).mean()) for mixture in mixtures],
    }


def _plain(output: ClipOutput) -> dict:
    return {name: figure.to_dict() for name, figure in clip_figures(output).items()}


def _calibration(answers: Answers) -> dict:
    """The temperature, and the reliability and cross-entropy with and without it; empty where it cannot be fitted."""
    if answers.temperature is None:
        return {"temperature": None}
    pair = [answers.on, calibrated(answers).on]
    bins = [_reliability(output) for output in pair]
    return {
        "temperature": {
            "value": answers.temperature,
            "clips": len(answers.val.label),
            "loss": [clip_figures(output)["loss"].value for output in pair],
            "calibration_error": [_calibration_error(one) for one in bins],
        },
        "calibrated": bins[1],
    }


def _reliability(output: ClipOutput) -> list[dict]:
    confidence = output.logits.softmax(dim=1).max(dim=1).values
    return reliability(confidence.numpy(), (output.predicted == output.label).numpy())


def _calibration_error(bins: list[dict]) -> float:
    """NaN where no confidence is a number."""
    return Calibration(*np.array([list(one.values()) for one in bins]).T).error if bins else math.nan


def _table(member: OpenedRun, answers: Answers) -> pa.Table:
    """A row a clip: its name, class, predicted class and calibrated probability, and its logits."""
    on, classes = answers.on, np.array([*member.run.schema.classes, None], dtype=object)
    probability = calibrated(answers).on.logits.softmax(dim=1).max(dim=1).values
    logits = pa.FixedSizeListArray.from_arrays(pa.array(on.logits.numpy().ravel()), on.logits.shape[1])
    columns = {
        "clip": pa.array(member.datamodule.store.ids[on.clip_id.numpy()].astype(str)),
        "label": pa.array(classes[on.label.numpy()], pa.string()),
        "predicted": pa.array(classes[on.predicted.numpy()], pa.string()),
        "probability": pa.array(torch.where(on.predicted >= 0, probability, torch.nan).numpy()),
        "logits": logits,
    }
    facts = {"classes": json.dumps(list(member.run.schema.classes)), "temperature": json.dumps(answers.temperature)}
    return pa.table(columns).replace_schema_metadata(facts)
