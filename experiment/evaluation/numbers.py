"""What the net said of one split, as the plain numbers of evaluation.json: by class or field, confused, calibrated.

Legend: n clips or events, D fields.
"""

import numpy as np
import torch

from callbacks.predictions import EventScores
from models.baselines.event_counts import COPY_LAST
from models.baselines.scores import ClipBaselines, EventBaselines
from models.baselines.verdict import Verdict
from schemas.batches import ClipOutput
from schemas.clips import ClipSchema

BINS = 15


def evaluate_clips(
    output: ClipOutput, schema: ClipSchema, baselines: ClipBaselines | None, verdict: Verdict | None
) -> dict:
    """Every class's clips, accuracy (the share of them that is found) beside the best baseline's, and verdict; the
    confusion matrix; the reliability of the confidence.
    """
    predicted, label = output.predicted.numpy(), output.label.numpy()
    counts, answered = np.zeros((schema.num_classes, schema.num_classes), dtype=np.int64), predicted >= 0
    np.add.at(counts, (label[answered], predicted[answered]), 1)
    table = {}
    for k, name in enumerate(schema.classes):
        if not (is_it := label == k).any():
            continue
        row: dict[str, float | str] = {"clips": int(is_it.sum()), "accuracy": float((predicted[is_it] == k).mean())}
        if verdict is not None and name in verdict.parts:
            rival = verdict.overall.best.baseline
            row[rival] = float((baselines.predicted[rival][baselines.label == k] == k).mean())
            row |= {"balanced accuracy": verdict.parts[name].value, "verdict": verdict.parts[name].words}
        table[name] = row
    confidence = torch.softmax(output.logits, dim=1).max(dim=1).values.numpy()
    return {
        "task": "clips",
        "classes": list(schema.classes),
        "confusion": counts.tolist(),
        "calibration": reliability(confidence, predicted == label),
        "table_title": "by class",
        "table": table,
    }


def evaluate_events(
    scores: EventScores, baselines: EventBaselines | None, verdict: Verdict | None, fields: list[str], floors: dict
) -> dict:
    """Every field's cross-entropy beside its baselines and floor, accuracy and verdict; reliability over all fields.

    Args:
        floors: field -> known entropy in nats, where the data know one.
    """
    nll_D, hit_D = scores.nll.double().mean(dim=0).tolist(), scores.hit.double().mean(dim=0).tolist()
    table = {}
    for d, field in enumerate(fields):
        row: dict[str, float | str] = {"cross-entropy": nll_D[d]}
        if baselines is not None:
            total = baselines.count.sum()
            row |= {name: float(nats[:, d].sum() / total) for name, nats in baselines.nats.items()}
        if field in floors:
            row["floor"] = floors[field]
        row["accuracy"] = hit_D[d]
        if baselines is not None:
            for name in (COPY_LAST, baselines.best):
                row[f"accuracy, {name}"] = float(baselines.accuracy[name][d])
        if verdict is not None:
            row["verdict"] = verdict.parts[field].words
        table[field] = row
    return {
        "task": "events",
        "calibration": reliability(scores.confidence.numpy().ravel(), scores.hit.numpy().ravel()),
        "table_title": "by field, nats",
        "table": table,
    }


def reliability(confidence: np.ndarray, hit: np.ndarray) -> list[dict]:
    """Mean confidence and accuracy in 15 equal bins of the confidence (Guo et al. 2017).

    Empty bins are left out, and so is a confidence that is not a number.
    """
    confidence, hit = (values[np.isfinite(confidence)] for values in (confidence, hit))
    place = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    confidences, hits = np.bincount(place, confidence, BINS), np.bincount(place, hit, BINS)
    return [
        {"confidence": float(confidences[b] / n), "accuracy": float(hits[b] / n), "count": int(n)}
        for b, n in enumerate(count)
        if n
    ]
