"""From what the net said of a split, and what simple models say of it, to a verdict.

Chance is the best that an answer can expect which never looks at its input, chosen in hindsight on the very same
targets: for clips the most frequent class of the split, for events the split's own shares of every field's values. No
blind model can be above it but by luck, however train and test differ.
Legend: n clips, K classes, G sequences, D fields.
"""

from statistics import NormalDist

import numpy as np

from callbacks.predictions import EventScores
from models.baselines.scores import ClipBaselines, EventBaselines
from models.baselines.verdict import DRAWS, ERROR, Difference, Judgement, Verdict, leads
from schemas.batches import ClipOutput

MOST_FREQUENT = "most frequent class"
BLIND = "best blind guess"


def judge_clips(
    output: ClipOutput, baselines: ClipBaselines, classes: tuple[str, ...], split: str, looks: int, final: bool
) -> Verdict | None:
    """The verdict on accuracy, and on each class that the split has.

    A class is judged on its balanced accuracy against all others, the mean of the share of its clips that are found
    and of the share of other clips that are not called so: 0.5 for whoever cannot tell, also for a model that calls
    everything by that name.

    Returns:
        None where the output has no clip that the baselines know.
    """
    _, mine, theirs = np.intersect1d(output.clip_id.numpy(), baselines.clip_id, return_indices=True)
    if len(mine) == 0:
        return None
    predicted, label = output.logits.argmax(dim=1).numpy()[mine], output.label.numpy()[mine]
    best = baselines.predicted[baselines.best][theirs]
    most_frequent = np.full_like(label, np.bincount(label).argmax())
    overall = Judgement(
        float((predicted == label).mean()),
        *(
            _of_hits(name, predicted == label, other == label, looks)
            for name, other in ((MOST_FREQUENT, most_frequent), (baselines.best, best))
        ),
    )
    present = np.unique(label)
    parts = {
        classes[k]: _of_class(label == k, predicted == k, best == k, baselines.best, looks * len(present))
        for k in present
    }
    return Verdict("accuracy", split, overall, looks, final, len(label), parts)


def _of_hits(name: str, model: np.ndarray, other: np.ndarray, looks: int) -> Difference:
    lead = model.astype(float) - other
    return Difference(name, float(other.mean()), *leads(lead[:, None], np.ones(len(lead)), alone=1.0, looks=looks)[0])


def _of_class(is_it: np.ndarray, model: np.ndarray, other: np.ndarray, name: str, looks: int) -> Judgement:
    """Of one class: who says that a clip is of it, on the clips that are and on those that are not."""

    def balanced(says: np.ndarray) -> float:
        return 0.5 * (_mean(says[is_it]) + 1 - _mean(says[~is_it]))

    def lead(baseline: str, value: float, says: np.ndarray, least: float) -> Difference:
        found = _share(says[is_it], least, 1.0)
        false = _share(says[~is_it], least, 1.0)
        middle, error = 0.5 * (found[1] - false[1]), 0.5 * float(np.hypot(found[2], false[2]))
        wide, narrow = (NormalDist().inv_cdf(1 - share / 2) * error for share in (ERROR / looks, 0.05))
        shown, sure = ((middle - reach, middle + reach) for reach in (narrow, wide))
        return Difference(baseline, value, 0.5 * (found[0] - false[0]), shown, sure)

    says, its = model.astype(float), other.astype(float)
    return Judgement(balanced(says), lead("chance", 0.5, says, 0.0), lead(name, balanced(its), says - its, -1.0))


def _share(values: np.ndarray, least: float, most: float) -> tuple[float, float, float]:
    """A mean, the same with one pseudo-clip at either bound, and the standard error of the latter."""
    padded = np.concatenate([values, [least, most]])
    return _mean(values), float(padded.mean()), float(padded.std(ddof=1) / len(padded) ** 0.5)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def judge_events(
    scores: EventScores, baselines: EventBaselines, split: str, looks: int, final: bool, draws: int = DRAWS
) -> Verdict | None:
    """The verdict on the mean cross-entropy over the fields, and on that of each field.

    Chance is the best blind guess, which no uniform one is better than.

    Returns:
        None where not every target of the split was scored: then there is nothing to pair.
    """
    sequence, place = np.unique(scores.sequence_id.numpy(), return_inverse=True)
    count = np.bincount(place, minlength=len(sequence))
    if not (np.array_equal(sequence, baselines.sequence_id) and np.array_equal(count, baselines.count)):
        return None
    nats = scores.nll.numpy().astype(np.float64)
    model = np.stack([np.bincount(place, column) for column in nats.T], axis=1)

    def differences(name: str, other: np.ndarray) -> tuple[Difference, list[Difference]]:
        lead, mean = other - model, other.sum(axis=0) / count.sum()
        whole = Difference(name, float(mean.mean()), *leads(lead.mean(1, keepdims=True), count, 0, looks, draws)[0])
        parts = leads(lead, count, 0, looks, draws)
        return whole, [Difference(name, float(mean[d]), *part) for d, part in enumerate(parts)]

    chance, chance_by_field = differences(BLIND, baselines.blind)
    best, best_by_field = differences(baselines.best, baselines.nats[baselines.best])
    mean = model.sum(axis=0) / count.sum()
    parts = {
        field: Judgement(float(mean[d]), chance_by_field[d], best_by_field[d])
        for d, field in enumerate(baselines.fields)
    }
    overall = Judgement(float(mean.mean()), chance, best)
    return Verdict("cross-entropy", split, overall, looks, final, len(sequence), parts)
