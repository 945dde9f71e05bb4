"""Keeps what the net said of every clip or event of the last validation and of the test split, on the CPU."""

import math
from dataclasses import dataclass, fields

import lightning as L
import torch
from torch import Tensor

from schemas.batches import ClipOutput, EventOutput


@dataclass
class EventScores:
    """The scored events of one split, in the order of its loader."""

    nll: Tensor
    """[n, D] nats."""
    hit: Tensor
    """[n, D] bool."""
    confidence: Tensor
    """[n, D] the likeliest value's probability."""
    sequence_id: Tensor
    """[n]."""


class _Keep(L.Callback):
    """Collects a split's outputs batch by batch.

    Args:
        monitor: the validation metric that chooses the best epoch.
        lower_is_better: whether less of it is better.

    Attributes:
        val, test: of the last whole epoch of that split; None before.
        best: of the best epoch's validation, and `best_epoch` which that is, counted from 1.
    """

    kind: type

    def __init__(self, monitor: str, lower_is_better: bool):
        self.monitor, self.sign = monitor, -1.0 if lower_is_better else 1.0
        self.val = self.test = self.best = self.best_epoch = None
        self._highest = -math.inf
        self._parts: list = []

    def _of_batch(self, outputs: object) -> object:
        raise NotImplementedError

    def _joined(self) -> object:
        joined = self.kind(*(torch.cat([getattr(part, f.name) for part in self._parts]) for f in fields(self.kind)))
        self._parts = []
        return joined

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._parts = []

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        kept = self._of_batch(outputs)
        # At once to the CPU: a device has no room for a whole split beside the next epoch.
        self._parts.append(self.kind(*(getattr(kept, f.name).cpu() for f in fields(self.kind))))

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._parts and (joined := self._joined()) and not trainer.sanity_checking:
            self.val = joined

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        value = self.sign * float(trainer.callback_metrics.get(self.monitor, math.nan))
        if self.val is not None and value > self._highest:
            self._highest, self.best, self.best_epoch = value, self.val, trainer.current_epoch + 1

    def state_dict(self) -> dict:
        return {"highest": self._highest, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict) -> None:
        self._highest, self.best_epoch = state_dict["highest"], state_dict["best_epoch"]

    on_test_epoch_start, on_test_batch_end = on_validation_epoch_start, on_validation_batch_end

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.test = self._joined() if self._parts else None


class KeepPredictions(_Keep):
    """`val` and `test` as one ClipOutput each."""

    kind = ClipOutput

    def _of_batch(self, outputs: ClipOutput) -> ClipOutput:
        return ClipOutput(outputs.logits.float(), outputs.label, outputs.clip_id)


class KeepEventScores(_Keep):
    """`val` and `test` as EventScores."""

    kind = EventScores

    def _of_batch(self, outputs: EventOutput) -> EventScores:
        at = outputs.scored
        sequence = outputs.sequence_id[:, None].expand_as(at)[at]
        return EventScores(outputs.nll[at].float(), outputs.hit[at], outputs.confidence[at].float(), sequence)


def kept_of(trainer: L.Trainer) -> ClipOutput | EventScores | None:
    """What the net said of the last whole validation; None before the first."""
    return next((callback.val for callback in trainer.callbacks if isinstance(callback, _Keep)), None)
