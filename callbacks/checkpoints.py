"""Checkpoints by the calendar, besides the best."""

from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.types import LRSchedulerConfig


class LastAndEvery(Checkpoint):
    """Saves `last.ckpt` at every epoch's end, and `epoch_25.ckpt`, `epoch_50.ckpt` ... named by the epochs seen.

    Lightning's own `save_last` writes last.ckpt only when another checkpoint is due. As a Checkpoint it runs after
    all other callbacks, so that what it saves includes their view of the epoch. A plateau schedule alone steps behind
    it: a run that goes on makes up for that step.
    """

    def __init__(self, dirpath: str, every_n_epochs: int):
        self.dirpath, self.every_n_epochs = Path(dirpath), every_n_epochs
        self._monitored: dict[str, float] = {}
        self._owed: dict[str, float] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for config in _plateaus(trainer):
            if config.monitor in self._owed:
                progress = trainer.fit_loop.epoch_loop.scheduler_progress
                progress.increment_ready()
                config.scheduler.step(self._owed[config.monitor])
                progress.increment_completed()
        self._owed = {}

    def state_dict(self) -> dict:
        return {"monitored": self._monitored}

    def load_state_dict(self, state_dict: dict) -> None:
        self._owed = state_dict["monitored"]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.fast_dev_run:
            return
        seen, known = trainer.current_epoch + 1, trainer.callback_metrics
        self._monitored = {c.monitor: float(known[c.monitor]) for c in _plateaus(trainer) if c.monitor in known}
        trainer.save_checkpoint(self.dirpath / "last.ckpt")
        if seen % self.every_n_epochs == 0:
            trainer.save_checkpoint(self.dirpath / f"epoch_{seen}.ckpt")


def _plateaus(trainer: L.Trainer) -> list[LRSchedulerConfig]:
    return [config for config in trainer.lr_scheduler_configs if config.reduce_on_plateau]
