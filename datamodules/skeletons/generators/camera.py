"""What stands between the body and the stored landmarks: camera, detector noise, lost hands and frames.

Legend: N clips, F frames of all clips, V joints, C = 3 coordinates.
"""

from dataclasses import dataclass

import numpy as np

from datamodules.skeletons.generators.rotations import about, matrix, product, turned
from datamodules.skeletons.generators.timing import Frames, drift

GRID = 2.0**14
"""Coordinates are stored in steps of 1 / GRID: a sine's last bits, which differ between machines, are rounded away."""


@dataclass(frozen=True)
class View:
    """How widely the camera varies; angles in degrees, uniform, a person's habit and a clip's own jitter added."""

    habit: tuple[float, float, float]
    """Yaw, pitch, roll that all clips of a person share, at most."""
    jitter: tuple[float, float, float]
    """Yaw, pitch, roll that a clip adds, at most."""
    sway: float
    """Standard deviation of the slow turning within a clip."""
    scale: tuple[float, float]
    """Image units a metre."""
    centre: tuple[float, float, float]
    """Where the origin comes to lie in the image: x, y, and the most that either is off."""


def seen(rng: np.random.Generator, frames: Frames, points: np.ndarray, view: View, up: float = 1.0) -> np.ndarray:
    """[F, V, C] metres -> image units, by a weak perspective: turned, scaled, moved; bone lengths keep their ratios.

    Args:
        up: 1 where the points' y already is the image's, -1 where it points the other way.
    """
    clips = len(frames.length)
    habit = rng.uniform(-1, 1, 3) * view.habit
    yaw, pitch, roll = np.radians(habit[:, None] + rng.uniform(-1, 1, (3, clips)) * np.array(view.jitter)[:, None])
    zero = np.zeros(clips)
    still = product(
        about(np.stack((zero, zero, roll), axis=-1)),
        product(about(np.stack((pitch, zero, zero), axis=-1)), about(np.stack((zero, yaw, zero), axis=-1))),
    )
    sway = about(np.radians(view.sway) * drift(rng, frames, 3, (25, 80)))
    scale = rng.uniform(*view.scale) * rng.uniform(0.9, 1.1, clips)
    x, y, off = view.centre
    place = np.stack((x + off * rng.uniform(-1, 1, clips), up * (y + off * rng.uniform(-1, 1, clips)), zero), axis=-1)
    c = frames.clip
    return turned(points, matrix(product(still[c], sway))) * scale[c, None, None] + place[c, None]


def on_grid(points: np.ndarray) -> np.ndarray:
    """float32, rounded to the grid."""
    return (np.rint(points * GRID) / GRID).astype(np.float32)
