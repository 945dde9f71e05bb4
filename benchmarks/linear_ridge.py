"""How far a linear model gets on a clip store: ridge regression from 32 resampled frames to one-hot classes.

    python benchmarks/linear_ridge.py data/processed/signs

A set on which this comes close to a sequence model asks for no sequence model.
"""

import sys
from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.store import ClipStore
from experiment.final_table import bootstrap_interval
from models.baselines.clip_features import clip_features
from models.baselines.ridge import choose_ridge
from schemas.errors import DataError, ExperimentError

EVERY = 5
"""Of the training clips of a store without validation clips, one in so many validates."""


@dataclass
class RidgeResult:
    """What the ridge reaches; accuracies are parts of one, the test clips are seen once."""

    alpha: float
    val: float
    test: float
    interval: tuple[float, float]
    """95 % bootstrap interval of the test accuracy over clips."""
    clips: tuple[int, int, int]
    """Clips fitted on, validated on, tested on."""


def fit_and_test(store: ClipStore) -> RidgeResult:
    """Chooses alpha on the validation clips and tests once; clips of all classes, any layout.

    Raises:
        DataError: when the store has no training or no test clips.
    """
    fit, val, test = (store.rows(split) for split in ("train", "val", "test"))
    if not len(val):
        val, fit = fit[::EVERY], np.delete(fit, np.s_[::EVERY])
    if not (len(fit) and len(val) and len(test)):
        raise DataError(
            f"a ridge needs clips to fit, validate and test on; there are {len(fit)}, {len(val)} and {len(test)}",
            where=store.folder,
            remedy="Import it with its own splits.",
        )
    label = np.asarray(store.labels)
    x_fit, x_val, x_test = (clip_features(store, rows) for rows in (fit, val, test))
    ridge = choose_ridge(x_fit, label[fit], x_val, label[val], len(store.classes))
    right = ridge.classifier.predict(x_test) == label[test]
    sizes = (len(fit), len(val), len(test))
    return RidgeResult(ridge.alpha, ridge.accuracy, float(right.mean()), bootstrap_interval(right), sizes)


def main(folder: str) -> None:
    result = fit_and_test(ClipStore(folder))
    low, high = result.interval
    print(f"{folder}: {' / '.join(map(str, result.clips))} clips to fit / validate / test")
    print(f"alpha {result.alpha:g} (chosen on validation)")
    print(f"validation {result.val:.3f}")
    print(f"test {result.test:.3f} [{low:.3f}, {high:.3f}] (95 % bootstrap over clips)")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/linear_ridge.py STORE_FOLDER")
    try:
        main(sys.argv[1])
    except ExperimentError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
