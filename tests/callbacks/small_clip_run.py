"""A run over a small store whose net says what a table tells it to: fixed logits for every clip."""

from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader

from callbacks.predictions import KeepPredictions
from datamodules.skeletons.store import ClipStore
from schemas.batches import ClipBatch, ClipOutput
from schemas.clips import ClipSchema


class Rows(torch.utils.data.Dataset):
    def __init__(self, store: ClipStore, rows: np.ndarray):
        self.store, self.rows = store, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> ClipBatch:
        return self.store.gather(self.rows[indices])


class SmallData(L.LightningDataModule):
    def __init__(self, store: ClipStore):
        super().__init__()
        self.store, self.schema = store, ClipSchema(store.skeleton, store.classes, 3)
        self.rows = {split: store.rows(split) for split in ("train", "val", "test")}

    def _loader(self, split: str) -> DataLoader:
        return DataLoader(Rows(self.store, self.rows[split]), batch_size=4, collate_fn=lambda batch: batch)

    def train_dataloader(self) -> DataLoader:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")


class Told(L.LightningModule):
    """Row `clip_id` of a table goes through a linear layer that changes nothing."""

    def __init__(self, logits: torch.Tensor):
        super().__init__()
        self.register_buffer("table", logits)
        self.net = nn.Sequential(nn.Linear(logits.shape[1], logits.shape[1], bias=False))
        nn.init.eye_(self.net[0].weight)

    def training_step(self, batch: ClipBatch, batch_index: int) -> torch.Tensor:
        return self.net(self.table[batch.clip_id]).sum()

    def _said(self, batch: ClipBatch) -> ClipOutput:
        return ClipOutput(self.net(self.table[batch.clip_id]), batch.label, batch.clip_id)

    def validation_step(self, batch: ClipBatch, batch_index: int) -> ClipOutput:
        self.log("val/loss", float(self.trainer.current_epoch), batch_size=batch.size)  # the first epoch is the best
        return self._said(batch)

    def test_step(self, batch: ClipBatch, batch_index: int) -> ClipOutput:
        return self._said(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), lr=0.0)


def small_trainer(folder: Path, *callbacks: L.Callback, board: bool = True, **settings) -> L.Trainer:
    """A trainer whose keeper stands before the callbacks, as in a run."""
    return L.Trainer(
        callbacks=[KeepPredictions("val/loss", True), *callbacks],
        logger=TensorBoardLogger(folder, name="", version="board") if board else False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        **{"max_epochs": 1, "num_sanity_val_steps": 1, "limit_train_batches": 1} | settings,
    )


def logits_of(store: ClipStore, wrong: dict[int, tuple[int, float]], sure: float = 4.0) -> torch.Tensor:
    """[clips, K]: the true class has `sure`, but clips of `wrong` say another class with the logit given there."""
    logits = torch.zeros(len(store), len(store.classes))
    logits[torch.arange(len(store)), torch.from_numpy(np.array(store.labels, dtype=np.int64))] = sure
    for row, (said, height) in wrong.items():
        logits[row] = 0.0
        logits[row, said] = height
    return logits


def board_in(folder: Path) -> EventAccumulator:
    """What a run wrote, pictures and texts included."""
    return EventAccumulator(str(folder / "board"), size_guidance={"images": 0, "tensors": 0}).Reload()
