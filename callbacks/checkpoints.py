"""Checkpoints by the calendar, besides the best."""

from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Checkpoint


class LastAndEvery(Checkpoint):
    """Saves `last.ckpt` at every epoch's end, and `epoch_25.ckpt`, `epoch_50.ckpt` ... named by the epochs seen.

    Lightning's own `save_last` writes last.ckpt only when another checkpoint is due. As a Checkpoint it runs after
    all other callbacks, so that what it saves includes their view of the epoch.
    """

    def __init__(self, dirpath: str, every_n_epochs: int):
        self.dirpath, self.every_n_epochs = Path(dirpath), every_n_epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.fast_dev_run:
            return
        seen = trainer.current_epoch + 1
        trainer.save_checkpoint(self.dirpath / "last.ckpt")
        if seen % self.every_n_epochs == 0:
            trainer.save_checkpoint(self.dirpath / f"epoch_{seen}.ckpt")
