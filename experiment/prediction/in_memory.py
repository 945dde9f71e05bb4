"""Predictions of clips that lie in memory, for a notebook: `load_run(path).predict(clips)`.

Legend: N clips, T frames, V joints, C coordinates, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from rich import get_console
from rich.progress import track

from experiment.prediction.inference import ClipInference
from schemas.batches import ClipBatch
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError

SHOWN = 10
"""Clips that a text shows."""


@dataclass(frozen=True, repr=False)
class Predictions:
    """What a run says of some clips, in their order."""

    probabilities: np.ndarray
    """[N, K] float32, each row adding up to 1; NaN where the net gave no number."""
    classes: tuple[str, ...]
    """[K] names."""

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def predicted(self) -> list[str | None]:
        """The likeliest class of each clip; None where there is no number."""
        return [row[0][0] if row else None for row in self.top(1)]

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k likeliest classes of each clip with their probabilities, the likeliest first."""
        order_Nk = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return [
            [(self.classes[i], float(row[i])) for i in order] if np.isfinite(row).all() else []
            for row, order in zip(self.probabilities, order_Nk, strict=True)
        ]

    def to_pandas(self, top: int = 5) -> pd.DataFrame:
        """A row a clip: class 1, probability 1, class 2, ... of the likeliest classes."""
        number = min(top, len(self.classes))
        names = [f"{what} {place}" for place in range(1, number + 1) for what in ("class", "probability")]
        rows = [[cell for pair in row for cell in pair] or [None, np.nan] * number for row in self.top(number)]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        lines = [f"{len(self):,} clips, {len(self.classes)} classes"]
        for number, row in enumerate(self.top(3)[:SHOWN]):
            said = ", ".join(f"{name} {probability:.3f}" for name, probability in row)
            lines.append(f"{number:>5}  {said or 'no number'}")
        return "\n".join([*lines, f"  ... and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else lines)


def predict_clips(inference: ClipInference, clips: Sequence, batch_size: int, temperature: float) -> Predictions:
    """The probabilities of clips that lie in memory, a batch at a time.

    Args:
        clips: as `LoadedRun.predict` takes them.
        temperature: what the logits are divided by.

    Raises:
        DataError: naming the clip that cannot be read.
        ConfigError: a batch size or temperature that is not above 0.
    """
    for key, value in (("batch_size", batch_size), ("temperature", temperature)):
        if not value > 0:
            raise ConfigError(f"{value} is not above 0", where=key)
    if not len(clips):
        return Predictions(np.empty((0, inference.schema.num_classes), np.float32), inference.schema.classes)
    console, starts = get_console(), range(0, len(clips), batch_size)
    hidden = not (console.is_terminal or console.is_jupyter)
    parts = []
    for first in track(starts, "predicting", console=console, transient=True, disable=hidden):
        batch = batch_of(list(clips[first : first + batch_size]), inference.schema, first)
        parts.append((inference.logits(batch) / temperature).softmax(dim=1).numpy())
    return Predictions(np.concatenate(parts), inference.schema.classes)


def batch_of(clips: Sequence, schema: ClipSchema, first: int = 0) -> ClipBatch:
    """A padded batch of clips in memory; `first` is the number of the first one, for messages and as its id."""
    read = [_read(clip, schema, first + place) for place, clip in enumerate(clips)]
    length = [len(frames) for frames, _ in read]
    shape = (len(read), max(length), schema.skeleton.num_joints)
    joints = np.zeros((*shape, read[0][0].shape[2]), np.float32)
    visible = np.zeros(shape, bool)
    for place, (frames, seen) in enumerate(read):
        if frames.shape[2] != joints.shape[3]:
            what = f"it has {frames.shape[2]} coordinates a joint, clip {first} has {joints.shape[3]}"
            raise DataError(what, where=f"clip {first + place}")
        joints[place, : len(frames)], visible[place, : len(frames)] = frames, seen
    return ClipBatch(
        joints=torch.from_numpy(joints),
        visible=torch.from_numpy(visible),
        length=torch.tensor(length),
        label=torch.zeros(len(read), dtype=torch.int64),
        clip_id=torch.arange(first, first + len(read)),
    )


def _read(clip: object, schema: ClipSchema, number: int) -> tuple[np.ndarray, np.ndarray]:
    """[T, V, C] float32 with zeros where a joint was not seen, and [T, V] where it was."""
    frames, visible = clip if isinstance(clip, tuple) else (clip, None)
    where, joints = f"clip {number}", schema.skeleton.num_joints
    try:
        frames = np.asarray(frames, dtype=np.float32)
        visible = np.ones(frames.shape[:2], bool) if visible is None else np.asarray(visible, dtype=bool)
    except (TypeError, ValueError) as error:
        raise DataError(f"it is no array of numbers ({error})", where=where) from error
    if frames.ndim != 3 or frames.shape[1] != joints or not len(frames):
        what = f"it has the shape {list(frames.shape)}, the run reads [frames, {joints} joints, coordinates]"
        raise DataError(what, where=where, remedy=f"The layout is {schema.skeleton.name}; clips stand in a list.")
    if visible.shape != frames.shape[:2]:
        raise DataError(
            f"visible has the shape {list(visible.shape)}, its frames {list(frames.shape[:2])}", where=where
        )
    seen = visible & ~np.isnan(frames).any(axis=2)
    frames = np.where(seen[..., None], frames, np.float32(0))
    if not seen.any() or not np.isfinite(frames).all():
        what = "an infinite coordinate counts as seen" if seen.any() else "no joint was seen in any frame"
        raise DataError(what, where=where, remedy="Leave it out.")
    return frames, seen
