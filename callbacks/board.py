"""The run's TensorBoard, where it has one, and its other loggers."""

from collections.abc import Mapping

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter


def board_of(trainer: L.Trainer) -> SummaryWriter | None:
    """The writer of the run's own events; None where TensorBoard is not logged to."""
    logger = next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)
    return logger and logger.experiment


def tell_loggers(trainer: L.Trainer, figures: Mapping[str, float], step: int) -> None:
    """Hands figures to every logger and to nothing else: no callback's metric, no row of metrics.csv."""
    for logger in trainer.loggers:
        logger.log_metrics(figures, step)


class GroupedTensorBoardLogger(TensorBoardLogger):
    """Lightning's own, but every scalar is in a group: the number of the epoch, which Lightning adds to all figures,
    stands beside the other settings of the step.

    Args:
        more: of Lightning's arguments any other, such as purge_step.
    """

    def __init__(self, save_dir: str, name: str, version: str, default_hp_metric: bool, **more):
        super().__init__(save_dir, name=name, version=version, default_hp_metric=default_hp_metric, **more)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        super().log_metrics({"optimisation/epoch" if n == "epoch" else n: v for n, v in metrics.items()}, step)
