"""Pictures of clips and of confusion, as matplotlib figures.

Legend: T frames, V joints, C coordinates, K classes.
"""

import io

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from schemas.skeleton import Skeleton

LEFT, RIGHT, MIDDLE = "#1f77b4", "#d62728", "#555555"
MOMENTS = 6


def line_colours(skeleton: Skeleton) -> list[str]:
    """A colour for each of `skeleton.lines`: left blue, right red, the rest grey, in every picture of assay."""
    side = {joint: colour for pair in skeleton.flip_pairs for joint, colour in zip(pair, (LEFT, RIGHT), strict=True)}
    colours = []
    for ends in skeleton.lines:
        sides = {side[joint] for joint in ends if joint in side}
        colours.append(sides.pop() if len(sides) == 1 else MIDDLE)
    return colours


def clip_strip(clips: list[tuple[np.ndarray, np.ndarray, str]], skeleton: Skeleton) -> Figure:
    """A row a clip, with its skeleton at six moments from left to right.

    Args:
        clips: (joints [T, V, C], visible [T, V], title) each; joints that were not seen are not drawn.
    """
    figure = Figure(figsize=(1.6 * MOMENTS, 1.75 * len(clips)), layout="constrained")
    axes = figure.subplots(len(clips), MOMENTS, squeeze=False)
    colours, ends = np.array(line_colours(skeleton)), np.array(skeleton.lines)
    for row, (joints, visible, title) in zip(axes, clips, strict=True):
        seen = joints[visible][:, :2] if visible.any() else np.zeros((1, 2))
        low, high = seen.min(axis=0), seen.max(axis=0)
        middle, reach = (low + high) / 2, max(float((high - low).max()) * 0.55, 1e-6)
        for axis, frame in zip(row, np.linspace(0, len(joints) - 1, MOMENTS).round().astype(int), strict=True):
            drawn = visible[frame, ends].all(axis=1)
            segments = joints[frame, ends[drawn], :2]
            axis.add_collection(LineCollection(segments, colors=colours[drawn], linewidths=1.2))
            axis.set_xlim(middle[0] - reach, middle[0] + reach)
            axis.set_ylim(middle[1] - reach, middle[1] + reach)
            axis.set_aspect("equal")
            axis.set_xticks([])
            axis.set_yticks([])
            if skeleton.up == "-y":
                axis.invert_yaxis()
            for spine in axis.spines.values():
                spine.set_visible(False)
        row[0].set_title(title, fontsize=8, loc="left")
    return figure


def confusion_picture(counts_KK: np.ndarray, classes: tuple[str, ...], title: str) -> Figure:
    """Rows are true classes, columns predicted ones, each row in shares of its own clips."""
    shares = counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= 30
    side = 2.5 + (0.28 * len(classes) if few else 6)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
    if few:
        axis.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8)
        axis.set_yticks(range(len(classes)), classes, fontsize=8)
    axis.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def as_png(figure: Figure) -> bytes:
    """The bytes of a PNG file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()
