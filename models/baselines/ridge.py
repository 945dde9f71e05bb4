"""Ridge regression from a clip's features to one-hot classes, for all strengths from one decomposition.

With z the standardised features and t the one-hot classes minus their mean, weights = (zᵀz + alpha I)⁻¹ zᵀt, or, where
features outnumber clips, the same by the dual form zᵀ (zzᵀ + alpha I)⁻¹ t.
Legend: N clips, D features, K classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from models.baselines.clip_models import LinearClassifier, Standardisation

ALPHAS = tuple(10.0**power for power in np.arange(-1, 6.5, 0.5))
"""The strengths that are tried."""


@dataclass(frozen=True)
class ChosenRidge:
    """A ridge and what it was chosen for."""

    classifier: LinearClassifier
    alpha: float
    accuracy: float
    """Of the validation clips."""


def ridge_path(
    x: np.ndarray, label: np.ndarray, classes: int, alphas: Iterable[float] = ALPHAS
) -> Iterator[tuple[float, LinearClassifier]]:
    """Yields (alpha, classifier), all from the eigenvectors of the smaller of the two Gram matrices.

    Args:
        x: [N, D] features, N > 0.
        label: [N] classes in [0, K).
    """
    standardise = Standardisation.of(x)
    z, target = standardise(x), np.eye(classes, dtype=x.dtype)[label]
    offset = target.mean(axis=0)
    dual = len(z) < z.shape[1]
    values, vectors = np.linalg.eigh((z @ z.T if dual else z.T @ z).astype(np.float64))
    right = vectors.T @ ((target - offset) if dual else z.T @ (target - offset))
    for alpha in alphas:
        solved = (vectors @ (right / (np.maximum(values, 0) + alpha)[:, None])).astype(x.dtype)
        yield alpha, LinearClassifier(standardise, z.T @ solved if dual else solved, offset)


def choose_ridge(
    x: np.ndarray, label: np.ndarray, x_val: np.ndarray, label_val: np.ndarray, classes: int
) -> ChosenRidge:
    """The ridge that is most accurate on the validation clips, the smallest alpha among equals.

    Args:
        x, label: [N, D] features and [N] classes to fit, N > 0.
        x_val, label_val: those to choose alpha on, one at least.
    """
    best = None
    for alpha, classifier in ridge_path(x, label, classes):
        accuracy = float((classifier.predict(x_val) == label_val).mean())
        if best is None or accuracy > best.accuracy:
            best = ChosenRidge(classifier, alpha, accuracy)
    return best
