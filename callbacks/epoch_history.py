"""One row an epoch: kept for the checkpoint and written to metrics.csv."""

import csv
import io
import time
from pathlib import Path

import lightning as L

from callbacks.baseline_lines import columns_of
from storage import atomic


class EpochHistory(L.Callback):
    """Collects the metrics of every epoch (counted from 1), with its learning rate and seconds.

    Args:
        path: the CSV file, rewritten whole at every epoch's end, or None to keep the rows in memory only.
    """

    def __init__(self, path: str | None):
        self.path = path and Path(path)
        self.rows: list[dict[str, float]] = []
        self._started = 0.0
        self._validated = False

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validated = True

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started, self._validated = time.perf_counter(), False
        # Loggers get it step by step from `callbacks.optimisation`.
        pl_module.log("lr", trainer.optimizers[0].param_groups[0]["lr"], logger=False)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning keeps the last validation's figures through epochs that have none of their own.
        known = {n: v for n, v in trainer.callback_metrics.items() if self._validated or not n.startswith("val/")}
        metrics = {name: float(value) for name, value in known.items()}
        row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self.rows.append(row | dict(sorted(metrics.items())) | {"seconds": time.perf_counter() - self._started})
        if self.path is not None and trainer.is_global_zero:
            self._write(columns_of(trainer))

    def _write(self, levels: dict[str, float]) -> None:
        """Each row with the levels of the baselines, which are the same in all and stand in the file only."""
        columns = [*dict.fromkeys(name for row in self.rows for name in row), *levels]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | levels for row in self.rows)
        atomic.write_text(self.path, text.getvalue())

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # A run that goes on: what was written after the checkpoint is not what happened.
        if self.rows and self.path is not None and trainer.is_global_zero:
            self._write(columns_of(trainer))

    def state_dict(self) -> dict:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict) -> None:
        self.rows = state_dict["rows"]
