"""How far a linear model gets on a clip store: ridge regression from 32 resampled frames to one-hot classes.

    python benchmarks/linear_ridge.py data/processed/signs

A set on which this comes close to a sequence model asks for no sequence model.
Legend: N clips, T = 32 frames, V joints, C coordinates, D features, K classes.
"""

import sys
from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.store import ClipStore
from experiment.results import bootstrap_interval
from schemas.errors import DataError, ExperimentError
from schemas.skeleton import Skeleton

FRAMES = 32
ALPHAS = tuple(10.0**power for power in np.arange(-1, 6.5, 0.5))
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


def filled(joints: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """[T, V, C] joints whose hidden frames are filled in: linearly in time, and held at the ends; never seen is 0."""
    joints = np.where(visible[..., None], joints, 0).astype(np.float32)
    time = np.arange(len(joints))
    for joint in np.flatnonzero(~visible.all(axis=0) & visible.any(axis=0)):
        seen = visible[:, joint]
        for axis in range(joints.shape[2]):
            joints[:, joint, axis] = np.interp(time, time[seen], joints[seen, joint, axis])
    return joints


def normalised(joints: np.ndarray, visible: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """[T, V, C] with the clip's mean centre as origin and its mean scale as unit, from visible joints only."""

    def mean_place(which: tuple[int, ...]) -> np.ndarray:
        seen = visible[:, which]
        return joints[:, which][seen].mean(axis=0) if seen.any() else np.zeros(joints.shape[2], np.float32)

    centre = mean_place(skeleton.centre)
    one, other = np.array(skeleton.scale).T
    lengths = np.linalg.norm(joints[:, one] - joints[:, other], axis=-1)[visible[:, one] & visible[:, other]]
    unit = lengths.mean() if lengths.size and lengths.mean() > 1e-6 else 1.0
    return np.where(visible.any(axis=0)[:, None], (joints - centre) / unit, 0)


def resampled(values: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """[T, ...] -> [frames, ...], linear in time over the whole clip."""
    at = np.linspace(0, len(values) - 1, frames, dtype=np.float32)
    low = np.floor(at).astype(int)
    part = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part


def features(store: ClipStore) -> np.ndarray:
    """[N, D] float32 of all clips: joints, then the extra channels where the store has them."""
    rows = []
    for clip in range(len(store)):
        part = slice(int(store.offsets[clip]), int(store.offsets[clip + 1]))
        joints, visible = np.asarray(store.frames[part]), np.asarray(store.visible[part])
        columns = [resampled(normalised(filled(joints, visible), visible, store.skeleton)).ravel()]
        if store.extra is not None:
            columns.append(resampled(np.asarray(store.extra[part])).ravel())
        rows.append(np.concatenate(columns).astype(np.float32))
    return np.stack(rows)


def accuracies(x_fit: np.ndarray, y_fit: np.ndarray, x_by_split: list[np.ndarray], classes: int, alphas=ALPHAS):
    """Yields (alpha, [predicted classes of each of `x_by_split`]); standardises by the fitted clips.

    Solved by the eigenvectors of the smaller of the two Gram matrices, once for all alphas: the dual form
    (x xᵀ, clips by clips) where features outnumber clips.
    """
    mean, deviation = x_fit.mean(axis=0), x_fit.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, np.inf).astype(np.float32)
    x, others = (x_fit - mean) / scale, [(x - mean) / scale for x in x_by_split]
    target = np.eye(classes, dtype=np.float32)[y_fit]
    offset = target.mean(axis=0)
    dual = len(x) < x.shape[1]
    values, vectors = np.linalg.eigh((x @ x.T if dual else x.T @ x).astype(np.float64))
    right = vectors.T @ ((target - offset) if dual else x.T @ (target - offset))
    left = [(other @ x.T if dual else other) @ vectors for other in others]
    for alpha in alphas:
        weights = right / (np.maximum(values, 0) + alpha)[:, None]
        yield alpha, [np.argmax(part @ weights + offset, axis=1) for part in left]


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
    x, y = features(store), np.asarray(store.labels)
    best = (-1.0, 0.0, np.zeros(0, bool))
    for alpha, (on_val, on_test) in accuracies(x[fit], y[fit], [x[val], x[test]], len(store.classes)):
        accuracy = float((on_val == y[val]).mean())
        if accuracy > best[0]:
            best = (accuracy, alpha, on_test == y[test])
    accuracy, alpha, right = best
    sizes = (len(fit), len(val), len(test))
    return RidgeResult(alpha, accuracy, float(right.mean()), bootstrap_interval(right), sizes)


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
