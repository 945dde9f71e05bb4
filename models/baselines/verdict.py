"""Did it learn? A model beside simple ones on the very same clips or sequences, and how sure that is.

Two intervals belong to every difference. The one that is *shown* is the 95 % percentile interval of a paired bootstrap
over units (clips, sequences). The one that *decides* is at 99.9 %, its error divided by the number of looks and of
parts (Bonferroni): at 95 % every third dead model would be called learning once in twenty looks. A percentile so far
out would need millions of draws, so it is the bootstrap's standard error, which has a closed form, times a quantile.
Legend: U units, P parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

AT_CHANCE = "at or below chance"
ABOVE_CHANCE = "above chance, below the best baseline"
BEATS_BEST = "beats the best baseline"
ERROR = 0.001
"""The chance of a wrong verdict in all looks and parts together."""
DRAWS = 1_000
FEWEST = 20
"""Sequences, less one, below which nothing is decided."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A model's lead over a baseline."""

    baseline: str
    value: float
    """The baseline's own figure."""
    better_by: float
    """Positive where the model is better, whether less or more of the metric is."""
    shown: Interval
    """95 %."""
    sure: Interval
    """99.9 %, divided by looks and parts."""


@dataclass(frozen=True)
class Judgement:
    """One figure beside chance and beside the best baseline."""

    value: float
    chance: Difference
    best: Difference

    @property
    def level(self) -> str:
        # Asked this way round, a figure that is not a number is at chance too.
        if not self.chance.sure[0] > 0:
            return AT_CHANCE
        return BEATS_BEST if self.best.sure[0] > 0 else ABOVE_CHANCE


@dataclass(frozen=True)
class Verdict:
    """What a run has come to, on one metric of one split."""

    metric: str
    """`accuracy` or `cross-entropy`."""
    split: str
    """`test` or `validation`."""
    overall: Judgement
    looks: int
    """How often this split was looked at, or will have been when the run ends."""
    final: bool
    units: int
    """Clips or sequences that the bootstrap draws."""
    parts: Mapping[str, Judgement] = field(default_factory=dict)
    """Classes or fields."""

    @property
    def level(self) -> str:
        return self.overall.level

    @property
    def split_name(self) -> str:
        return "test" if self.split == "test" else "validation, selected on it" if self.final else "validation"

    @property
    def sentence(self) -> str:
        """The verdict with its figures, for a person."""
        judged, said = self.overall, self.level
        against = judged.chance if self.level == AT_CHANCE else judged.best
        low, high = against.shown
        if self.level == BEATS_BEST:
            said += f" by {against.better_by:.3f} [{low:.3f}, {high:.3f}]"
            lead = ""
        else:
            if self.level == ABOVE_CHANCE and high >= 0:
                said = "above chance, not told apart from the best baseline"
            lead = f", lead {against.better_by:+.3f} [{low:+.3f}, {high:+.3f}]"
            lead += ": too few to tell" if low > 0 else ""
        beside = f"{against.baseline} {against.value:.3f}{lead}"
        provisional = "" if self.final else "so far "
        return f"{provisional}{said}: {self.metric} {judged.value:.3f} on {self.split_name}, {beside}"

    def to_dict(self) -> dict:
        """Plain values for status.json."""
        return {
            "level": self.level,
            "sentence": self.sentence,
            "split": self.split,
            "metric": self.metric,
            "final": self.final,
            "looks": self.looks,
            "units": self.units,
            **_plain(self.overall),
            "parts": {name: {"level": part.level} | _plain(part) for name, part in self.parts.items()},
        }


def _plain(judged: Judgement) -> dict:
    return {"value": judged.value, "chance": vars(judged.chance), "best": vars(judged.best)}


def leads(
    total_UP: np.ndarray, count_U: np.ndarray, alone: float, looks: int, draws: int = DRAWS
) -> list[tuple[float, Interval, Interval]]:
    """(lead, shown, sure) of each part, from the model's lead over a baseline summed over each unit's items.

    Args:
        total_UP: a unit's summed lead.
        count_U: its items.
        alone: the largest lead that one item can have either way, where there is such a bound (1 for a hit): two
            pseudo-units, one for and one against, then keep a few clips that agree from being taken for certainty
            (Agresti and Min 2005). 0: none, and Student's t takes the place of the normal quantile.
        looks: by which, and by the parts, the error is divided.
    """
    units, parts = total_UP.shape
    items = count_U.sum()
    lead_P = total_UP.sum(axis=0) / items
    shown = _percentiles(total_UP, count_U, draws)
    if alone:
        padded = np.concatenate([total_UP, np.full((1, parts), alone), np.full((1, parts), -alone)])
        counts, middle = np.concatenate([count_U, [1, 1]]), total_UP.sum(axis=0) / (items + 2)
        quantile = NormalDist().inv_cdf(1 - ERROR / looks / parts / 2)
    else:
        padded, counts, middle = total_UP, count_U, lead_P
        quantile = _student(1 - ERROR / looks / parts / 2, units - 1)
    # The standard error of a ratio of sums over units, in its linear form.
    spread = ((padded - middle * counts[:, None]) ** 2).sum(axis=0)
    error_P = np.sqrt(spread * len(padded) / max(len(padded) - 1, 1)) / counts.sum()
    reach_P = quantile * error_P if np.isfinite(quantile) else np.full(parts, np.inf)
    return [
        (float(lead_P[p]), shown[p], (float(middle[p] - reach_P[p]), float(middle[p] + reach_P[p])))
        for p in range(parts)
    ]


def _percentiles(total_UP: np.ndarray, count_U: np.ndarray, draws: int) -> list[Interval]:
    generator, units = np.random.default_rng(0), len(count_U)
    columns = np.column_stack([total_UP, count_U])
    means = np.empty((draws, total_UP.shape[1]))
    for draw in range(draws):
        often = np.bincount(generator.integers(0, units, units), minlength=units)
        summed = often @ columns
        means[draw] = summed[:-1] / summed[-1]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _student(probability: float, freedom: int) -> float:
    """The quantile of Student's t by its expansion about the normal one (Abramowitz and Stegun 26.7.5).

    Infinite below `FEWEST` degrees of freedom, where the expansion is too short and so is the sample.
    """
    if freedom < FEWEST:
        return float("inf")
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
