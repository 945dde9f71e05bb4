"""Simple classifiers of clips: what is guessed without a look at the clip, and what is linear in its features.

Legend: N clips, D features, K classes.
"""

from dataclasses import dataclass

import numpy as np

CONSTANT = 1e-6
"""A feature whose standard deviation over the fitted clips is not above it says nothing, and is left out."""


@dataclass(frozen=True)
class Standardisation:
    """Features minus their mean over the fitted clips, in units of their standard deviation; constant ones become 0."""

    mean: np.ndarray
    """[D]."""
    deviation: np.ndarray
    """[D], infinite where the feature is constant."""

    @classmethod
    def of(cls, x: np.ndarray) -> "Standardisation":
        """From the fitted clips' [N, D] features, in their own precision."""
        deviation = x.std(axis=0)
        return cls(x.mean(axis=0), np.where(deviation > CONSTANT, deviation, np.inf).astype(x.dtype))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean) / self.deviation


@dataclass(frozen=True)
class LinearClassifier:
    """The class of the largest score, the lowest number among equals."""

    standardise: Standardisation
    weights: np.ndarray
    """[D, K]."""
    offset: np.ndarray
    """[K]; -inf for a class that is never chosen."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """[N, D] features -> [N] classes."""
        return np.argmax(self.standardise(x) @ self.weights + self.offset, axis=1)


def class_prior(label: np.ndarray, classes: int) -> np.ndarray:
    """[K] (c(k) + 1) / (N + K) from [N] labels; its largest, the lowest number among equals, is the majority class."""
    return (np.bincount(label, minlength=classes) + 1) / (len(label) + classes)


def nearest_centroid(x: np.ndarray, label: np.ndarray, classes: int) -> LinearClassifier:
    """The class whose mean is nearest to the clip, in Euclidean distance between standardised features.

    |z - m|² = |z|² - 2 (z m - |m|² / 2), so that the nearest mean has the largest linear score. A class without
    fitted clips is never chosen.

    Args:
        x: [N, D] features, N > 0.
        label: [N] classes in [0, K).
    """
    standardise, count = Standardisation.of(x), np.bincount(label, minlength=classes)
    is_of_class = np.eye(classes, dtype=x.dtype)[label]
    mean_KD = (is_of_class.T @ standardise(x)) / np.maximum(count, 1)[:, None].astype(x.dtype)
    offset = np.where(count > 0, -0.5 * (mean_KD**2).sum(axis=1), -np.inf)
    return LinearClassifier(standardise, mean_KD.T, offset)
