"""Means of few values and how sure they are, by Student's t.

The share of Student's t within [-t, t] is a finite sum for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and
26.7.4), so that nothing is approximated for three seeds.
"""

import math
from collections.abc import Sequence

from reports.results.content import Mean

CONFIDENCE = 0.95
NO_SPREAD = 1e-12
"""Of the largest value: a smaller standard deviation is rounding."""


def share_within(t: float, freedom: int) -> float:
    """The probability that Student's t with so many degrees of freedom lies within [-t, t]; t from 0."""
    angle, odd = math.atan(t / math.sqrt(freedom)), freedom % 2
    cosine = math.cos(angle)
    term, total = cosine if odd else 1.0, 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= k / (k + 1) * cosine**2
    share = math.sin(angle) * total
    return 2 / math.pi * (angle + share) if odd else share


def quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t within which this share lies, on both sides of 0."""
    low, high = 0.0, 1.0
    while share_within(high, freedom) < confidence:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if share_within(middle, freedom) < confidence else (low, middle)
    return high


def mean_of(values: Sequence[float]) -> Mean:
    """Mean, standard deviation (n - 1) and 95 % interval of the mean.

    One value has neither of the two; values that are all the same have no interval: one of no width would claim a
    certainty that two or three equal figures do not give.
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Mean(1, mean, None, None)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    if sd <= NO_SPREAD * max(map(abs, values)):
        return Mean(n, mean, 0.0, None)
    reach = quantile(n - 1) * sd / math.sqrt(n)
    return Mean(n, mean, sd, (mean - reach, mean + reach))


def p_value(differences: Mean) -> float | None:
    """Two-sided p of the t-test of a mean of differences against 0; None where it has no interval."""
    if differences.interval is None:
        return None
    t = abs(differences.value) / (differences.sd / math.sqrt(differences.n))
    return max(0.0, 1 - share_within(t, differences.n - 1))
