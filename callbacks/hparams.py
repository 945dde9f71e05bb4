"""The run as a row of TensorBoard's HParams: what was set, and what came of it.

The row is a TensorBoard run of its own, `result`, inside the run's. TensorBoard keeps the first of several endings of
a row, so that a run that was cut off and went on needs new files; and it takes a table's columns from what it finds in
all rows, where a list of them, written by one run of a sweep, would hide what only another one has. Its metrics are
then the scalars of that run: the figures of the best epoch, and never a -1 in place of one.
"""

import math
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.metadata import (
    NULL_TENSOR,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
    create_summary_metadata,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from torch.utils.tensorboard import SummaryWriter

from callbacks.board import board_of

RESULT = "result"
"""The folder of what is said of the run as a whole, in its TensorBoard folder."""


class HParams(L.Callback):
    """Begins the run's row when training begins; one that was there, of the same run cut off, is replaced.

    Args:
        folder: the run's, relative to that of all runs.
        values: numbers, texts and booleans by name; every other logger is told them as well.
    """

    def __init__(self, folder: str, values: Mapping[str, bool | float | str]):
        self.name, self.values = row_name(folder), values

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(dict(self.values))
        if (board := board_of(trainer)) is not None:
            self._begin_row(board)

    def _begin_row(self, board: SummaryWriter) -> None:
        folder = Path(board.log_dir) / RESULT
        shutil.rmtree(folder, ignore_errors=True)
        start = SessionStartInfo(group_name=self.name, start_time_secs=time.time())
        for name, value in self.values.items():
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(start.hparams[name], f"{kind}_value", value)
        with SummaryWriter(folder) as writer:
            _add(writer, SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def row_name(folder: str) -> str:
    """The parts of a run's folder, the innermost first and of its own the date last: TensorBoard shows some 14 letters.

    All of them are there, because rows of one name would be one row.
    """
    *outer, own = Path(folder).parts or ("run",)
    date, _, rest = own.partition("_")
    if rest and re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        return ", ".join([rest, *reversed(outer), date])
    return ", ".join([own, *reversed(outer)])


def end_row(writer: SummaryWriter, succeeded: bool, figures: Mapping[str, float], step: int) -> None:
    """Ends the row of a run.

    Args:
        writer: of the folder RESULT.
        succeeded: whether the run came to its end; the row of one that did not shows as failed.
        figures: tag -> value, the columns of the row; those that are not finite are left out.
        step: of the figures.
    """
    for tag, value in figures.items():
        if math.isfinite(value):
            writer.add_scalar(tag, value, step)
    end = SessionEndInfo(status=STATUS_SUCCESS if succeeded else STATUS_FAILURE, end_time_secs=time.time())
    _add(writer, SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _add(writer: SummaryWriter, tag: str, content: HParamsPluginData) -> None:
    value = Summary.Value(tag=tag, metadata=create_summary_metadata(content), tensor=NULL_TENSOR)
    writer.file_writer.add_summary(Summary(value=[value]))
