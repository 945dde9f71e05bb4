"""How fast training goes, and how much of that time it waits for data.

Lightning's ThroughputMonitor waits for the GPU after every batch and knows nothing of the data; this one counts.
"""

import time
from contextlib import AbstractContextManager, nullcontext

import lightning as L
import torch
from lightning.pytorch.profilers import PassThroughProfiler, Profiler

from callbacks.board import tell_loggers
from schemas.batches import ClipBatch, EventBatch

FETCHING = "[_TrainingEpochLoop].train_dataloader_next"
"""What Lightning calls the fetching of a training batch, when it tells a profiler."""
UNPROFILED = nullcontext()


class FetchClock:
    """Stands before the Trainer's profiler and keeps the seconds in which training batches were fetched."""

    def __init__(self, profiler: Profiler):
        self.profiler, self.seconds, self._since = profiler, 0.0, 0.0

    def start(self, action_name: str) -> None:
        self._since = time.perf_counter() if action_name == FETCHING else self._since
        self.profiler.start(action_name)

    def stop(self, action_name: str) -> None:
        self.profiler.stop(action_name)
        if action_name == FETCHING:
            self.seconds += time.perf_counter() - self._since

    def profile(self, action_name: str) -> AbstractContextManager:
        # Asked for every hook of every callback, over a hundred times a step, nearly always for nothing.
        return UNPROFILED if type(self.profiler) is PassThroughProfiler else self.profiler.profile(action_name)

    def __getattr__(self, name: str) -> object:
        return getattr(self.profiler, name)


class Throughput(L.Callback):
    """Logs, of the training part of every epoch and straight to the loggers: `speed/clips_per_second` (of events:
    scored `speed/events_per_second`), `speed/steps_per_second` and `speed/waiting_for_data`, a share of 0 to 1.

    Validation is left out of the time. What differs from machine to machine enters no metrics.csv and no checkpoint.
    """

    def __init__(self):
        self._clock: FetchClock | None = None
        self._unit, self._items = "", torch.zeros(())
        self._steps, self._started, self._trained, self._aside, self._waited = 0, 0.0, 0.0, 0.0, 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit" and trainer.loggers:
            self._clock = trainer.profiler = FetchClock(trainer.profiler)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self._clock is not None:
            trainer.profiler, self._clock = self._clock.profiler, None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._clock is not None:
            self._items, self._steps = torch.zeros((), device=pl_module.device), trainer.global_step
            self._trained, self._aside, self._waited, self._clock.seconds = 0.0, 0.0, 0.0, 0.0
            self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module, outputs, batch: ClipBatch | EventBatch, batch_idx: int
    ) -> None:
        if self._clock is not None:
            events = isinstance(batch, EventBatch)
            self._unit = "events" if events else "clips"
            self._items += batch.scored.sum() if events else batch.size  # read at the epoch's end: a GPU runs on
            self._trained = time.perf_counter() - self._started - self._aside
            self._waited = self._clock.seconds

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._aside -= time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._aside += time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._clock is None or not self._trained > 0:
            return
        # Every device is taken to have had as much as the first.
        figures = {
            f"speed/{self._unit}_per_second": float(self._items) * trainer.world_size / self._trained,
            "speed/steps_per_second": (trainer.global_step - self._steps) / self._trained,
            "speed/waiting_for_data": self._waited / self._trained,
        }
        tell_loggers(trainer, figures, max(trainer.global_step - 1, 0))  # where Lightning puts an epoch's figures
