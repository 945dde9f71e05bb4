"""Checkpoints by the calendar, besides the best and the last."""

from pathlib import Path

import lightning as L


class EveryEpochs(L.Callback):
    """Saves `epoch_25.ckpt`, `epoch_50.ckpt` ...: named by how many epochs the net has seen."""

    def __init__(self, dirpath: str, every_n_epochs: int):
        self.dirpath, self.every_n_epochs = Path(dirpath), every_n_epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        seen = trainer.current_epoch + 1
        if seen % self.every_n_epochs == 0 and not trainer.fast_dev_run:
            trainer.save_checkpoint(self.dirpath / f"epoch_{seen}.ckpt")
