"""What a run came to: the numbers behind its final table, and the table."""

from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1", "top5": "top-5 accuracy", "loss": "cross-entropy (nats)"}


@dataclass(frozen=True)
class RunResult:
    """Metrics by split and name, at the best and the last epoch."""

    best_epoch: int | None
    """Counted from 1; None where no epoch was completed."""
    last_epoch: int
    monitor: str
    best: dict[str, float]
    last: dict[str, float]
    test: dict[str, float] | None
    """Of the best epoch's weights; None where the test split stayed closed."""
    test_interval: tuple[float, float] | None = None
    """95 % bootstrap interval of the test accuracy over clips."""

    @property
    def best_value(self) -> float:
        """The monitored validation metric at the best epoch."""
        return self.best.get(self.monitor, float("nan"))

    def to_dict(self) -> dict:
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"best_value": self.best_value}


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
    best = "-" if result.best_epoch is None else f"{result.best_epoch}"
    table.add_column(f"val, best ({best})", justify="right", no_wrap=True)
    table.add_column(f"val, last ({result.last_epoch})", justify="right", no_wrap=True)
    if result.test is not None:
        table.add_column(f"test ({best})", justify="right", no_wrap=True)
    for name, label in SHOWN.items():
        cells = [_figure(result.best.get(f"val/{name}")), _figure(result.last.get(f"val/{name}"))]
        if result.test is not None:
            cells.append(_figure(result.test.get(f"test/{name}")))
        table.add_row(label, *cells)
    extra = {n: v for n, v in (result.test or {}).items() if n.removeprefix("test/") not in SHOWN}
    for name, value in extra.items():
        table.add_row(f"accuracy, {name.removeprefix('test/')}", "", "", _figure(value))
    if result.test_interval is not None:
        table.add_row("accuracy, 95 %", "", "", "{:.3f} to {:.3f}".format(*result.test_interval))
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
