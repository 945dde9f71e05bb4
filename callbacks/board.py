"""The run's TensorBoard, where it has one."""

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter


def board_of(trainer: L.Trainer) -> SummaryWriter | None:
    """The writer of the run's own events; None where TensorBoard is not logged to."""
    logger = next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)
    return logger and logger.experiment
