"""Keeps what the net said of every clip or event of the last validation and of the test split, on the CPU."""

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
    """Collects a split's outputs batch by batch; `val` is that of the last whole validation, None before."""

    kind: type

    def __init__(self):
        self.val = self.test = None
        self._parts: list = []

    def _of_batch(self, outputs: object) -> object:
        raise NotImplementedError

    def _joined(self) -> object:
        columns = (torch.cat([getattr(part, f.name) for part in self._parts]).cpu() for f in fields(self.kind))
        return self.kind(*columns)

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._parts = []

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
        self._parts.append(self._of_batch(outputs))

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._parts and not trainer.sanity_checking:
            self.val = self._joined()

    on_test_epoch_start, on_test_batch_end = on_validation_epoch_start, on_validation_batch_end

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.test = self._joined()


class KeepPredictions(_Keep):
    """`val` and `test` as one ClipOutput each."""

    kind = ClipOutput

    def _of_batch(self, outputs: ClipOutput) -> ClipOutput:
        return outputs


class KeepEventScores(_Keep):
    """`val` and `test` as EventScores."""

    kind = EventScores

    def _of_batch(self, outputs: EventOutput) -> EventScores:
        at = outputs.scored
        sequence = outputs.sequence_id[:, None].expand_as(at)[at]
        return EventScores(outputs.nll[at], outputs.hit[at], outputs.confidence[at], sequence)


def kept_of(trainer: L.Trainer) -> ClipOutput | EventScores | None:
    """What the net said of the last whole validation; None before the first."""
    return next((callback.val for callback in trainer.callbacks if isinstance(callback, _Keep)), None)
