"""Count models of events against their definitions, written out with dictionaries."""

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines import backoff, counting
from models.baselines.backoff import BackOff, CountedBackOff, Level
from models.baselines.chained import fit_chained
from models.baselines.event_counts import MODELS, SMOOTHING, fit_count_models
from models.baselines.event_history import EventHistory
from models.baselines.search import STRENGTHS
from schemas.errors import ConfigError, DataError

NAMES = ("colour", "shape", "size", "maker")
DYNAMIC = (0, 1, 2)
SEEDS = st.integers(0, 2**32 - 1)


def random_history(seed: int, events: int = 60, largest: int = 5) -> EventHistory:
    """Sequences of every length from 1, values that lean on the last ones, some V larger than what occurs."""
    rng = np.random.default_rng(seed)
    cardinalities = rng.integers(1, largest, len(NAMES))
    values = np.stack([rng.integers(1, v + 1, events) for v in cardinalities], axis=1)
    again = rng.random((events, len(NAMES))) < 0.5
    for row in range(1, events):
        values[row] = np.where(again[row], values[row - 1], values[row])
    begins = rng.random(events) < 0.2
    begins[:2] = True, False
    rank = np.arange(events) - np.maximum.accumulate(np.where(begins, np.arange(events), 0))
    split = rng.integers(0, 2, events)
    split[1] = 0
    targets = np.flatnonzero(rank > 0)
    train, val = targets[split[targets] == 0], targets[split[targets] == 1]
    widths = cardinalities + rng.integers(0, 2, len(NAMES))
    return EventHistory(values.astype(np.int32), rank, widths, NAMES, DYNAMIC, train, val if len(val) else train)


def context_of(history: EventHistory, row: int, context) -> tuple:
    return tuple(history.values[row - lag, f] if history.rank[row] >= lag else "before the start" for f, lag in context)


def distribution(history: EventHistory, model: BackOff, row: int) -> dict[int, float]:
    """p(y) for all V values of the event at `row`, by counting over dictionaries."""
    v = int(history.cardinalities[model.field])
    p = dict.fromkeys(range(1, v + 1), 1 / v)
    for level in model.levels:
        context = context_of(history, row, level.context)
        followed = Counter(
            int(history.values[other, model.field])
            for other in history.train
            if context_of(history, other, level.context) == context
        )
        p = {y: (followed[y] + level.b * p[y]) / (followed.total() + level.b) for y in p}
    return p


def all_models(history: EventHistory) -> dict[str, list[BackOff]]:
    order = [NAMES[field] for field in reversed(DYNAMIC)]
    fitted = {**fit_count_models(history).fields, **fit_chained(history, order).fields}
    return {name: models for name, models in fitted.items() if models is not None}


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_every_model_gives_the_distribution_that_counting_gives(seed):
    history = random_history(seed)
    rows = np.flatnonzero(history.rank > 0)[:12]
    for models in all_models(history).values():
        for model in models:
            nll, hit = CountedBackOff(model, history).score(rows)
            for place, row in enumerate(rows):
                p, y = distribution(history, model, row), int(history.values[row, model.field])
                assert sum(p.values()) == pytest.approx(1, abs=1e-12)
                assert nll[place] == pytest.approx(-np.log(p[y]), abs=1e-12)
                likeliest = min(value for value in p if p[value] == max(p.values()))
                assert hit[place] == (likeliest == y and y != 1)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_probabilities_of_all_values_sum_to_one(seed):
    history = random_history(seed)
    rows = np.flatnonzero(history.rank > 0)
    for models in all_models(history).values():
        for model in models:
            counted = CountedBackOff(model, history)
            values = range(1, int(history.cardinalities[model.field]) + 1)
            total = sum(counted.probability(rows, np.full(len(rows), y)) for y in values)
            np.testing.assert_allclose(total, 1, atol=1e-12)


def mean_nll(history: EventHistory, model: BackOff) -> float:
    return float(
        np.mean([-np.log(distribution(history, model, row)[history.values[row, model.field]]) for row in history.val])
    )


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_what_is_chosen_is_the_best_on_validation(seed):
    history = random_history(seed, events=40)
    fitted, field = fit_count_models(history), 0
    v, own = int(history.cardinalities[field]), (field, 1)
    unigram = Level((), v)

    bigrams = [mean_nll(history, BackOff(field, (Level((own,), a * v),))) for a in SMOOTHING]
    assert fitted.val_nll["bigram"][field] == pytest.approx(min(bigrams))

    singles = [Level(((g, 1),), b) for g in range(len(NAMES)) for b in STRENGTHS]
    assert fitted.val_nll["back-off"][field] == pytest.approx(
        min(mean_nll(history, BackOff(field, (unigram, level))) for level in singles)
    )
    below = fitted.fields["back-off"][field].levels
    pairs = [Level((own, (g, 1)), b) for g in range(1, len(NAMES)) for b in STRENGTHS]
    assert fitted.val_nll["pair"][field] == pytest.approx(
        min(mean_nll(history, BackOff(field, (*below, level))) for level in pairs)
    )
    for name, models in fitted.fields.items():
        if models is not None:
            assert fitted.val_nll[name][field] == pytest.approx(mean_nll(history, models[field])), name


