"""What a run came to: the numbers behind its final table, and the table."""

from dataclasses import asdict, dataclass, field

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Part:
    """Accuracy on some of the test split."""

    accuracy: float
    members: int


@dataclass(frozen=True)
class TestResult:
    """What the test split says of the best epoch's weights."""

    __test__ = False  # not a pytest class

    metrics: dict[str, float]
    interval: tuple[float, float]
    """95 % bootstrap interval of the task's headline metric."""
    tested: tuple[int, int]
    """How many were tested, of how many there are."""
    parts: dict[str, Part] = field(default_factory=dict)
    """Parts of the split that deserve a figure of their own."""
    by_field: dict[str, dict[str, float]] = field(default_factory=dict)
    """Field -> figure -> value, where an item has several fields."""
    baselines: dict[str, float] = field(default_factory=dict)
    """What simple models reach on the same targets, as the headline metric."""


@dataclass
class RunResult:
    """Metrics by split and name, at the best and the last epoch; epochs count from 1."""

    data: str
    """The data set's name."""
    monitor: str
    best: dict[str, float]
    """The history's row of the epoch whose weights best.ckpt holds; the last one's where there is no such file."""
    last: dict[str, float]
    test: TestResult | None = None
    """None where the test split stayed closed."""
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    """By split, what simple models reach as the headline metric."""
    verdict: dict | None = None
    """The last word, as plain values; None where there is nothing to compare with."""
    verdict_missing: str = ""
    """Why there is none."""
    findings: list[dict] = field(default_factory=list)
    """What the health checks found, as plain values."""

    @property
    def best_epoch(self) -> int | None:
        return self.best.get("epoch")

    @property
    def best_value(self) -> float:
        """The monitored validation metric at the best epoch."""
        return self.best.get(self.monitor, float("nan"))

    def to_dict(self) -> dict:
        return asdict(self) | {"best_value": self.best_value}


def bootstrap_interval(correct: np.ndarray, seed: int = 0, draws: int = 10_000) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of [clips] 0/1 values, clips drawn with replacement.

    A mean of 0/1 values over n draws is a binomial count, so that no clip need be drawn one by one.
    """
    hits = np.random.default_rng(seed).binomial(len(correct), correct.mean(), size=draws) / len(correct)
    low, high = np.quantile(hits, [0.025, 0.975])
    return float(low), float(high)


def grouped_interval(values: np.ndarray, group: np.ndarray, seed: int = 0, draws: int = 2_000) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of [n] values, whole groups drawn with replacement.

    Events of one sequence resemble one another; an interval that drew single events would be too narrow.
    """
    _, number = np.unique(group, return_inverse=True)
    count, total = np.bincount(number), np.bincount(number, values)
    rng, means = np.random.default_rng(seed), np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(0, len(count), len(count))
        means[draw] = total[chosen].sum() / count[chosen].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def final_table(result: RunResult, title: str, shown: dict[str, str], unit: str, drawn: str) -> Table:
    """Best and last epoch beside each other, and the test split where it was opened.

    Args:
        shown: metric -> what a person calls it.
        unit: what was tested: clips, events.
        drawn: what the interval's bootstrap draws.
    """
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("split (epoch)", no_wrap=True)
    table.add_column(f"val, best ({result.best_epoch})", justify="right", no_wrap=True)
    table.add_column(f"val, last ({result.last.get('epoch')})", justify="right", no_wrap=True)
    test, on_val = result.test, result.baselines.get("val", {})
    if test is not None:
        table.add_column(f"test ({result.best_epoch})", justify="right", no_wrap=True)
    for number, (name, label) in enumerate(shown.items()):
        cells = [_figure(result.best.get(f"val/{name}")), _figure(result.last.get(f"val/{name}"))]
        if test is not None:
            cells.append(_figure(test.metrics.get(f"test/{name}")))
        table.add_row(label, *cells)
        if number > 0:
            continue
        if test is not None:
            table.add_row("  95 % interval", "", "", "{:.3f}-{:.3f}".format(*test.interval))
            table.caption, table.caption_justify = f"interval: bootstrap over {drawn}", "left"
        for baseline, value in on_val.items():
            there = [_figure(test.baselines.get(baseline))] if test is not None else []
            table.add_row(f"  {baseline}", _figure(value), "", *there)
    if test is not None:
        tested, there = test.tested
        table.add_row(unit, "", "", f"{tested:,}" if tested == there else f"{tested:,} of {there:,}")
        for name, part in test.parts.items():
            table.add_row(f"{name.replace('_', ', ')} ({part.members})", "", "", _figure(part.accuracy))
    return table


def field_table(by_field: dict[str, dict[str, float]], title: str) -> Table:
    """A row a field with the figures of the test split; the columns are those of the first field."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 0, 0, 1))
    table.add_column("field", no_wrap=True)
    for name in next(iter(by_field.values())):
        table.add_column(name, justify="right", min_width=5)
    for name, figures in by_field.items():
        table.add_row(escape(name), *(f"{value:.3f}" for value in figures.values()))
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
