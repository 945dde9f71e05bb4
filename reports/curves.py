"""A run's learning curves beside what simpler models reach."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.drawing import BASELINE, GREY, MODEL, TEST, TRAIN, label_text
from reports.run_files import RunFiles, mapping, number

PANELS = {"loss": "cross-entropy, nats", "accuracy": "accuracy"}


def curves(run: RunFiles) -> Figure | None:
    """Loss and accuracy by epoch, for train and validation; the baselines as level lines, the test as a dot."""
    panels = [m for m in PANELS if run.series(f"val/{m}") or run.series(f"train/{m}")]
    if not panels:
        return None
    drawing = Figure(figsize=(5.8 * len(panels), 4.1), layout="constrained")
    for axis, metric in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axis, run, metric)
    return drawing


def _panel(axis: Axes, run: RunFiles, metric: str) -> None:
    drawn = []
    for split, colour in (("train", TRAIN), ("val", MODEL)):
        points = run.series(f"{split}/{metric}")
        if points:
            mark = "o" if len(points) < 3 else None
            axis.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker=mark, label=split)
            drawn += [value for _, value in points]
    best = run.best_epoch
    if best is not None:
        axis.axvline(best, color=GREY, linestyle=":", linewidth=1.2, label=f"best epoch, {best}")
    tested = number(mapping(run.test.get("metrics")).get(f"test/{metric}"))
    if best is not None and tested is not None:
        axis.plot(best, tested, "D", color=TEST, markersize=6, label=f"test {tested:.3f}", zorder=4)
        drawn.append(tested)
    levels = run.levels.get(f"val/{metric}", {})
    _limits(axis, metric, drawn, list(levels.values()))
    axis.set(xlabel="epoch", ylabel=axis.get_ylabel() or PANELS[metric])
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9, columnspacing=1.2)
    _levels(axis, levels)


def _limits(axis: Axes, metric: str, drawn: list[float], levels: list[float]) -> None:
    """All of it where that can be read; a loss that leaves its baselines far behind has a logarithmic axis."""
    if metric == "accuracy":
        axis.set_ylim(0, min(1.02, 1.25 * max(drawn + levels) or 1.02))
        return
    low, high = min(drawn + levels), max(drawn + levels)
    if low > 0 and high > 30 * np.median(drawn):
        axis.set_yscale("log")
        axis.set_ylabel(f"{PANELS[metric]} (logarithmic)")
    else:
        room = 0.05 * ((high - low) or 1)
        axis.set_ylim(min(low - room, 0) if low < 0.25 * high else low - room, high + room)


def _levels(axis: Axes, levels: dict[str, float]) -> None:
    """Level lines with their names at the right edge, moved apart where they would overlap."""
    shown = sorted(levels.items(), key=lambda level: level[1])
    to_axis = axis.transData.transform
    heights = [float(axis.transAxes.inverted().transform(to_axis((0, value)))[1]) for _, value in shown]
    for (name, value), height in zip(shown, _apart(heights, 0.062), strict=True):
        axis.axhline(value, color=BASELINE, linewidth=1.1, linestyle="--", zorder=1)
        text = f"{label_text(name)} {value:.3f}"
        axis.text(1.015, height, text, transform=axis.transAxes, color=BASELINE, fontsize=9, va="center")


def _apart(heights: list[float], gap: float) -> list[float]:
    """Rising heights, moved as little as keeps `gap` between neighbours, within the axis where there is room."""
    moved = list(heights)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    for i in range(len(moved) - 1, -1, -1):
        ceiling = 1 if i == len(moved) - 1 else moved[i + 1] - gap
        moved[i] = min(moved[i], ceiling)
    return moved
