"""Keeps what the net said of every clip of an evaluation."""

import lightning as L
import torch

from schemas.batches import ClipOutput


class KeepPredictions(L.Callback):
    """Collects the outputs of the last validation and test epochs on the CPU, as one ClipOutput each."""

    def __init__(self):
        self.outputs: dict[str, ClipOutput] = {}
        self._parts: list[ClipOutput] = []

    def on_validation_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._parts = []

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self, trainer, pl_module, outputs: ClipOutput, batch, batch_idx, dataloader_idx=0
    ) -> None:
        self._parts.append(ClipOutput(outputs.logits.cpu(), outputs.label.cpu(), outputs.clip_id.cpu()))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.outputs["val"] = self._joined()

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.outputs["test"] = self._joined()

    def _joined(self) -> ClipOutput:
        return ClipOutput(*(torch.cat([getattr(p, f) for p in self._parts]) for f in ("logits", "label", "clip_id")))
