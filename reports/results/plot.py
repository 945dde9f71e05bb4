"""A picture of the groups: a dot and its interval each, the runs behind it faint, the best baseline dashed."""

import io
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.drawing import BASELINE, GREY, MODEL, TEST, label_text
from reports.results.content import Mean, Page, Row, Section

ROW, HEAD = 0.4, 1.5
"""Inches of a group, and of what stands around a table's groups."""
BELOW = 0.24
"""Of a row: how far its runs lie under their mean."""
LONGEST_NAME = 60
MOST = 40
"""Groups of a table that are drawn, from the best one on."""


def as_png(page: Page) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    groups_figure(page).savefig(file, format="png", dpi=150)
    return file.getvalue()


def groups_figure(page: Page) -> Figure:
    """A panel a table, the best group on top; a second one beside it where a test split was opened."""
    sections = [replace(section, rows=section.rows[:MOST]) for section in page.sections]
    heights = [HEAD + ROW * len(section.rows) for section in sections] or [HEAD]
    tested = any(row.test for section in sections for row in section.rows)
    drawing = Figure(figsize=(11 if tested else 7.5, sum(heights)), layout="constrained")
    if not sections:
        drawing.text(0.5, 0.5, "no run has finished", ha="center", va="center", color=GREY)
        return drawing
    panels = drawing.subplots(len(sections), 1 + tested, squeeze=False, height_ratios=heights)
    for line, section, whole in zip(panels, sections, page.sections, strict=True):
        fewer = f", the first {MOST} of {len(whole.rows)} groups" if len(whole.rows) > MOST else ""
        _panel(line[0], section, section.monitor, MODEL, [(row.val, row.val_points) for row in section.rows])
        line[0].set_title(label_text(section.heading + fewer, 140), loc="left", fontsize=10, pad=20)
        line[0].set_yticks(range(len(section.rows)), [_name(row) for row in section.rows])
        if not tested:
            continue
        if any(row.test for row in section.rows):
            figures = [(row.test, row.test_points) for row in section.rows]
            _panel(line[1], section, f"test/{section.headline}", TEST, figures)
            line[1].set_yticks(range(len(section.rows)), [""] * len(section.rows))
        else:
            line[1].set_axis_off()
    return drawing


def _name(row: Row) -> str:
    return f"{label_text(row.name, LONGEST_NAME)}  #{row.number}{' (at chance)' if row.at_chance else ''}"


def _panel(axis: Axes, section: Section, metric: str, colour: str, figures: list[tuple[Mean | None, list]]) -> None:
    for place, (mean, points) in enumerate(figures):
        if mean is None:
            continue
        axis.plot(points, [place + BELOW] * len(points), "o", color=colour, alpha=0.25, markersize=5, markeredgewidth=0)
        if mean.interval is not None:
            axis.plot(mean.interval, [place] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axis.plot(mean.value, place, "o" if mean.interval else "D", color=colour, markersize=6, zorder=3)
    if metric in section.baselines:
        _level(axis, *section.baselines[metric])
    falls = section.monitor_falls if metric == section.monitor else section.headline_falls
    axis.set_xlabel(f"{label_text(metric)} ({'less' if falls else 'more'} is better)")
    axis.set_ylim(len(figures) - 0.4, -0.6)
    axis.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def _level(axis: Axes, name: str, value: float) -> None:
    """A baseline, its name above it and within the panel."""
    axis.axvline(value, color=BASELINE, linestyle="--", linewidth=1.1, zorder=1)
    low, high = axis.get_xlim()
    share = (value - low) / (high - low)
    side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
    text, across = f"{label_text(name)} {value:.3f}", axis.get_xaxis_transform()
    axis.text(value, 1.01, text, transform=across, color=BASELINE, fontsize=8, ha=side, va="bottom")
