"""Keeps what the net said of every clip or event of the test split."""

import lightning as L
import torch

from schemas.batches import ClipOutput, EventOutput


class KeepPredictions(L.Callback):
    """Collects the outputs of a test epoch on the CPU, as one ClipOutput, `test`."""

    def __init__(self):
        self.test: ClipOutput | None = None
        self._parts: list[ClipOutput] = []

    def on_test_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._parts = []

    def on_test_batch_end(self, trainer, pl_module, outputs: ClipOutput, batch, batch_idx, dataloader_idx=0) -> None:
        self._parts.append(outputs)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        joined = (torch.cat([getattr(p, f) for p in self._parts]).cpu() for f in ("logits", "label", "clip_id"))
        self.test = ClipOutput(*joined)


class KeepEventScores(L.Callback):
    """Collects the scored events of a test epoch on the CPU.

    Attributes:
        nll: [n, D] nats.
        sequence_id: [n].
    """

    def __init__(self):
        self.nll = self.sequence_id = None
        self._parts: list[tuple[torch.Tensor, ...]] = []

    def on_test_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._parts = []

    def on_test_batch_end(self, trainer, pl_module, outputs: EventOutput, batch, batch_idx, dataloader_idx=0) -> None:
        at = outputs.scored
        sequence = outputs.sequence_id[:, None].expand_as(at)[at]
        self._parts.append((outputs.nll[at].cpu(), sequence.cpu()))

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.nll, self.sequence_id = (torch.cat(column) for column in zip(*self._parts, strict=True))
