"""The verdict's intervals against closed forms, published quantiles and simulated dead models."""

import numpy as np
import pytest

from models.baselines.verdict import (
    ABOVE_CHANCE,
    AT_CHANCE,
    BEATS_BEST,
    UNSURE_OF_BEST,
    UNSURE_OF_CHANCE,
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


def found(lead_U: np.ndarray, count_U: np.ndarray | None = None, bound: float = 1e-9, divided: float = 1) -> tuple:
    """(lead, shown, sure) of one part."""
    counts = np.ones(len(lead_U)) if count_U is None else count_U
    return leads(lead_U[:, None], counts, np.array([bound]), np.array([divided]))[0]


def test_the_sure_interval_of_a_mean_is_the_textbook_one():
    # With pseudo-units of nothing, each of which is as good as an event of no lead.
    values = np.random.default_rng(0).normal(0.3, 1, 61)
    lead, shown, sure = found(values)
    padded = np.append(values, [0, 0])
    reach = 3.460 * padded.std(ddof=1) / np.sqrt(63)  # t of 60 degrees, 99.9 %
    assert lead == pytest.approx(values.mean())
    assert sure == pytest.approx((padded.mean() - reach, padded.mean() + reach), abs=2e-3)
    assert shown == pytest.approx(values.mean() + 1.96 * values.std() / np.sqrt(61) * np.array([-1, 1]), abs=0.04)


def test_the_bootstrap_of_hits_is_that_of_their_counts():
    lead = np.repeat([1.0, 0.0, -1.0], [30, 50, 20])
    drawn = np.random.default_rng(5).choice(lead, (20_000, 100)).mean(axis=1)
    assert found(lead)[1] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.015)


def test_units_are_drawn_whole():
    # Ten items of a unit that agree tell no more than one: the interval must not shrink with them.
    alone = np.random.default_rng(0).normal(0, 1, 200)
    assert found(10 * alone, np.full(200, 10.0))[2] == pytest.approx(found(alone)[2], abs=0.01)


def test_more_looks_and_parts_ask_for_more():
    values = np.random.default_rng(1).normal(0.2, 1, 100)
    widths = [np.ptp(found(values, divided=divided)[2]) for divided in (1, 20, 400)]
    assert widths[0] < widths[1] < widths[2]


def test_a_handful_decides_nothing():
    assert found(np.ones(3), bound=1.0)[2][0] == -np.inf
    assert found(np.ones(300), bound=1.0)[2][0] > 0


def test_a_rare_miss_that_the_sample_lacks_is_not_forgotten():
    """Counts give .995 to what happens in .995 of all cases, the model .9999: in truth it is worse by .0147 nats.

    In a sample without a miss it leads by .005 in every single event, and that must not be called certain.
    """
    lead = np.full(50, 6 * (np.log(0.9999) - np.log(0.995)))
    low, high = found(lead, np.full(50, 6.0), bound=np.log(2))[2]
    assert low < 0 < high


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


def test_what_is_not_sure_is_said_and_not_claimed():
    unsure = Judgement(0.6, difference(0.05), difference(-0.01))
    assert unsure.level == ABOVE_CHANCE and unsure.words == UNSURE_OF_BEST
    perhaps = Judgement(0.6, difference(-0.01), difference(-0.2, -0.1))
    assert perhaps.level == AT_CHANCE and perhaps.words == UNSURE_OF_CHANCE
    below = Judgement(0.6, difference(0.05), difference(-0.2, -0.1))
    assert below.words == ABOVE_CHANCE
    verdict = Verdict("accuracy", "test", unsure, 1, True, 90)
    assert verdict.sentence.startswith(UNSURE_OF_BEST) and verdict.to_dict()["level"] == ABOVE_CHANCE
