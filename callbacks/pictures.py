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
WIDE, HIGH, SIDE = 1.6, 1.75, 1.5
"""Inches: from one moment of a strip to the next, from one clip to the next, and the side of a skeleton's square."""
CARD = 350
"""Pixels: as wide are TensorBoard's cards, which make wider pictures smaller without smoothing them."""


def line_colours(skeleton: Skeleton) -> list[str]:
    """A colour for each of `skeleton.lines`: left blue, right red, the rest grey, in every picture of assay."""
    side = {joint: colour for pair in skeleton.flip_pairs for joint, colour in zip(pair, (LEFT, RIGHT), strict=True)}
    colours = []
    for ends in skeleton.lines:
        sides = {side[joint] for joint in ends if joint in side}
        colours.append(sides.pop() if len(sides) == 1 else MIDDLE)
    return colours


def fitted(joints_TVC: np.ndarray, visible_TV: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """[T, V, 2] places in the unit square, (0, 0) at the lower left, upright, the whole clip at one scale.

    Joints that were not seen may lie anywhere.
    """
    places = joints_TVC[..., :2] * ((1, -1) if skeleton.up == "-y" else (1, 1))
    seen = places[visible_TV] if visible_TV.any() else np.zeros((1, 2))
    low, high = seen.min(axis=0), seen.max(axis=0)
    reach = max(float((high - low).max()) * 1.1, 1e-6)
    return (places - (low + high) / 2) / reach + 0.5


def moments_of(frames: int, moments: int) -> np.ndarray:
    """[moments] frames at even distances from a clip's first to its last."""
    return np.linspace(0, frames - 1, moments).round().astype(int)


def clip_strip(
    clips: list[tuple[np.ndarray, np.ndarray, str]], skeleton: Skeleton, title: str = "", moments: int = MOMENTS
) -> Figure:
    """A row a clip, with its skeleton at some moments from left to right.

    Args:
        clips: (joints [T, V, C], visible [T, V], title) each; joints that were not seen are not drawn.
        title: of the whole picture.
        moments: how many; TensorBoard's cards have room for three.
    """
    above = 0.3 if title else 0.0
    width, height = WIDE * moments, HIGH * len(clips)
    figure = Figure(figsize=(width, height + above))
    figure.text(0.1 / width, 1 - 0.06 / (height + above), title, fontsize=10, weight="bold", va="top", parse_math=False)
    # One axis in inches for all: an axis a moment would take ten times as long.
    axis = figure.add_axes((0, 0, 1, height / (height + above)), xlim=(0, width), ylim=(0, height))
    axis.set_axis_off()
    colours, ends = np.array(line_colours(skeleton)), np.array(skeleton.lines)
    for row, (joints, visible, text) in enumerate(clips):
        bottom, places = height - HIGH * (row + 1), SIDE * fitted(joints, visible, skeleton)
        axis.text(0.1, bottom + HIGH - 0.05, short(text, 200), fontsize=11, va="top", parse_math=False)
        for column, frame in enumerate(moments_of(len(joints), moments)):
            drawn = visible[frame, ends].all(axis=1)
            segments = places[frame, ends[drawn]] + (WIDE * column + (WIDE - SIDE) / 2, bottom)
            axis.add_collection(LineCollection(segments, colors=colours[drawn], linewidths=1.2), autolim=False)
    return figure


def confusion_picture(counts_KK: np.ndarray, classes: tuple[str, ...], title: str) -> Figure:
    """Rows are true classes, columns predicted ones, each row in shares of its own clips."""
    shares = counts_KK / np.maximum(counts_KK.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= 30
    names = [short(name, 28) for name in classes] if few else []
    # Laid out by hand, in inches: to let matplotlib do it takes three times as long.
    side, words = (max(0.3 * len(classes), 1.5) if few else 6), 0.35 + 0.075 * max(map(len, names), default=4)
    width, height = words + side + 0.9, words + side + 0.4
    figure = Figure(figsize=(width, height))
    axis = figure.add_axes((words / width, words / height, side / width, side / height))
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    bar = figure.add_axes(((words + side + 0.15) / width, words / height, 0.12 / width, side / height))
    figure.colorbar(image, cax=bar, label="share of the true class")
    if few:
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8, parse_math=False)
        axis.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axis.set(xlabel="predicted", ylabel="true")
    axis.set_title(title, fontsize=10)
    return figure


def words_only(text: str) -> Figure:
    """A line in place of a picture."""
    figure = Figure(figsize=(3.5, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=10, parse_math=False)
    return figure


def short(name: str, longest: int) -> str:
    """A name from data as one line of printable characters that are not too many."""
    text = "".join(mark if mark.isprintable() else " " for mark in name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def for_a_card(figure: Figure) -> Figure:
    """The figure at the resolution that fits a card, unless its words could no longer be read."""
    figure.set_dpi(max(CARD / figure.get_figwidth(), 70))
    return figure


def as_png(figure: Figure) -> bytes:
    """The bytes of a PNG file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return picture.getvalue()
