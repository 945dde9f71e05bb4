"""Student's t against its closed forms, printed tables and the integral of its density."""

import math

import numpy as np
import pytest

from experiment.results.student import mean_of, p_value, quantile, share_within


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 4.0, 60.0])
def test_one_and_two_degrees_of_freedom_have_closed_forms(t):
    assert share_within(t, 1) == pytest.approx(2 / math.pi * math.atan(t), abs=1e-14)
    assert share_within(t, 2) == pytest.approx(t / math.sqrt(2 + t * t), abs=1e-14)


@pytest.mark.parametrize("freedom", [3, 4, 7, 10, 29, 200])
def test_other_degrees_of_freedom_are_the_integral_of_the_density(freedom):
    x = np.linspace(0, 2.5, 200_001)
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    density = np.exp(log_scale - (freedom + 1) / 2 * np.log1p(x * x / freedom))
    assert share_within(2.5, freedom) == pytest.approx(2 * np.trapezoid(density, x), abs=1e-9)


@pytest.mark.parametrize(
    ("freedom", "printed"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980), (999, 1.962)]
)
def test_the_quantile_is_that_of_printed_tables(freedom, printed):
    assert quantile(freedom) == pytest.approx(printed, abs=5e-4)


def test_a_mean_of_three_by_hand():
    mean = mean_of([1.0, 2.0, 3.0])
    assert (mean.n, mean.value, mean.sd) == (3, 2.0, 1.0)
    assert mean.interval == pytest.approx((2 - 4.30265 / math.sqrt(3), 2 + 4.30265 / math.sqrt(3)), abs=1e-5)
    # t = 2 / (1 / sqrt 3) with two degrees of freedom, whose share has a closed form
    t = 2 * math.sqrt(3)
    assert p_value(mean) == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=1e-12)


@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7], [0.9 - 0.8, 0.8 - 0.7, 0.7 - 0.6]])
def test_values_without_spread_have_no_interval_and_no_p(values):
    mean = mean_of(values)
    assert mean.interval is None and p_value(mean) is None
    assert mean.sd == (None if len(values) == 1 else 0)
