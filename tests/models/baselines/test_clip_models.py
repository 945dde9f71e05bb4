"""Simple classifiers of clips against numpy's own solvers, loops and counts."""

import numpy as np
import pytest

from models.baselines.clip_models import class_prior, nearest_centroid
from models.baselines.ridge import choose_ridge, ridge_path

WIDE, TALL = (12, 40), (60, 8)
"""Features outnumber clips (the dual form), and the other way about."""


def clips(shape: tuple[int, int], classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of unequal mean and spread that lean on the class, every class present."""
    rng = np.random.default_rng(seed)
    label = np.arange(shape[0]) % classes
    x = rng.standard_normal(shape) + rng.standard_normal((classes, shape[1]))[label]
    return x * rng.uniform(0.1, 10, shape[1]) + rng.uniform(-5, 5, shape[1]), label


def scores(classifier, x: np.ndarray) -> np.ndarray:
    return classifier.standardise(x) @ classifier.weights + classifier.offset


@pytest.mark.parametrize("shape", [WIDE, TALL])
@pytest.mark.parametrize("alpha", [0.1, 2.0, 1000.0])
def test_ridge_solves_the_normal_equations_in_both_forms(shape, alpha):
    x, label = clips(shape)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    one_hot = np.eye(3)[label]
    inverse = np.linalg.inv(z.T @ z + alpha * np.eye(shape[1]))
    weights = inverse @ z.T @ (one_hot - one_hot.mean(axis=0))
    ((given, classifier),) = ridge_path(x, label, 3, alphas=[alpha])
    assert given == alpha
    np.testing.assert_allclose(classifier.weights, weights, atol=1e-9)
    new, _ = clips(shape, seed=1)
    expected = (new - x.mean(axis=0)) / x.std(axis=0) @ weights + one_hot.mean(axis=0)
    np.testing.assert_allclose(scores(classifier, new), expected, atol=1e-8)
    assert np.array_equal(classifier.predict(new), expected.argmax(axis=1))


def test_ridge_of_next_to_no_strength_is_least_squares():
    x, label = clips(TALL)
    with_one = np.column_stack([x, np.ones(len(x))])
    solved = np.linalg.lstsq(with_one, np.eye(3)[label], rcond=None)[0]
    ((_, classifier),) = ridge_path(x, label, 3, alphas=[1e-9])
    np.testing.assert_allclose(scores(classifier, x), with_one @ solved, atol=1e-6)


def test_ridge_of_boundless_strength_knows_only_how_often_a_class_is():
    x, _ = clips(TALL)
    label = np.repeat([0, 1, 2], [10, 35, 15])
    ((_, classifier),) = ridge_path(x, label, 3, alphas=[1e12])
    np.testing.assert_allclose(scores(classifier, x), np.tile([10 / 60, 35 / 60, 15 / 60], (60, 1)), atol=1e-6)


def test_ridge_is_the_most_accurate_on_validation():
    x, label = clips(WIDE)
    x_val, label_val = clips((200, WIDE[1]), seed=2)
    accuracy = {alpha: (c.predict(x_val) == label_val).mean() for alpha, c in ridge_path(x, label, 3)}
    chosen = choose_ridge(x, label, x_val, label_val, 3)
    assert chosen.accuracy == max(accuracy.values())
    assert chosen.alpha == min(alpha for alpha, value in accuracy.items() if value == chosen.accuracy)
    assert (chosen.classifier.predict(x_val) == label_val).mean() == chosen.accuracy


def test_single_precision_is_enough():
    for shape in (WIDE, TALL):
        x, label = clips(shape)
        for (_, double), (_, single) in zip(
            ridge_path(x, label, 3), ridge_path(x.astype(np.float32), label, 3), strict=True
        ):
            assert single.weights.dtype == np.float32
            np.testing.assert_allclose(scores(single, x), scores(double, x), atol=1e-3)


@pytest.mark.parametrize("fit", [nearest_centroid, lambda *data: choose_ridge(*data[:2], *data).classifier])
def test_a_constant_feature_says_nothing(fit):
    x, label = clips(TALL)
    constant = np.column_stack([x, np.full(len(x), 7.0)])
    elsewhere = np.column_stack([x, np.full(len(x), -1e6)])
    assert np.array_equal(fit(constant, label, 3).predict(elsewhere), fit(x, label, 3).predict(x))


def test_nearest_centroid_is_the_nearest_mean():
    x, label = clips((50, 6), classes=4)
    new, _ = clips((80, 6), classes=4, seed=1)
    predicted = nearest_centroid(x, label, 4).predict(new)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    for clip, chosen in zip(new, predicted, strict=True):
        distances = [
            np.sqrt(((((clip - mean) / deviation) - ((x[label == k] - mean) / deviation).mean(axis=0)) ** 2).sum())
            for k in range(4)
        ]
        assert chosen == int(np.argmin(distances))


def test_a_class_that_was_never_seen_is_never_nearest():
    """Its mean would lie at the origin, where most clips are."""
    x, label = clips((50, 6))
    predicted = nearest_centroid(x, 2 * label, 6).predict(np.tile(x.mean(axis=0), (3, 1)))
    assert set(predicted) <= {0, 2, 4}


def test_prior_adds_one_to_the_train_counts_of_every_class():
    label = np.array([2, 2, 2, 0, 0, 4])
    np.testing.assert_allclose(class_prior(label, 5), np.array([3, 1, 4, 1, 2]) / 11)
    assert class_prior(label, 5).argmax() == np.bincount(label).argmax()
