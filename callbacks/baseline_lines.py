"""What simple models reach, as level lines in the same TensorBoard charts as the model's curves."""

import time
from collections.abc import Mapping
from pathlib import Path

import lightning as L
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from callbacks.board import board_of
from callbacks.split_chart import step_of

Levels = Mapping[str, Mapping[str, float]]
"""Metric, as the LightningModule names it without its split -> baseline -> value."""


class BaselineLines(L.Callback):
    """Writes every baseline as a TensorBoard run of its own beside the model's, under the model's own tags.

    TensorBoard draws the same tag of several runs into one chart: `val/loss` then shows the curve and the lines that
    it has to pass.

    All that a process writes of a baseline, validation and test, is in one file. TensorBoard reads a run's files in the
    order of their names, which is not that of writing where SummaryWriter makes two within a second; a purge at the
    head of the first then takes the points of the second.

    Attributes:
        levels: by split (`val`, `test`); set once the data are known, empty until then.
    """

    def __init__(self):
        self.levels: Mapping[str, Levels] = {}
        self._files: dict[Path, Path] = {}
        """A baseline's folder -> the file that this process writes there."""

    @property
    def columns(self) -> dict[str, float]:
        """The levels of validation as constant columns of metrics.csv: `val/<metric>/<baseline>`."""
        levels = self.levels.get("val", {})
        return {f"val/{metric}/{name}": value for metric, named in levels.items() for name, value in named.items()}

    def _write(self, trainer: L.Trainer, split: str) -> None:
        board = board_of(trainer)
        if board is None or trainer.sanity_checking or not trainer.is_global_zero:
            return
        # Where Lightning puts the figures of an epoch, and of the test behind the last.
        step = trainer.global_step if split == "test" else step_of(trainer)
        points: dict[str, list[Summary.Value]] = {}
        for metric, named in self.levels.get(split, {}).items():
            for name, value in named.items():
                points.setdefault(name, []).append(Summary.Value(tag=f"{split}/{metric}", simple_value=value))
        for name, values in points.items():
            self._append(Path(board.log_dir) / f"baseline {name}", step, Summary(value=values))

    def _append(self, folder: Path, step: int, points: Summary) -> None:
        now = time.time()
        events = [Event(wall_time=now, step=step, summary=points)]
        if folder not in self._files:
            folder.mkdir(parents=True, exist_ok=True)
            self._files[folder] = folder / f"events.out.tfevents.{time.time_ns()}"
            # A run that was cut off may have written points from here on: a start purges them.
            purge = Event(wall_time=now, step=step, session_log=SessionLog(status=SessionLog.START))
            events = [Event(wall_time=now, file_version="brain.Event:2"), purge, *events]
        # Opened and closed each time: nothing is lost with the process, and no writer is left open without a test.
        with self._files[folder].open("ab") as file:
            records = RecordWriter(file)
            for event in events:
                records.write(event.SerializeToString())

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer, "val")

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer, "test")


def columns_of(trainer: L.Trainer) -> dict[str, float]:
    """The baselines' columns for metrics.csv; empty where none are drawn."""
    return next((c.columns for c in trainer.callbacks if isinstance(c, BaselineLines)), {})
