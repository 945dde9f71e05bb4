"""A module that learns in a few steps, its clips, and short fits in which something may be wrong.

Legend: B clips, C channels, K classes.
"""

from types import SimpleNamespace

import lightning as L
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from callbacks.epoch_history import EpochHistory
from callbacks.predictions import KeepPredictions
from schemas.batches import ClipBatch, ClipOutput

B, C, K = 8, 4, 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(C, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
        self.head = nn.Linear(16, K)

    def forward(self, x_BC):
        return self.head(self.encoder(x_BC))


class Small(L.LightningModule):
    """Classifies clips of one frame and one joint; SGD unless told otherwise."""

    def __init__(self, net: nn.Module | None = None, lr: float = 0.1, optimizer=torch.optim.SGD, schedule=None):
        super().__init__()
        self.net = Net() if net is None else net
        self.lr, self.optimizer, self.schedule = lr, optimizer, schedule

    def _losses(self, batch: ClipBatch):
        logits_BK = self.net(batch.joints[:, 0, 0]).float()
        return logits_BK, cross_entropy(logits_BK, batch.label)

    def training_step(self, batch, batch_index):
        _, loss = self._losses(batch)
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=batch.size)
        return loss

    def validation_step(self, batch, batch_index):
        logits_BK, loss = self._losses(batch)
        accuracy = (logits_BK.argmax(1) == batch.label).float().mean()
        self.log_dict({"val/loss": loss, "val/accuracy": accuracy}, batch_size=batch.size)
        return ClipOutput(logits_BK, batch.label, batch.clip_id)

    def configure_optimizers(self):
        optimizer = self.optimizer([p for p in self.parameters() if p.requires_grad], lr=self.lr)
        if self.schedule is None:
            return optimizer
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule[1])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": self.schedule[0]}}


class Clips(L.LightningDataModule):
    """`train` and `val` batches of clips whose class shows in their channels; ids are `clip000`, `clip001`, ..."""

    def __init__(self, train: int = 6, val: int = 4):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        number = (train + val) * B
        label = torch.arange(number) % K
        joints = torch.randn(number, 1, 1, C, generator=generator) * 0.5
        joints[:, 0, 0, :K] += 2 * torch.eye(K)[label]
        rows = torch.arange(number).split(B)
        visible, length = torch.ones(B, 1, 1, dtype=torch.bool), torch.ones(B, dtype=torch.long)
        batches = [ClipBatch(joints[row], visible, length, label[row], row) for row in rows]
        self.parts = {"train": batches[:train], "val": batches[train:]}
        self.store = SimpleNamespace(ids=[f"clip{row:03d}" for row in range(number)])
        self.schema = SimpleNamespace(classes=("wave", "nod", "point"), num_classes=K)

    def _loader(self, split: str) -> DataLoader:
        return DataLoader(self.parts[split], batch_size=None)

    def train_dataloader(self):
        return self._loader("train")

    def val_dataloader(self):
        return self._loader("val")


def fit(module: L.LightningModule, *checks: L.Callback, data: L.LightningDataModule | None = None, **settings):
    """A whole fit on the CPU with the keeper and the history before the checks; returns the Trainer."""
    settings = {"max_epochs": 2, "ckpt_path": None} | settings
    checkpoint = settings.pop("ckpt_path")
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(c, L.pytorch.callbacks.Checkpoint) for c in checks),
        callbacks=[KeepPredictions("val/loss", True), EpochHistory(None), *checks],
        **settings,
    )
    trainer.fit(module, datamodule=data or Clips(), ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    return trainer


class Scripted(Small):
    """Logs given figures: metric -> one value an epoch, None where that epoch has none."""

    def __init__(self, figures: dict[str, list[float]], **settings):
        super().__init__(**settings)
        self.figures = figures

    def _log_script(self, split: str) -> None:
        for name, values in self.figures.items():
            if name.startswith(split):
                self.log(name, torch.tensor(values[self.current_epoch]), on_step=False, on_epoch=True, batch_size=B)

    def training_step(self, batch, batch_index):
        self._log_script("train/")
        return self._losses(batch)[1]

    def validation_step(self, batch, batch_index):
        self._log_script("val/")
        return ClipOutput(self._losses(batch)[0], batch.label, batch.clip_id)