@given(SEEDS)
@settings(max_examples=8, deadline=None)
def test_the_chained_partner_and_what_it_leans_on_are_the_best_on_validation(seed):
    history = random_history(seed, events=40)
    chained, (first, last) = fit_chained(history, NAMES[:3]), (0, 2)
    for field, earlier in ((first, ()), (last, (0, 1))):
        unigram, own = Level((), int(history.cardinalities[field])), (field, 1)
        chains = [(((other, 1),), own) for other in range(len(NAMES)) if other != field]
        chains += [(((other, 0),), leans_on) for other in earlier for leans_on in (own, (other, 0))]
        tried = []
        for partner, leans_on in chains:
            lower = min(
                (BackOff(field, (unigram, Level((leans_on,), b))) for b in STRENGTHS),
                key=lambda model: mean_nll(history, model),
            )
            tried += [BackOff(field, (*lower.levels, Level((own, *partner), b))) for b in STRENGTHS]
        best = min(mean_nll(history, model) for model in tried)
        assert chained.val_nll["chained"][field] == pytest.approx(best)


def test_uniform_unigram_and_bigram_are_the_closed_forms():
    history = random_history(3, events=300)
    scores = fit_count_models(history).score(history.val)
    for column, field in enumerate(DYNAMIC):
        v, y = int(history.cardinalities[field]), history.values[:, field]
        np.testing.assert_allclose(scores["uniform"].nll[:, column], np.log(v))
        counts = Counter(y[history.train].tolist())
        add_one = [(counts[value] + 1) / (len(history.train) + v) for value in y[history.val].tolist()]
        np.testing.assert_allclose(scores["unigram"].nll[:, column], -np.log(add_one))
        follows = Counter(zip(y[history.train - 1].tolist(), y[history.train].tolist(), strict=True))
        last = Counter(y[history.train - 1].tolist())
        means = [
            -np.log([(follows[y[t - 1], y[t]] + a) / (last[y[t - 1]] + a * v) for t in history.val]).mean()
            for a in (0.001, 0.01, 0.1, 1)
        ]
        assert scores["bigram"].nll[:, column].mean() == pytest.approx(min(means))


def test_copy_last_hits_where_the_value_stays_and_is_known():
    history = random_history(5)
    score = fit_count_models(history, ["copy-last"]).score(history.val)["copy-last"]
    now, last = history.values[history.val][:, DYNAMIC], history.values[history.val - 1][:, DYNAMIC]
    assert score.nll is None
    np.testing.assert_array_equal(score.hit, (now == last) & (now > 1))


def test_an_unknown_target_is_never_hit():
    history = random_history(7, events=200)
    unknown = replace(history, values=np.ones_like(history.values))
    models, chained = fit_count_models(unknown), fit_chained(unknown, NAMES[:3])
    for score in (models.score(unknown.val) | chained.score(unknown.val)).values():
        assert not score.hit.any()


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_neither_test_events_nor_the_future_change_a_prediction(seed):
    history = random_history(seed)
    late = int(np.flatnonzero(history.rank > 0)[-8])
    early = {split: rows[rows < late] for split, rows in (("train", history.train), ("val", history.val))}
    if not len(early["train"]) or not len(early["val"]):
        return
    changed = history.values.copy()
    changed[late:] = np.random.default_rng(seed).integers(
        1, np.asarray(history.cardinalities) + 1, changed[late:].shape
    )
    before, after = (
        EventHistory(values, history.rank, history.cardinalities, NAMES, DYNAMIC, **early)
        for values in (history.values, changed)
    )
    values = np.arange(1, int(history.cardinalities[0]) + 1)
    for fit in (fit_count_models, lambda history: fit_chained(history, NAMES[:3])):
        for name, models in fit(before).fields.items():
            again = fit(after).fields[name]
            assert again == models
            if models is not None:
                rows = np.full(len(values), late)
                p, q = (CountedBackOff(models[0], one).probability(rows, values) for one in (before, after))
                np.testing.assert_array_equal(p, q)


