"""Clips as one animated GIF: a grid of skeletons that move together, each with what it is and what was said of it.

Legend: T frames, V joints, C coordinates.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from callbacks.pictures import LEFT, MIDDLE, RIGHT, fitted, line_colours, moments_of
from schemas.skeleton import Skeleton

MOMENTS, MILLISECONDS, REST = 20, 120, 700
"""At most so many moments, each shown so long, the last one longer."""
SIDE, MARGIN, CAPTION = 165, 5, 38
"""Pixels of a clip's square, of what is free around it, and of the two lines above it."""
COLUMNS = 2
"""TensorBoard's cards are as wide as two clips whose captions can be read."""
FINER = 3
"""Lines are drawn at so many times the size and averaged, which makes their edges smooth."""
GREEN, PALE = "#1a7f37", "#e4e4e4"
SHADES = 4
"""Of each colour on white: enough for the eye, and a small file."""


@dataclass(frozen=True)
class ShownClip:
    """A clip with its class and what the net said of it."""

    joints: np.ndarray
    """[T, V, C]."""
    visible: np.ndarray
    """[T, V] bool; joints that were not seen are not drawn."""
    true: str
    said: str
    probability: float
    """Of what was said."""

    @property
    def right(self) -> bool:
        return self.true == self.said


def animate(clips: Sequence[ShownClip], skeleton: Skeleton) -> bytes:
    """The bytes of a GIF that repeats without end; every clip is stretched to the same time.

    Left is blue, right is red and the rest grey, as in every picture; a caption is green where the net was right.
    """
    moments = min(MOMENTS, max(len(clip.joints) for clip in clips))
    rows = -(-len(clips) // COLUMNS)
    columns = -(-len(clips) // rows)
    cell = SIDE + 2 * MARGIN, SIDE + CAPTION + 2 * MARGIN
    corners = [(cell[0] * (place % columns), cell[1] * (place // columns)) for place in range(len(clips))]
    captions = _captions(clips, corners, (cell[0] * columns, cell[1] * rows))
    paths = [_path(clip, skeleton, corner, moments) for clip, corner in zip(clips, corners, strict=True)]
    palette, pictures = _palette(), []
    canvas = Image.new("RGB", (captions.width * FINER, captions.height * FINER))
    for moment in range(moments):
        _paint(canvas, paths, skeleton, moment)
        picture = ImageChops.darker(captions, canvas.reduce(FINER))
        _mark_time(picture, corners, (moment + 1) / moments)
        pictures.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    file, times = io.BytesIO(), [MILLISECONDS] * (moments - 1) + [REST]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    return file.getvalue()


def _path(clip: ShownClip, skeleton: Skeleton, corner: tuple[int, int], moments: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each joint is on the enlarged canvas at each moment, and whether it was seen: [moments, V, 2], [.., V]."""
    at = moments_of(len(clip.joints), moments)
    places = fitted(clip.joints, clip.visible, skeleton)[at]
    upper_left = np.add(corner, (MARGIN, MARGIN + CAPTION))
    return (upper_left + SIDE * np.stack([places[..., 0], 1 - places[..., 1]], axis=-1)) * FINER, clip.visible[at]


def _paint(canvas: Image.Image, paths: list, skeleton: Skeleton, moment: int) -> None:
    """All skeletons at one moment, on white."""
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, *canvas.size), fill="white")
    width = round((2.2 if skeleton.num_joints <= 30 else 1.5) * FINER)
    round_end = (width - 1) / 2
    for places, visible in paths:
        at, seen = places[moment].tolist(), visible[moment]
        for (one, other), colour in zip(skeleton.lines, line_colours(skeleton), strict=True):
            if seen[one] and seen[other]:
                draw.line((*at[one], *at[other]), fill=colour, width=width)
                for x, y in (at[one], at[other]):
                    draw.ellipse((x - round_end, y - round_end, x + round_end, y + round_end), fill=colour)


def _captions(clips: Sequence[ShownClip], corners: list[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    """What stays: true class, what was said and its probability, above every clip."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for clip, (x, y) in zip(clips, corners, strict=True):
        x, y, end = x + MARGIN + 2, y + MARGIN, x + MARGIN + SIDE - 2
        colour = GREEN if clip.right else RIGHT
        probability = f"{clip.probability:.2f}"
        room = SIDE - 4
        draw.text((x, y), _cut(f"true: {clip.true}", room), fill=MIDDLE, font=_font())
        said = _cut(f"said: {clip.said}", room - _font().getlength(f" {probability}"))
        draw.text((x, y + CAPTION // 2), said, fill=colour, font=_font())
        draw.text((end, y + CAPTION // 2), probability, fill=colour, font=_font(), anchor="ra")
    return picture


def _mark_time(picture: Image.Image, corners: list[tuple[int, int]], share: float) -> None:
    """A thin line below each clip that grows from its beginning to its end."""
    draw = ImageDraw.Draw(picture)
    for x, y in corners:
        left, below = x + MARGIN, y + MARGIN + CAPTION + SIDE
        draw.line((left, below, left + SIDE, below), fill=PALE, width=2)
        draw.line((left, below, left + round(SIDE * share), below), fill=MIDDLE, width=2)


def _cut(text: str, room: float) -> str:
    """A line that fits, in printable characters."""
    text = "".join(mark if mark.isprintable() else " " for mark in text)
    if _font().getlength(text) <= room:
        return text
    while text and _font().getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Matplotlib's own, which it brings along."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 13)


@cache
def _palette() -> Image.Image:
    """White, and all shades of the colours in use."""
    colours = np.array([[int(hue[at : at + 2], 16) for at in (1, 3, 5)] for hue in (LEFT, RIGHT, MIDDLE, GREEN)])
    shares = np.arange(1, SHADES + 1)[:, None, None] / SHADES
    shades = np.concatenate([[[255, 255, 255]], (255 + (colours - 255) * shares).reshape(-1, 3)])
    palette = Image.new("P", (1, 1))
    palette.putpalette(shades.round().astype(int).ravel().tolist())
    return palette
