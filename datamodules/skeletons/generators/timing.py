"""When things happen in a clip: flat frames, rest - approach - stroke - retreat - rest, and slow drifts.

The frames of many clips lie one after the other, so there is no padding and no loop over frames.
Legend: N clips, F frames of all clips together, D channels.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Frames:
    """The frames of N clips, one after the other."""

    length: np.ndarray
    """[N] frames of each clip."""

    def __post_init__(self):
        self.offsets = np.concatenate(([0], np.cumsum(self.length)))
        self.clip = np.repeat(np.arange(len(self.length)), self.length)
        """[F] the clip that a frame belongs to."""
        self.index = np.arange(self.offsets[-1]) - self.offsets[self.clip]
        """[F] the frame's number within its clip, from 0."""
        self.progress = self.index / (self.length[self.clip] - 1)
        """[F] 0 at a clip's first frame, 1 at its last."""

    def __len__(self) -> int:
        return len(self.clip)

    def of(self, clip: int) -> slice:
        """Where the frames of one clip lie."""
        return slice(int(self.offsets[clip]), int(self.offsets[clip + 1]))


def smoothstep(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, and between them a curve with flat ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


@dataclass
class Timing:
    """Per frame, how far the articulators are in a sign or word."""

    presence: np.ndarray
    """[F] 0 at rest, 1 during the stroke."""
    phase: np.ndarray
    """[F] 0 to 1 through the stroke, under the clip's speed profile."""
    ending: np.ndarray
    """[F] bool, the stroke's middle has passed."""


def timing(
    rng: np.random.Generator, frames: Frames, stroke: tuple[float, float], skew: float, ease: tuple[float, float]
) -> Timing:
    """Draws one timing a clip.

    Args:
        stroke: least and largest share of the clip that the stroke takes; what is left of the clip is rest at both
            ends, divided at random, and the ways there and back.
        skew: the phase is raised to a power between exp(-skew) and exp(skew): early or late speed.
        ease: how much slower the ends of the stroke are than its middle, below 1.
    """
    clips = len(frames.length)
    share = rng.uniform(*stroke, clips)
    approach, retreat = (1 - share) * rng.uniform(0.15, 0.3, (2, clips))
    onset = (1 - share - approach - retreat) * rng.uniform(0, 1, clips)
    power, slow = np.exp(rng.uniform(-skew, skew, clips)), rng.uniform(*ease, clips)
    c, u = frames.clip, frames.progress
    start = (onset + approach)[c]
    linear = np.clip((u - start) / share[c], 0, 1)
    arrived = smoothstep((u - onset[c]) / approach[c])
    left = smoothstep((u - start - share[c]) / retreat[c])
    phase = (linear - slow[c] * np.sin(2 * np.pi * linear) / (2 * np.pi)) ** power[c]
    return Timing(arrived * (1 - left), phase, linear > 0.5)


def drift(rng: np.random.Generator, frames: Frames, channels: int, period: tuple[float, float]) -> np.ndarray:
    """[F, D] smooth wandering about 0 with unit variance: three sines a clip and channel, `period` in frames."""
    shape = (3, len(frames.length), channels)
    rate, start = 2 * np.pi / rng.uniform(*period, shape), rng.uniform(0, 2 * np.pi, shape)
    time = frames.index[:, None]
    return (
        sum(np.sin(r[frames.clip] * time + s[frames.clip]) for r, s in zip(rate, start, strict=True)) * (2 / 3) ** 0.5
    )


def stretches(
    rng: np.random.Generator, frames: Frames, chance: float, share: tuple[float, float], most: int = 1000
) -> np.ndarray:
    """[F] bool, True in at most one stretch a clip.

    Args:
        chance: of a clip to have a stretch at all.
        share: least and largest part of the clip that it covers.
        most: frames it has at most.
    """
    clips = len(frames.length)
    happens = rng.uniform(size=clips) < chance
    long = np.clip(np.rint(rng.uniform(*share, clips) * frames.length), 1, most)
    first = np.floor(rng.uniform(0, 1, clips) * (frames.length - long + 1))
    since = frames.index - first[frames.clip]
    return happens[frames.clip] & (since >= 0) & (since < long[frames.clip])