def test_chained_sees_the_earlier_fields_of_the_event_and_no_later_ones():
    rng = np.random.default_rng(0)
    cause = rng.integers(2, 6, 2000)
    values = np.stack([cause, (cause - 1) % 4 + 2, rng.integers(2, 6, 2000)], axis=1)
    targets = np.arange(1, 2000)
    history = EventHistory(values, np.arange(2000), [5, 5, 5], NAMES[:3], (0, 1, 2), targets[:1500], targets[1500:])
    forwards, backwards = (
        fit_chained(history, order).score(history.val)["chained"].nll.mean(axis=0)
        for order in (("colour", "shape", "size"), ("size", "shape", "colour"))
    )
    assert forwards[1] < 0.1 < 1.3 < forwards[0]
    assert backwards[0] < 0.1 < 1.3 < backwards[1]
    assert fit_count_models(history).score(history.val)["pair"].nll.mean(axis=0).min() > 1.3


def test_models_are_described_in_words():
    history = random_history(11)
    level = Level(((0, 1), (2, 0)), 30.0)
    assert (
        BackOff(0, (Level((), 5.0), level)).describe(history)
        == "last colour and size of the same event (b 30), else anything (b 5)"
    )
    chosen = fit_count_models(history).chosen()
    assert set(chosen) == set(MODELS) - {"copy-last"} and list(chosen["pair"]) == ["colour", "shape", "size"]
    assert chosen["uniform"]["size"] == "uniform" and "colour 4 back" in chosen["5-gram"]["colour"]


def test_a_static_field_is_context_and_never_a_target():
    rng = np.random.default_rng(1)
    maker = np.repeat(rng.integers(2, 5, 100), 10)
    values = np.stack([np.where(rng.random(1000) < 0.9, maker, 5), maker], axis=1)
    rank = np.tile(np.arange(10), 100)
    targets = np.flatnonzero(rank > 0)
    history = EventHistory(values, rank, [5, 4], ("colour", "maker"), (0,), targets[:500], targets[500:])
    fitted = fit_count_models(history)
    assert "last maker" in fitted.chosen()["back-off"]["colour"]
    assert fitted.score(history.val)["pair"].hit.shape == (len(history.val), 1)
    assert fitted.best()[0] in ("back-off", "pair")
    alone = fit_count_models(history, ["pair"], partners=[0]).chosen()["pair"]["colour"]
    assert alone.startswith("last colour (b ") and "maker" not in alone


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5), (2**31 - 2, 10**7, 3, 2**31 - 2)])
def test_context_codes_tell_all_combinations_apart(sizes):
    history = random_history(13, events=200, largest=4)
    wide = replace(history, cardinalities=sizes)
    context = tuple((field, lag) for field in range(4) for lag in range(5))
    codes, size = wide.codes(context)
    tuples = [context_of(history, row, context) for row in range(200)]
    assert len(set(zip(codes.tolist(), tuples, strict=True))) == len(set(tuples)) == len(set(codes.tolist()))
    assert codes.min() >= 0 and codes.max() < size <= 2**31


@pytest.mark.parametrize(("module", "limit"), [(counting, "DENSE"), (backoff, "LARGEST_BLOCK")])
def test_how_counts_are_stored_changes_no_score(monkeypatch, module, limit):
    history = random_history(17, events=500, largest=20)
    before = fit_count_models(history).score(history.val) | fit_chained(history, NAMES[:3]).score(history.val)
    monkeypatch.setattr(module, limit, 3)
    after = fit_count_models(history).score(history.val) | fit_chained(history, NAMES[:3]).score(history.val)
    for name, score in before.items():
        np.testing.assert_array_equal(score.hit, after[name].hit)
        if score.nll is not None:
            np.testing.assert_array_equal(score.nll, after[name].nll)


def test_memory_grows_with_events_not_with_combinations():
    rng = np.random.default_rng(2)
    values = rng.integers(1, 1000, (5000, 3))
    values[:, 2] = rng.integers(1, 10_000_000, 5000)
    targets = np.arange(1, 5000)
    history = EventHistory(
        values, np.arange(5000), [1000, 1000, 10**7], NAMES[:3], (0, 1, 2), targets[:4000], targets[4000:]
    )
    tracemalloc.start()
    fit_count_models(history).score(history.val)
    fit_chained(history, NAMES[:3]).score(history.val)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6


def test_faults_are_named():
    history = random_history(19)
    with pytest.raises(DataError, match="event 0: is the first of its sequence"):
        fit_count_models(history).score(np.array([0]))
    with pytest.raises(DataError, match="event 0: is the first of its sequence"):
        replace(history, train=np.array([0]))
    with pytest.raises(DataError, match="val split"):
        replace(history, val=np.array([], dtype=np.int64))
    with pytest.raises(DataError, match="field colour: has values outside"):
        replace(history, values=np.zeros_like(history.values))
    with pytest.raises(DataError, match="no field is dynamic"):
        replace(history, dynamic=())
    with pytest.raises(DataError, match="do not fit"):
        replace(history, names=NAMES[:2])
    with pytest.raises(ConfigError, match="no count model 'trigram'"):
        fit_count_models(history, ["trigram"])
    with pytest.raises(ConfigError, match="order of the dynamic fields"):
        fit_chained(history, ["colour", "shape"])
