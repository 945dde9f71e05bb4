"""A tiny event predictor, trained and tested for a few steps with a TensorBoard of its own."""

from functools import partial
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from lightning_modules.event_prediction import EventPrediction
from lightning_modules.schedules import Schedule, constant
from models.event_predictor.predictor import EventPredictor
from schemas.events import EventSchema
from tests.models.event_predictor.conftest import DEFAULTS, random_batch


class Windows(L.LightningDataModule):
    """The same two batches of random windows in every split, some of their targets not scored."""

    def __init__(self, schema: EventSchema):
        super().__init__()
        self.schema = schema
        self.batches = [random_batch(schema, seed=seed) for seed in (0, 1)]
        for batch in self.batches:
            batch.scored &= torch.rand(batch.scored.shape) > 0.3

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.batches, batch_size=None)

    val_dataloader = test_dataloader = train_dataloader


def module_of(schema: EventSchema, lr: float = 0.0, **options) -> EventPrediction:
    torch.manual_seed(1)
    return EventPrediction(
        net=EventPredictor(schema, **{**DEFAULTS, **options}),
        field_names=schema.dynamic_names,
        chained=options.get("heads") == "chained",
        loss_weights={},
        optimizer=partial(torch.optim.SGD, lr=lr),
        schedule=Schedule(constant, "epoch", None, "auto"),
        lr_scale={},
    )


def train(folder: Path, module: EventPrediction, data: Windows, *callbacks: L.Callback, **settings) -> L.Trainer:
    """Fits and tests."""
    trainer = L.Trainer(
        **{"logger": TensorBoardLogger(folder, name="", version="board"), "max_epochs": 3, **settings},
        default_root_dir=folder,
        callbacks=[*callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        accelerator="cpu",
    )
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)
    return trainer


class Board(EventAccumulator):
    """What was written; all of it."""

    def __init__(self, folder: Path):
        super().__init__(str(folder / "board"), {"images": 0, "scalars": 0})
        self.Reload()

    def pictures(self, group: str) -> dict[str, list[int]]:
        """Tag -> the steps of its pictures."""
        tags = [tag for tag in self.Tags()["images"] if tag.startswith(f"{group}/")]
        return {tag: [picture.step for picture in self.Images(tag)] for tag in tags}
