"""What simple models reach on a data set's own targets: the figures that a model has to beat.

Fitted on the training split, chosen on validation, and kept by the fingerprints of data and split.
Legend: n clips or targets, G sequences, D dynamic fields.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.events.table import EventTable
from datamodules.skeletons.datamodule import SkeletonDataModule
from datamodules.skeletons.store import ClipStore
from experiment.baselines.cache import cached
from models.baselines.chained import fit_chained
from models.baselines.clip_features import clip_features, feature_width
from models.baselines.clip_models import LinearClassifier, class_prior, nearest_centroid
from models.baselines.event_counts import COPY_LAST, CountModels, CountScores, fit_count_models
from models.baselines.event_history import EventHistory
from models.baselines.ridge import choose_ridge
from models.baselines.scores import ClipBaselines, EventBaselines
from schemas.errors import DataError
from schemas.events import UNK
from storage import fingerprint

MAJORITY = "majority class"
PRIOR = "class prior"
BEST_COUNTS = "counts (best on val)"
CHAINED = "counts, chained"
COUNTS = ("uniform", "unigram", "bigram", "pair", "5-gram")
"""The count models that are shown, weakest first; the best on validation is chosen among all there are."""
SIMPLEST = ("uniform", "unigram", COPY_LAST)
"""Those that stand beside a chained model too."""
LARGEST_FIT = 2**25
"""Numbers (clips times features) that classifiers are fitted on at most: 128 MB, and below a minute on one thread."""
CHUNK = 1024
"""Clips whose features are in memory at once while they are classified."""


def clip_baselines(datamodule: SkeletonDataModule, cache: Path | None) -> dict[str, ClipBaselines]:
    """Simple classifiers by split (`val`, `test`; one without clips is left out), in the order of its loader.

    Of a training split with more than LARGEST_FIT numbers a random subset is fitted, always the same one (4,660 clips
    of 75 joints, 17,476 of 20); the prior and the majority class count all its clips.

    Args:
        cache: a folder of fitted baselines, made where it is absent; None: none.

    Raises:
        DataError: when there is no clip to fit or to choose on.
    """
    store, rows = datamodule.store, datamodule.rows
    # The same split fingerprint as in the run's provenance.
    split = fingerprint.of_json([store.fingerprint, {name: members.tolist() for name, members in rows.items()}])
    return cached(cache, ("clips", store.fingerprint, split), ClipBaselines, lambda: _fit_clips(store, rows))


def event_baselines(table: EventTable, order: Sequence[str] | None, cache: Path | None) -> dict[str, EventBaselines]:
    """Count models by split (`val`, `test`; one without targets is left out), on every target of the split.

    The accuracy of `uniform` is what guessing at random may expect.

    Args:
        order: a chain's order of the dynamic fields: then the last model is given the earlier fields of the event;
            None: each field by itself.
        cache: a folder of fitted baselines, made where it is absent; None: none.

    Raises:
        DataError: when there is no target to count or to choose on.
        ConfigError: when `order` does not name every dynamic field once.
    """
    # The same split fingerprint as in the run's provenance.
    split = fingerprint.of_json([table.fingerprint, table.split.tobytes().hex()])
    key = ("events", table.fingerprint, split, None if order is None else list(order))
    return cached(cache, key, EventBaselines, lambda: _fit_events(table, order))


def history_of(table: EventTable) -> EventHistory:
    """What the count models read of a table."""
    return EventHistory(
        values=table.values,
        rank=table.rank,
        cardinalities=[field.cardinality for field in table.fields],
        names=[field.name for field in table.fields],
        dynamic=[number for number, field in enumerate(table.fields) if field.role == "dynamic"],
        train=table.targets("train"),
        val=table.targets("val"),
    )


def _fit_clips(store: ClipStore, rows: Mapping[str, np.ndarray]) -> dict[str, ClipBaselines]:
    for split in ("train", "val"):
        if len(rows[split]) == 0:
            raise DataError("there is no clip to fit or to choose on", where=f"{split} split")
    label, classes = np.asarray(store.labels), len(store.classes)
    prior = class_prior(label[rows["train"]], classes)
    models = _fit_classifiers(store, rows, label, classes)
    predicted = {
        split: {MAJORITY: np.full(len(rows[split]), prior.argmax())} | _predictions(store, rows[split], models)
        for split in ("val", "test")
        if len(rows[split])
    }
    accuracy = {name: (chosen == label[rows["val"]]).mean() for name, chosen in predicted["val"].items()}
    rising = sorted(accuracy, key=accuracy.get)
    shown = [MAJORITY, *(name for name in rising if name != MAJORITY)]
    return {
        split: ClipBaselines(
            clip_id=np.asarray(rows[split]),
            label=label[rows[split]],
            predicted={name: chosen[name] for name in shown},
            loss={PRIOR: float(-np.log(prior[label[rows[split]]]).mean())},
            best=rising[-1],
        )
        for split, chosen in predicted.items()
    }


def _fit_classifiers(
    store: ClipStore, rows: Mapping[str, np.ndarray], label: np.ndarray, classes: int
) -> dict[str, LinearClassifier]:
    fit, val = (_bounded(rows[split], LARGEST_FIT // feature_width(store)) for split in ("train", "val"))
    x = clip_features(store, fit)
    return {
        "nearest centroid": nearest_centroid(x, label[fit], classes),
        "linear ridge": choose_ridge(x, label[fit], clip_features(store, val), label[val], classes).classifier,
    }


def _bounded(rows: np.ndarray, most: int) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, max(most, 1), replace=False))


def _predictions(store: ClipStore, rows: np.ndarray, models: Mapping[str, LinearClassifier]) -> dict[str, np.ndarray]:
    """Name -> [n] predicted classes of these clips."""
    chunks: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for begin in range(0, len(rows), CHUNK):
        x = clip_features(store, rows[begin : begin + CHUNK])
        for name, model in models.items():
            chunks[name].append(model.predict(x))
    return {name: np.concatenate(parts) for name, parts in chunks.items()}


def _fit_events(table: EventTable, order: Sequence[str] | None) -> dict[str, EventBaselines]:
    history = history_of(table)
    targets = {split: table.targets(split) for split in ("val", "test")}
    scores = _count_scores(history, order, np.concatenate(list(targets.values())))
    border, found = len(targets["val"]), {}
    for split, part in (("val", slice(border)), ("test", slice(border, None))):
        if len(rows := targets[split]):
            own = {
                name: CountScores(None if score.nll is None else score.nll[part], score.hit[part])
                for name, score in scores.items()
            }
            found[split] = _of_split(history, table.sequence[rows], rows, own, order is not None)
    return found


def _count_scores(history: EventHistory, order: Sequence[str] | None, rows: np.ndarray) -> dict[str, CountScores]:
    """Name -> scores of the targets at these rows, weakest first."""
    if order is not None:
        chained = fit_chained(history, order).score(rows)["chained"]
        return fit_count_models(history, SIMPLEST).score(rows) | {CHAINED: chained}
    models = fit_count_models(history)
    scores = models.score(rows)
    best = _best_of_each_field(models, scores)
    return {name: scores[name] for name in (*SIMPLEST, *COUNTS)} | {BEST_COUNTS: best}


def _best_of_each_field(models: CountModels, scores: Mapping[str, CountScores]) -> CountScores:
    chosen = [scores[name] for name in models.best()]
    nll, hit = ([getattr(score, what)[:, d] for d, score in enumerate(chosen)] for what in ("nll", "hit"))
    return CountScores(np.stack(nll, axis=1), np.stack(hit, axis=1))


def _of_split(
    history: EventHistory, sequence: np.ndarray, rows: np.ndarray, scores: Mapping[str, CountScores], chained: bool
) -> EventBaselines:
    sequence_id, place = np.unique(sequence, return_inverse=True)
    values_nD = history.values[rows][:, list(history.dynamic)]
    cardinality_D = np.array([history.cardinalities[field] for field in history.dynamic])

    def summed(nats_nD: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(place, nats) for nats in nats_nD.T], axis=1)

    shares = [np.bincount(values) / len(values) for values in values_nD.T]
    blind_nD = np.stack([-np.log(share[values]) for share, values in zip(shares, values_nD.T, strict=True)], axis=1)
    accuracy = {name: score.hit.mean(axis=0) for name, score in scores.items()}
    return EventBaselines(
        fields=tuple(history.names[field] for field in history.dynamic),
        chained=chained,
        sequence_id=sequence_id,
        count=np.bincount(place),
        nats={name: summed(score.nll) for name, score in scores.items() if score.nll is not None},
        accuracy=accuracy | {"uniform": (values_nD != UNK).mean(axis=0) / cardinality_D},
        blind=summed(blind_nD),
        uniform=np.log(cardinality_D),
    )
