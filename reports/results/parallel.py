"""A picture of runs over the keys in which they differ: an axis a key, the metric of validation last, best on top."""

import io
import re
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from reports.drawing import BASELINE, GREY, label_text
from reports.results.content import Bundle
from reports.results.scale import of_numbers, scale_of, spread

WIDTH, HEIGHT, BARE = 1.55, 4.4, 1.4
"""Inches from an axis to the next, of a section, and of one without axes."""
MOST = 12
"""Axes of a section that are drawn."""
INK = "#1d2227"
COLOURS = LinearSegmentedColormap.from_list("worst to best", ["#e3e6ea", "#bcd3e6", "#7fb1d8", "#2f7ebc", "#08294f"])
"""From the worst run to the best; in grey they are told apart too."""
HALO = [patheffects.withStroke(linewidth=2.6, foreground="white")]
BEND = np.linspace(0, 1, 24)
"""Steps of a line from one axis to the next."""


def as_png(bundles: Sequence[Bundle]) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    parallel_figure(bundles).savefig(file, format="png", dpi=150)
    return file.getvalue()


def parallel_figure(bundles: Sequence[Bundle]) -> Figure:
    """A panel a section; what is not comparable has no axis in common."""
    widest = max((min(len(bundle.axes), MOST) for bundle in bundles), default=0)
    heights = [HEIGHT if bundle.axes else BARE for bundle in bundles] or [BARE]
    drawing = Figure(figsize=(max(7.0, 2.4 + WIDTH * (widest + 0.4)), sum(heights)), layout="constrained")
    drawing.get_layout_engine().set(h_pad=0.12)
    if not bundles:
        drawing.text(0.5, 0.5, "no run has finished", ha="center", va="center", color=GREY)
        return drawing
    panels = drawing.subplots(len(bundles), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, bundle in zip(panels, bundles, strict=True):
        _panel(panel, bundle)
    return drawing


def _panel(panel: Axes, bundle: Bundle) -> None:
    section, shown = bundle.section, bundle.axes[:MOST]
    runs = f"{len(bundle.figures)} run{'s' * (len(bundle.figures) != 1)}"
    fewer = f", {MOST} of {len(bundle.axes)} keys" if len(bundle.axes) > MOST else ""
    panel.set_title(
        label_text(f"{section.heading}: {runs}{fewer}", 160), loc="left", fontsize=10, pad=34 if shown else 6
    )
    panel.set_axis_off()
    panel.set(xlim=(-0.45, max(1, len(shown)) + 0.5), ylim=(-0.05, 1.05))
    if not shown:
        words = f"{runs}, and no key of the config but the seed in which they differ"
        panel.text(0.5, 0.5, words, ha="center", va="center", color=GREY, transform=panel.transAxes)
        return
    known = section.baselines.get(section.monitor)
    metric = of_numbers([*bundle.figures, *([known[1]] if known else [])], falls=section.monitor_falls)
    own = metric.places[: len(bundle.figures)]
    order = sorted(range(len(own)), key=own.__getitem__)
    ranks = [0.0] * len(own)
    for number, run in enumerate(order):
        ranks[run] = number / max(1, len(own) - 1)
    scales = [scale_of(axis.values, ranks) for axis in shown]
    _lines(panel, [*(spread(scale.places, ranks) for scale in scales), own], order)
    for place, (axis, scale) in enumerate(zip(shown, scales, strict=True)):
        _axis(panel, place, _broken(label_text(axis.title, 40)), scale.ticks)
    _axis(panel, len(shown), label_text(section.monitor), metric.ticks, last=True)
    if known:
        _baseline(panel, len(shown), label_text(known[0], 20), metric.places[-1])


def _lines(panel: Axes, places: Sequence[Sequence[float]], order: Sequence[int]) -> None:
    """A smooth line a run, the better the darker and over the others.

    Args:
        places: of an axis, of each run there.
        order: the runs, the worst first.
    """
    across = np.concatenate([number + BEND for number in range(len(places) - 1)])
    ease = BEND**2 * (3 - 2 * BEND)
    up = np.array(places)[:, order]
    heights = np.concatenate([up[a] + ease[:, None] * (up[a + 1] - up[a]) for a in range(len(places) - 1)])
    paths = [np.column_stack([across, heights[:, run]]) for run in range(len(order))]
    thin = 1.6 if len(order) <= 30 else 1.0
    widths = [thin] * (len(order) - 1) + [2.8]
    # By rank: of 200 runs of a search most are good, and the few best would not stand out by their figure.
    shades = COLOURS(np.linspace(0, 1, len(order)) ** 1.5)
    lines = LineCollection(paths, colors=shades, linewidths=widths, alpha=0.85, capstyle="round", zorder=2)
    panel.add_collection(lines)


def _axis(panel: Axes, place: int, title: str, ticks: Sequence[tuple[float, str]], last: bool = False) -> None:
    panel.plot([place, place], [0, 1], color=INK, linewidth=1.1, zorder=3, solid_capstyle="round")
    panel.text(place, 1.055, title, ha="center", va="bottom", fontsize=9, weight="bold", color=INK, linespacing=1.0)
    side, gap = ("left", 0.05) if last else ("right", -0.05)
    for up, text in ticks:
        panel.plot([place - 0.02, place + 0.02], [up, up], color=INK, linewidth=1.1, zorder=3)
        said = panel.text(place + gap, up, label_text(text, 18), ha=side, va="center", fontsize=8, color=INK, zorder=4)
        said.set_path_effects(HALO)


def _baseline(panel: Axes, place: int, name: str, up: float) -> None:
    panel.plot([place - 0.1, place + 0.03], [up, up], color=BASELINE, linewidth=2, zorder=5)
    said = panel.text(place - 0.13, up, name, ha="right", va="center", fontsize=8, color=BASELINE, zorder=5)
    said.set_path_effects(HALO)


def _broken(title: str) -> str:
    """A long key in lines, broken where its words end."""
    lines = [""]
    for word in re.findall(r"[^._]+[._]?", title):
        if lines[-1] and len(lines[-1] + word) > 15:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
