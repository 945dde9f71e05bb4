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
UNSURE_OF_CHANCE = "not surely above chance"
UNSURE_OF_BEST = "above chance, not surely above the best baseline"
"""What a person is told where the interval that decides leaves open what the one that is shown suggests."""
ERROR = 0.001
"""The chance of a wrong verdict in all looks and parts together."""
FEWEST = 20
"""Clips or sequences, less one, below which nothing is decided."""
DRAWS = 1_000
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
        """One of the three that a program may ask for: what is not sure is not claimed."""
        # Asked this way round, a figure that is not a number is at chance too.
        if not self.chance.sure[0] > 0:
            return AT_CHANCE
        return BEATS_BEST if self.best.sure[0] > 0 else ABOVE_CHANCE

    @property
    def words(self) -> str:
        """The level for a person: also says where the 95 % interval points higher, and it is only not sure."""
        if self.level == AT_CHANCE and self.chance.shown[0] > 0:
            return UNSURE_OF_CHANCE
        if self.level == ABOVE_CHANCE and not self.best.shown[1] < 0:
            return UNSURE_OF_BEST
        return self.level


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
        judged, said = self.overall, self.overall.words
        against = judged.chance if self.level == AT_CHANCE else judged.best
        low, high = against.shown
        if self.level == BEATS_BEST:
            said += f" by {against.better_by:.3f} [{low:.3f}, {high:.3f}]"
            beside = f"{against.baseline} {against.value:.3f}"
        else:
            lead = f"lead {against.better_by:+.3f} [{low:+.3f}, {high:+.3f}]"
            beside = f"{against.baseline} {against.value:.3f}, {lead}"
        provisional = "" if self.final else "so far "
        return f"{provisional}{said}: {self.metric} {judged.value:.3f} on {self.split_name}, {beside}"

    def to_dict(self) -> dict:
        """Plain values for status.json."""
        return {
            "sentence": self.sentence,
            "split": self.split,
            "metric": self.metric,
            "final": self.final,
            "looks": self.looks,
            "units": self.units,
            **_plain(self.overall),
            "parts": {name: _plain(part) for name, part in self.parts.items()},
        }


def _plain(judged: Judgement) -> dict:
    sides = {"chance": vars(judged.chance), "best": vars(judged.best)}
    return {"level": judged.level, "words": judged.words, "value": judged.value} | sides


def leads(
    total_UP: np.ndarray, count_U: np.ndarray, bound_P: np.ndarray, divided_P: np.ndarray, draws: int = DRAWS
) -> list[tuple[float, Interval, Interval]]:
    """(lead, shown, sure) of each part, from the model's lead over a baseline summed over each unit's items.

    Two pseudo-units of one item, one for the model and one against, stand in for what a sample did not show: few units
    that agree, or a rare miss that is not among them, are not certainty (for hits: Agresti and Min 2005).

    Args:
        total_UP: a unit's summed lead.
        count_U: its items.
        bound_P: the lead of a pseudo-unit: 1 for a hit, ln V for nats.
        divided_P: by what ERROR is divided: looks, and parts.
    """
    units, items = len(count_U), count_U.sum()
    shown = _percentiles(total_UP, count_U, draws)
    padded, counts = np.concatenate([total_UP, [bound_P], [-bound_P]]), np.concatenate([count_U, [1, 1]])
    middle_P = total_UP.sum(axis=0) / counts.sum()
    # The standard error of a ratio of sums over units, in its linear form.
    spread_P = ((padded - middle_P * counts[:, None]) ** 2).sum(axis=0)
    error_P = np.sqrt(spread_P * len(padded) / (len(padded) - 1)) / counts.sum()
    found = []
    for part, interval in enumerate(shown):
        quantile = _student(1 - ERROR / float(divided_P[part]) / 2, units - 1)
        reach = quantile * error_P[part] if np.isfinite(quantile) else np.inf
        sure = float(middle_P[part] - reach), float(middle_P[part] + reach)
        found.append((float(total_UP[:, part].sum() / items), interval, sure))
    return found


def _percentiles(total_UP: np.ndarray, count_U: np.ndarray, draws: int) -> list[Interval]:
    """95 % intervals of the mean lead, whole units drawn with replacement."""
    generator, columns = np.random.default_rng(0), np.column_stack([total_UP, count_U])
    units, often = len(columns), None
    if columns.shape[1] == 2:
        # Hits have three kinds of units (for, against, neither): only how often each is drawn matters.
        columns, number = np.unique(columns, axis=0, return_counts=True)
        if len(columns) <= 3:
            often = generator.multinomial(units, number / units, size=draws)
        columns = columns if often is not None else np.column_stack([total_UP, count_U])
    summed = np.empty((draws, columns.shape[1]))
    for draw in range(draws):
        drawn = np.bincount(generator.integers(0, units, units), minlength=units) if often is None else often[draw]
        summed[draw] = drawn @ columns
    low, high = np.quantile(summed[:, :-1] / summed[:, -1:], [0.025, 0.975], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _student(probability: float, freedom: int) -> float:
    """The quantile of Student's t by its expansion about the normal one (Abramowitz and Stegun 26.7.5).

    Infinite below FEWEST degrees of freedom, where the expansion is too short and so is the sample.
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
