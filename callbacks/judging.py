"""From what the net said of a split, and what simple models say of it, to a verdict.

Chance is the best that an answer can expect which never looks at its input, chosen in hindsight on the very same
targets: for clips the most frequent class of the split, for events the split's own shares of every field's values. No
blind model can be above it but by luck, however train and test differ. The best baseline is chosen in hindsight too:
who beats it beats them all.
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
        None where not exactly the baselines' clips were scored: then there is nothing to pair.
    """
    ids, mine, theirs = np.intersect1d(output.clip_id.numpy(), baselines.clip_id, return_indices=True)
    if not len(ids) == len(output.clip_id) == len(baselines.clip_id):
        return None
    predicted, label = output.predicted.numpy()[mine], output.label.numpy()[mine]
    name = max(baselines.predicted, key=lambda known: (baselines.predicted[known][theirs] == label).mean())
    best = baselines.predicted[name][theirs]
    most_frequent = np.full_like(label, np.bincount(label).argmax())
    overall = Judgement(
        float((predicted == label).mean()),
        *(
            _of_hits(known, predicted == label, other == label, looks)
            for known, other in ((MOST_FREQUENT, most_frequent), (name, best))
        ),
    )
    present = np.unique(label)
    parts = {classes[k]: _of_class(label == k, predicted == k, best == k, name, looks * len(present)) for k in present}
    return Verdict("accuracy", split, overall, looks, final, len(label), parts)


def _of_hits(name: str, model: np.ndarray, other: np.ndarray, looks: int) -> Difference:
    lead = model.astype(float) - other
    found = leads(lead[:, None], np.ones(len(lead)), np.ones(1), np.array([looks]))
    return Difference(name, float(other.mean()), *found[0])


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

    Returns:
        None where not every target of the split was scored: then there is nothing to pair.
    """
    sequence, place = np.unique(scores.sequence_id.numpy(), return_inverse=True)
    count = np.bincount(place, minlength=len(sequence))
    if not (np.array_equal(sequence, baselines.sequence_id) and np.array_equal(count, baselines.count)):
        return None
    nats = scores.nll.numpy().astype(np.float64)
    model = _with_mean(np.stack([np.bincount(place, column) for column in nats.T], axis=1))
    bound = _with_mean(baselines.uniform[None])[0]
    divided = np.array([looks * len(baselines.fields)] * len(baselines.fields) + [looks])
    rivals = {name: _with_mean(known) for name, known in baselines.nats.items()}
    means = {name: known.sum(axis=0) / count.sum() for name, known in rivals.items()}
    strongest = [min(means, key=lambda name, p=p: means[name][p]) for p in range(len(bound))]

    def differences(names: list[str], other: np.ndarray) -> list[Difference]:
        found = leads(other - model, count, bound, divided, draws)
        mean = other.sum(axis=0) / count.sum()
        return [Difference(name, float(mean[p]), *found[p]) for p, name in enumerate(names)]

    chance = differences([BLIND] * len(bound), _with_mean(baselines.blind))
    best = differences(strongest, np.stack([rivals[name][:, p] for p, name in enumerate(strongest)], axis=1))
    value = model.sum(axis=0) / count.sum()
    judged = [Judgement(float(value[p]), chance[p], best[p]) for p in range(len(bound))]
    parts = dict(zip(baselines.fields, judged[:-1], strict=True))
    return Verdict("cross-entropy", split, judged[-1], looks, final, len(sequence), parts)


def _with_mean(field_GD: np.ndarray) -> np.ndarray:
    """[G, D] -> [G, D + 1], the mean over the fields last."""
    return np.column_stack([field_GD, field_GD.mean(axis=1)])
