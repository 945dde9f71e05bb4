"""What a run came to: the numbers behind its final table, and the table."""

from dataclasses import asdict, dataclass, field

import numpy as np
from rich import box
from rich.table import Table

SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1", "top5": "top-5 accuracy", "loss": "cross-entropy (nats)"}


@dataclass(frozen=True)
class Part:
    """Accuracy on some of the test clips."""

    accuracy: float
    clips: int


@dataclass
class RunResult:
    """Metrics by split and name, at the best and the last epoch; epochs count from 1."""

    monitor: str
    best: dict[str, float]
    """The history's row of the epoch whose weights best.ckpt holds; the last one's where there is no such file."""
    last: dict[str, float]
    test: dict[str, float] | None = None
    """Of the best epoch's weights; None where the test split stayed closed."""
    test_interval: tuple[float, float] | None = None
    """95 % bootstrap interval of the test accuracy over clips."""
    test_clips: tuple[int, int] | None = None
    """How many were tested, of how many there are."""
    test_parts: dict[str, Part] = field(default_factory=dict)

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


def final_table(result: RunResult, title: str) -> Table:
    """Best and last epoch beside each other, and the test split where it was opened."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    table.add_column("split (epoch)", no_wrap=True)
    table.add_column(f"val, best ({result.best_epoch})", justify="right", no_wrap=True)
    table.add_column(f"val, last ({result.last.get('epoch')})", justify="right", no_wrap=True)
    if result.test is not None:
        table.add_column(f"test ({result.best_epoch})", justify="right", no_wrap=True)
    for name, label in SHOWN.items():
        cells = [_figure(result.best.get(f"val/{name}")), _figure(result.last.get(f"val/{name}"))]
        if result.test is not None:
            cells.append(_figure(result.test.get(f"test/{name}")))
        table.add_row(label, *cells)
    if result.test is not None:
        table.add_row("95 % interval over clips", "", "", "{:.3f} - {:.3f}".format(*result.test_interval))
        tested, there = result.test_clips
        table.add_row("clips", "", "", f"{tested:,}" if tested == there else f"{tested:,} of {there:,}")
    for name, part in result.test_parts.items():
        table.add_row(f"{name.replace('_', ', ')} ({part.clips})", "", "", _figure(part.accuracy))
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
