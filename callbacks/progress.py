"""Telling a person how far a run is and when it will end."""

import statistics
import time
from datetime import datetime, timedelta

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from rich import get_console
from rich.console import Console

WARM_UP_STEPS, TIMED_STEPS = 5, 20
HOUR = 3600.0


def _shown(trainer: L.Trainer) -> dict[str, float]:
    """The few figures that fit beside a bar."""
    figures = {n: float(v) for n, v in trainer.callback_metrics.items() if n.endswith(("/loss", "/accuracy"))}
    return dict(sorted(figures.items()))


class ProgressBar(RichProgressBar):
    """Lightning's Rich bar, epochs counted from 1, with the losses and accuracies of the last whole epoch."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, str]:
        return {name: f"{value:.3f}" for name, value in _shown(trainer).items()}

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"


class EpochLines(L.Callback):
    """A line an epoch, for logs and pipes, where a progress bar cannot be drawn."""

    def __init__(self, console: Console):
        self.console = console

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        figures = "  ".join(f"{name} {value:.3f}" for name, value in _shown(trainer).items())
        self.console.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {figures}", soft_wrap=True)


def progress_bar(console: Console | None = None) -> L.Callback:
    """Rich's bar on a terminal, a line an epoch elsewhere."""
    console = console or get_console()
    return ProgressBar() if console.is_terminal else EpochLines(console)


class EstimatedEnd(L.Callback):
    """After 20 training steps says when the run will end, and names a smaller one where that is far off on a CPU."""

    def __init__(self):
        self._started = 0.0
        self._seconds: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch, batch_idx: int) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs, batch, batch_idx) -> None:
        if len(self._seconds) == TIMED_STEPS:
            return
        self._seconds.append(time.perf_counter() - self._started)
        if len(self._seconds) == TIMED_STEPS and trainer.is_global_zero:
            a_step = statistics.median(self._seconds[WARM_UP_STEPS:])
            self._announce(trainer, a_step * (self._steps(trainer) - TIMED_STEPS))

    @staticmethod
    def _steps(trainer: L.Trainer) -> float:
        # A validation batch costs about a third of a training one: no backward pass.
        validation = sum(trainer.num_val_batches) if trainer.enable_validation else 0
        steps = trainer.num_training_batches + validation / 3
        return min(steps * trainer.max_epochs, trainer.max_steps if trainer.max_steps > 0 else float("inf"))

    @staticmethod
    def _announce(trainer: L.Trainer, seconds: float) -> None:
        if not 0 <= seconds < float("inf"):
            return
        end = datetime.now() + timedelta(seconds=seconds)
        text = f"Estimated end {end:%H:%M} on {end:%a %d %b}, in {_in_words(seconds)}."
        if seconds > HOUR and trainer.strategy.root_device.type == "cpu":
            text += " That is long for a CPU: `experiment=quickstart` and `model=event_predictor` learn in minutes."
        get_console().print(text)


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 1.5 * HOUR else f"{seconds / HOUR:.1f} h"
