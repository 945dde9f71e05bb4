"""What simple models reach, as level lines in the same TensorBoard charts as the model's curves."""

from collections.abc import Mapping
from pathlib import Path

import lightning as L
from torch.utils.tensorboard import SummaryWriter

from callbacks.board import board_of
from callbacks.split_chart import step_of

Levels = Mapping[str, Mapping[str, float]]
"""Metric, as the LightningModule names it without its split -> baseline -> value."""


class BaselineLines(L.Callback):
    """Writes every baseline as a TensorBoard run of its own beside the model's, under the model's own tags.

    TensorBoard draws the same tag of several runs into one chart: `val/loss` then shows the curve and the lines that
    it has to pass.

    Attributes:
        levels: by split (`val`, `test`); set once the data are known, empty until then.
    """

    def __init__(self):
        self.levels: Mapping[str, Levels] = {}
        self._writers: dict[str, SummaryWriter] = {}

    @property
    def columns(self) -> dict[str, float]:
        """The levels of validation as constant columns of metrics.csv: `val/<metric>/<baseline>`."""
        levels = self.levels.get("val", {})
        return {f"val/{metric}/{name}": value for metric, named in levels.items() for name, value in named.items()}

    def _write(self, trainer: L.Trainer, split: str) -> None:
        board = board_of(trainer)
        if board is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        # Where Lightning puts the figures of an epoch, and of the test behind the last: a writer of the test purges
        # what a run that was cut off had written from there on, and no validation.
        step = trainer.global_step if split == "test" else step_of(trainer)
        for metric, named in self.levels.get(split, {}).items():
            for name, value in named.items():
                if name not in self._writers:
                    self._writers[name] = SummaryWriter(Path(board.log_dir) / f"baseline {name}", purge_step=step)
                self._writers[name].add_scalar(f"{split}/{metric}", value, step)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer, "test")

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def columns_of(trainer: L.Trainer) -> dict[str, float]:
    """The baselines' columns for metrics.csv; empty where none are drawn."""
    return next((c.columns for c in trainer.callbacks if isinstance(c, BaselineLines)), {})
