"""Predictions of a clip that is still being recorded: `load_run(path).stream()`.

Legend: V joints, C coordinates, K classes.
"""

from collections import deque

import numpy as np

from datamodules.skeletons.features import count_channels
from experiment.prediction.in_memory import Predictions, batch_of
from experiment.prediction.inference import ClipInference
from schemas.errors import ConfigError, DataError


class LiveClip:
    """What a run says of the newest frames of a recording, frame after frame.

    Each answer is that of `LoadedRun.predict` for a clip of just these frames, at the cost of one such clip. The
    memory is that of the window.

    Args:
        inference: the run's preprocessing and net.
        window: the newest frames that are read; clips as long as those of training are what the net knows.
        temperature: what the logits are divided by.

    Raises:
        ConfigError: the window is no whole number above 0, or the temperature is not above 0.
    """

    def __init__(self, inference: ClipInference, window: int, temperature: float):
        if type(window) is not int or window < 1:
            what = f"{window!r} is no whole number above 0"
            raise ConfigError(what, where="window", remedy="As stream(window=64).")
        if not temperature > 0:
            raise ConfigError(f"{temperature} is not above 0", where="temperature")
        self.inference, self.temperature = inference, temperature
        self.frames: deque[np.ndarray] = deque(maxlen=window)
        self.added = 0

    def add(self, frame: object, visible: object = None) -> Predictions:
        """The probabilities of the classes for the newest frames, this one among them.

        Args:
            frame: [V, C] raw coordinates; a joint with a NaN was not seen.
            visible: [V] which joints were seen; None: all without a NaN.

        Returns:
            One row; NaN as long as no joint was seen in any of the frames.

        Raises:
            DataError: the frame does not fit the run's layout and channels, or the frames before it.
        """
        newest = self._read(frame, visible)
        answer = self._answer(np.stack([*self.frames, newest][-self.frames.maxlen :]))
        self.frames.append(newest)
        self.added += 1
        return answer

    def _answer(self, clip: np.ndarray) -> Predictions:
        schema = self.inference.schema
        if np.isnan(clip).any(axis=2).all():
            return Predictions(np.full((1, schema.num_classes), np.nan, np.float32), schema.classes)
        logits = self.inference.logits(batch_of([clip], schema)) / self.temperature
        return Predictions(logits.softmax(dim=1).numpy(), schema.classes)

    def _read(self, frame: object, visible: object) -> np.ndarray:
        """[V, C] float32 with NaN where a joint was not seen."""
        where, schema = f"frame {self.added}", self.inference.schema
        try:
            frame = np.array(frame, dtype=np.float32)
            seen = np.ones(len(frame), bool) if visible is None else np.asarray(visible, dtype=bool)
        except (TypeError, ValueError) as error:
            raise DataError(f"it is no array of numbers ({error})", where=where) from error
        joints, coordinates = schema.skeleton.num_joints, self.frames[-1].shape[1] if self.frames else None
        if frame.ndim != 2 or len(frame) != joints or coordinates not in (None, frame.shape[1]):
            reads = f"[{joints} joints, {coordinates or 'coordinates'}]"
            what = f"it has the shape {list(frame.shape)}, the run reads {reads}"
            raise DataError(what, where=where, remedy=f"The layout is {schema.skeleton.name}.")
        # Before it is stored: a frame without a seen joint is not shown to the net, which would refuse it.
        made = count_channels(self.inference.channels, frame.shape[1], 0)
        if made != schema.channels:
            what = f"{frame.shape[1]} coordinates a joint and 0 extra channels make {made} channels"
            raise DataError(f"{what}, the run was trained on {schema.channels}", where=where)
        if seen.shape != (joints,):
            raise DataError(f"visible has the shape {list(seen.shape)}, its frame {joints} joints", where=where)
        frame[~seen | np.isnan(frame).any(axis=1)] = np.nan
        if np.isinf(frame).any():
            raise DataError("an infinite coordinate counts as seen", where=where)
        return frame
