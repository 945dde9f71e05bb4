"""What a table of results says, as plain values: how it looks is the business of `table` and `plot`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mean:
    """The mean of `n` values; what too few values, or values without any spread, do not tell is None."""

    n: int
    value: float
    sd: float | None
    """With n - 1 in the denominator."""
    interval: tuple[float, float] | None
    """95 % of the mean, by Student's t."""


@dataclass(frozen=True)
class Row:
    """One group of runs: the same config but for the seed, or the fold."""

    number: int
    """By which `compare=` calls it; within a table the best on validation is the first."""
    name: str
    val: Mean
    test: Mean | None
    """Of those that opened the test split; None where none did."""
    runs: int
    """Finished ones, which the figures are of; more than `val.n` where a seed ran more than once."""
    above_chance: int
    judged: int
    """How many of them have a verdict."""
    lost: Mapping[str, int]
    """State -> runs of this config that no figure is of."""
    best_run: str
    """The folder of the run that is best on validation."""
    val_points: Sequence[float]
    """A value for each of the n."""
    test_points: Sequence[float]

    @property
    def at_chance(self) -> bool:
        """Whether some run is not surely above chance."""
        return self.above_chance < self.judged


@dataclass(frozen=True)
class Difference:
    """Two groups on the same seeds and folds: the first minus the second."""

    first: int
    second: int
    metric: str
    less_is_better: bool
    mean: Mean | None
    """None where they have no seed and fold in common."""
    p: float | None
    """Of the paired t-test, two-sided; None where there is no interval either."""


@dataclass(frozen=True)
class Section:
    """Groups that can be ranked against each other: one task, data set, split and monitor."""

    task: str
    data: str
    data_fingerprint: str
    splits: Sequence[str]
    """Fingerprints; several where the runs are over folds."""
    folds: int
    """How many; 0 where the split has none."""
    monitor: str
    monitor_falls: bool
    """Whether less of it is better."""
    headline: str
    headline_falls: bool
    opened: int
    """How often the test split was opened, by all runs that were read."""
    rows: Sequence[Row]
    baselines: Mapping[str, tuple[str, float]]
    """Metric (`val/accuracy`, `test/accuracy`) -> the best baseline and its value."""
    notes: Sequence[str] = ()
    differences: Sequence[Difference] = ()

    @property
    def heading(self) -> str:
        """The data, the split, and how often its test was opened."""
        split = f"{self.folds} fold{'s' * (self.folds != 1)}" if self.folds else f"split {self.splits[0][:8]}"
        times = "once" if self.opened == 1 else f"{self.opened} times"
        return (
            f"{self.data} ({self.task}), data {self.data_fingerprint[:8]}, {split}, "
            f"{'test opened ' + times if self.opened else 'test not opened'}"
        )


@dataclass(frozen=True)
class LeftOut:
    """A run that no figure is of."""

    run: str
    state: str
    why: str


@dataclass(frozen=True)
class Page:
    """All that was read."""

    sections: Sequence[Section]
    runs: int
    left_out: Sequence[LeftOut] = field(default_factory=list)


@dataclass(frozen=True)
class Axis:
    """A key of the config in which runs differ."""

    title: str
    values: Sequence[int | float | str]
    """What each run has there; whatever is no number is text."""


@dataclass(frozen=True)
class Bundle:
    """The runs of a section one by one, as a picture of parallel axes shows them."""

    section: Section
    axes: Sequence[Axis]
    figures: Sequence[float]
    """The monitored metric of each run."""
