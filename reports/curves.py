"""A run's learning curves, from its metrics.csv."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from callbacks.pictures import as_png
from storage import atomic

PANELS = {"loss": "cross-entropy, nats", "accuracy": "accuracy"}
LINES = (":", "-.", "--", "-")
"""From the weakest baseline to the strongest."""
COLOURS = {"train": "#999999", "val": "#1f77b4", "test": "#d62728"}


def draw_curves(
    run: Path,
    best_epoch: int | None = None,
    test: dict[str, float] | None = None,
    baselines: dict[str, float] | None = None,
) -> Path | None:
    """Writes `curves.png` into the run's folder: loss and accuracy by epoch, for train and validation.

    Args:
        best_epoch: marked by a line, counted from 1.
        test: the test split's metrics, marked by a dot at the best epoch.
        baselines: what simpler models reach on the test split, in nats, drawn as level lines beside the losses.

    Returns:
        The picture's path; None where the run has no metrics.csv.
    """
    table = run / "metrics.csv"
    if not table.is_file():
        return None
    with table.open() as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, (metric, label) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for split in ("train", "val"):
            points = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name := f"{split}/{metric}")]
            if points:
                axis.plot(*zip(*points, strict=True), color=COLOURS[split], label=split)
        if best_epoch is not None:
            axis.axvline(best_epoch, color="#cccccc", linestyle=":", label=f"best epoch {best_epoch}")
        if best_epoch is not None and (value := (test or {}).get(f"test/{metric}")) is not None:
            axis.plot(best_epoch, value, "o", color=COLOURS["test"], label=f"test {value:.3f}")
        levels = (baselines or {}) if metric == "loss" else {}
        for (name, value), style in zip(levels.items(), LINES, strict=False):
            axis.axhline(value, color="#e08020", linewidth=1, linestyle=style, label=f"{name}, test {value:.3f}")
        axis.set(xlabel="epoch", ylabel=label)
        if metric == "accuracy":
            axis.set_ylim(0, 1.02)
        elif not levels:
            axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(facecolor="white", edgecolor="none", framealpha=0.85, fontsize=8)
    path = run / "curves.png"
    atomic.write_bytes(path, as_png(figure))
    return path
