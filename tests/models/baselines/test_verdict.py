"""The verdict's intervals against closed forms, published quantiles and simulated dead models."""

import numpy as np
import pytest

from models.baselines.verdict import (
    ABOVE_CHANCE,
    AT_CHANCE,
    BEATS_BEST,
    Difference,
    Judgement,
    Verdict,
    _student,
    leads,
)


@pytest.mark.parametrize(
    # published tables of Student's t, two-sided 99.9 %, 99 % and 99.9 %
    ("probability", "freedom", "quantile"),
    [(0.9995, 20, 3.850), (0.9995, 30, 3.646), (0.995, 60, 2.660), (0.9995, 120, 3.373)],
)
def test_the_quantiles_are_those_of_the_tables(probability, freedom, quantile):
    assert _student(probability, freedom) == pytest.approx(quantile, abs=6e-4)


def test_the_sure_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(0.3, 1, 61)
    ((lead, shown, sure),) = leads(values[:, None], np.ones(61), alone=0, looks=1)
    reach = 3.460 * values.std(ddof=1) / np.sqrt(61)  # t of 60 degrees, 99.9 %
    assert lead == pytest.approx(values.mean())
    assert sure == pytest.approx((values.mean() - reach, values.mean() + reach), abs=1e-3)
    assert shown == pytest.approx(values.mean() + 1.96 * values.std() / np.sqrt(61) * np.array([-1, 1]), abs=0.04)


def test_units_are_drawn_whole():
    # Ten items of a unit that agree tell no more than one: the interval must not shrink with them.
    generator = np.random.default_rng(0)
    alone = generator.normal(0, 1, (200, 1))
    single = leads(alone, np.ones(200), alone=0, looks=1)[0][2]
    repeated = leads(10 * alone, np.full(200, 10), alone=0, looks=1)[0][2]
    assert repeated == pytest.approx(single)


def test_more_looks_and_parts_ask_for_more():
    values = np.random.default_rng(1).normal(0.2, 1, (100, 1))
    width = [np.ptp(leads(values, np.ones(100), alone=0, looks=looks)[0][2]) for looks in (1, 20)]
    parts = np.ptp(leads(np.repeat(values, 20, axis=1), np.ones(100), alone=0, looks=1)[0][2])
    assert width[0] < width[1] == pytest.approx(parts)


def test_a_handful_decides_nothing():
    _, _, few = leads(np.ones((3, 1)), np.ones(3), alone=1.0, looks=1)[0]
    _, _, many = leads(np.ones((300, 1)), np.ones(300), alone=1.0, looks=1)[0]
    assert few[0] < 0 < many[0]
    _, _, sequences = leads(np.full((5, 1), 0.4), np.ones(5), alone=0, looks=1)[0]
    assert sequences[0] == -np.inf


def difference(low: float, lead: float = 0.1) -> Difference:
    return Difference("other", 0.5, lead, (lead - 0.02, lead + 0.02), (low, 2 * lead - low))


def test_the_three_levels_and_a_figure_that_is_no_number():
    assert Judgement(0.6, difference(-0.01), difference(0.1)).level == AT_CHANCE
    assert Judgement(0.6, difference(0.01), difference(-0.1)).level == ABOVE_CHANCE
    assert Judgement(0.6, difference(0.01), difference(0.01)).level == BEATS_BEST
    assert Judgement(float("nan"), difference(float("nan")), difference(float("nan"))).level == AT_CHANCE


def test_the_sentence_says_the_figures_and_on_which_split():
    judged = Judgement(0.6, difference(0.05), difference(0.04))
    final = Verdict("accuracy", "test", judged, looks=1, final=True, units=100)
    assert final.sentence.startswith("beats the best baseline by 0.100 [0.080, 0.120]: accuracy 0.600 on test")
    selected = Verdict("accuracy", "validation", judged, looks=9, final=True, units=100)
    assert "on validation, selected on it" in selected.sentence
    assert Verdict("accuracy", "validation", judged, looks=9, final=False, units=100).sentence.startswith("so far ")
    unsure = Judgement(0.6, difference(0.05), difference(-0.01))
    assert "too few to tell" in Verdict("accuracy", "test", unsure, 1, True, 9).sentence
