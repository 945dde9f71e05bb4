"""A clip as one row of numbers of fixed length, for classifiers that know nothing of time.

Legend: B clips, T frames of a clip, S = 32 moments, V joints, C coordinates, E extra channels, D = S (V C + E).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from schemas.skeleton import Skeleton

FRAMES = 32
"""S."""
LARGEST = 1e5
"""A joint farther away, in the clip's own unit, is a fault of recording; it is drawn in, or sums would overflow."""


class Clips(Protocol):
    """What is read of a clip store: the frames of all clips, one clip after another."""

    frames: np.ndarray
    """[N, V, C]."""
    visible: np.ndarray
    """[N, V] bool."""
    extra: np.ndarray | None
    """[N, E], or None."""
    offsets: np.ndarray
    """[clips + 1] where each clip begins, and N."""
    skeleton: Skeleton


def clip_features(clips: Clips, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """[B, D] float32 of these clips: joints, filled, normalised and resampled, then the extra channels if any.

    About 0.6 ms a clip of 75 joints; the rows are all that stays in memory.
    """
    features = np.empty((len(rows), feature_width(clips)), np.float32)
    for place, row in enumerate(rows):
        part = slice(int(clips.offsets[row]), int(clips.offsets[row + 1]))
        joints, visible = np.asarray(clips.frames[part]), np.asarray(clips.visible[part])
        with np.errstate(over="ignore", invalid="ignore"):
            columns = [resampled(normalised(filled(joints, visible), visible, clips.skeleton)).ravel()]
            if clips.extra is not None:
                columns.append(resampled(np.asarray(clips.extra[part])).ravel())
            np.concatenate(columns, out=features[place], casting="same_kind")
    return np.clip(np.nan_to_num(features, copy=False), -LARGEST, LARGEST, out=features)


def feature_width(clips: Clips) -> int:
    """D."""
    return FRAMES * (int(np.prod(clips.frames.shape[1:])) + (0 if clips.extra is None else clips.extra.shape[1]))


def filled(joints: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """[T, V, C] joints whose hidden frames are filled in: linearly in time, and held at the ends; never seen is 0."""
    joints = np.where(visible[..., None], joints, 0).astype(np.float32)
    time = np.arange(len(joints))
    for joint in np.flatnonzero(~visible.all(axis=0) & visible.any(axis=0)):
        seen = visible[:, joint]
        for axis in range(joints.shape[2]):
            joints[:, joint, axis] = np.interp(time, time[seen], joints[seen, joint, axis])
    return joints


def normalised(joints: np.ndarray, visible: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """[T, V, C] with the clip's mean centre as origin and its mean scale as unit, from visible joints only."""

    def mean_place(which: tuple[int, ...]) -> np.ndarray:
        seen = visible[:, which]
        return joints[:, which][seen].mean(axis=0) if seen.any() else np.zeros(joints.shape[2], np.float32)

    centre = mean_place(skeleton.centre)
    one, other = np.array(skeleton.scale, dtype=int).reshape(-1, 2).T
    lengths = np.linalg.norm(joints[:, one] - joints[:, other], axis=-1)[visible[:, one] & visible[:, other]]
    unit = lengths.mean() if lengths.size and lengths.mean() > 1e-6 else 1.0
    return np.where(visible.any(axis=0)[:, None], (joints - centre) / unit, 0)


def resampled(values: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """[T, ...] -> [frames, ...], linear in time over the whole clip."""
    at = np.linspace(0, len(values) - 1, frames, dtype=np.float32)
    low = np.floor(at).astype(int)
    part = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part
