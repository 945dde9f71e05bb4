"""The published figures of the count models, on the real events as the shipped configs read them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from datamodules.events.table import EventTable
from experiment.baselines.fitting import history_of
from experiment.build import build_datamodule
from models.baselines.chained import fit_chained
from models.baselines.event_counts import CountModels, CountScores, fit_count_models

REPOSITORY = Path(__file__).parents[3]
REAL = Path(os.environ.get("ASSAY_DATA") or REPOSITORY / "../shared/data") / "events"
NATS = 0.01
"""How near a cross-entropy must come; accuracies are given to three digits, and ties fall this way or that."""
ACCURACY = 0.004

# field: ln V, unigram, copy-last accuracy, bigram, its accuracy, pair, its accuracy
FLIGHTS = {
    "carrier": (2.833, 2.199, 1.000, 0.002, 1.000, 0.002, 1.000),
    "origin": (1.386, 1.099, 0.792, 0.650, 0.792, 0.525, 0.807),
    "dest": (4.625, 3.952, 0.248, 3.056, 0.253, 2.650, 0.269),
    "weekday": (2.079, 1.945, 0.275, 1.644, 0.359, 1.553, 0.457),
    "hour": (2.996, 2.814, 0.081, 2.753, 0.120, 2.537, 0.208),
    "minute": (4.111, 3.209, 0.128, 3.195, 0.183, 3.187, 0.174),
    "gap_bin": (2.565, 1.711, 0.229, 1.648, 0.314, 1.502, 0.378),
    "delay_bin": (2.303, 1.870, 0.236, 1.849, 0.334, 1.815, 0.340),
}
FLIGHTS_ORDER = ("carrier", "origin", "gap_bin", "weekday", "hour", "dest", "minute", "delay_bin")

# field: the better of 5-gram and pair, its accuracy
BPIC2013 = {
    "activity": (0.927, 0.648),
    "resource": (1.669, 0.746),
    "team": (0.676, 0.861),
    "function": (0.306, 0.920),
    "org_line": (0.216, 0.943),
    "country": (0.335, 0.908),
    "gap_bin": (1.563, 0.394),
    "weekday": (0.316, 0.917),
    "hour": (1.013, 0.741),
}


def shipped(name: str, data_dir: Path) -> EventTable:
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        config = compose(overrides=[f"+datamodule={name}", "+seed=0", f"+paths.data_dir='{data_dir}'"])
    OmegaConf.resolve(config)
    return build_datamodule(config).table


@pytest.fixture(scope="module")
def flights(tmp_path_factory) -> EventTable:
    return shipped("flights", tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="module")
def bpic2013() -> EventTable:
    if not (REAL / "bpic2013_incidents.csv.gz").exists():
        pytest.skip(f"needs the real log: {REAL}/bpic2013_incidents.csv.gz is not there; set ASSAY_DATA to its folder")
    return shipped("bpic2013", REAL)


def means(models: CountModels, table: EventTable) -> dict[str, CountScores]:
    """nll [D] and hit [D], over the test targets."""
    scores = models.score(table.targets("test"))
    return {
        name: CountScores(None if score.nll is None else score.nll.mean(axis=0), score.hit.mean(axis=0))
        for name, score in scores.items()
    }


@pytest.mark.slow
def test_flights_reproduce_the_published_table(flights):
    history = history_of(flights)
    assert tuple(history.names) == tuple(FLIGHTS) and len(flights.targets("test")) == 54_986
    mean = means(fit_count_models(history), flights)
    published = np.array(list(FLIGHTS.values())).T
    models = (mean["uniform"].nll, mean["unigram"].nll, mean["bigram"].nll, mean["pair"].nll)
    for nll, row, total in zip(models, published[[0, 1, 3, 5]], (2.862, 2.350, 1.850, 1.721), strict=True):
        np.testing.assert_allclose(nll, row, atol=NATS)
        assert nll.mean() == pytest.approx(total, abs=0.001)
    for name, row in (("copy-last", 2), ("bigram", 4), ("pair", 6)):
        np.testing.assert_allclose(mean[name].hit, published[row], atol=ACCURACY)


@pytest.mark.slow
def test_flights_reproduce_the_published_chained_model(flights):
    """Unchained, the same code is the pair that always leans on the field's own last value."""
    history = history_of(flights)
    chained = means(fit_chained(history, FLIGHTS_ORDER), flights)["chained"]
    assert chained.nll.sum() == pytest.approx(12.85, abs=NATS)
    assert chained.nll.mean() == pytest.approx(1.606, abs=0.001)
    unchained = [
        fit_chained(replace(history, dynamic=(field,)), (name,)).score(flights.targets("test"))
        for field, name in enumerate(history.names)
    ]
    assert np.mean([score["chained"].nll.mean() for score in unchained]) == pytest.approx(1.724, abs=0.001)


def test_bpic2013_reproduces_the_published_figures(bpic2013):
    """Published accuracies are of raw counts in the pair's context; ours are of the model's own probabilities. Only
    resource differs by more than ties do: .733 here, .746 there."""
    history = history_of(bpic2013)
    assert [history.names[field] for field in history.dynamic] == list(BPIC2013)
    assert len(bpic2013.targets("test")) == 7_224
    models = fit_count_models(history)
    mean = means(models, bpic2013)
    best = np.minimum(mean["pair"].nll, mean["5-gram"].nll)
    published = np.array(list(BPIC2013.values())).T
    np.testing.assert_allclose(best, published[0], atol=NATS)
    assert best.sum() == pytest.approx(7.021, abs=NATS)
    chosen = models.best()
    assert chosen == ("5-gram", *["pair"] * 8)
    hit = np.array([mean[name].hit[column] for column, name in enumerate(chosen)])
    np.testing.assert_allclose(np.delete(hit, 1), np.delete(published[1], 1), atol=ACCURACY)
    assert hit[1] == pytest.approx(0.733, abs=ACCURACY)


def test_bpic2013_reproduces_the_published_sums(bpic2013):
    history, nine = history_of(bpic2013), list(BPIC2013)
    chained = means(fit_chained(history, nine), bpic2013)["chained"]
    assert chained.nll.sum() == pytest.approx(5.703, abs=NATS)
    assert chained.nll[3] == pytest.approx(0.023, abs=0.001)
    unchained = [
        fit_chained(replace(history, dynamic=(field,)), (name,), partners=history.dynamic)
        .score(bpic2013.targets("test"))["chained"]
        .nll.mean()
        for field, name in zip(history.dynamic, nine, strict=True)
    ]
    assert sum(unchained) == pytest.approx(7.274, abs=NATS)
    assert unchained[3] == pytest.approx(0.360, abs=0.001)
