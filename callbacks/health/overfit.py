"""A validation loss that rises while the training loss falls, and since when."""

import math
from statistics import median

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from callbacks.epoch_history import EpochHistory
from callbacks.health.check import HealthCheck
from schemas.findings import Finding, Severity

RISE = 0.10
"""Of validation's loss above its minimum, as a share of it."""
LEAST_RISE = 0.01
"""Nats: a loss near zero moves by more than a tenth of itself without meaning."""
VALIDATIONS = 5
"""How many in a row, up to now, have risen that far."""
WORSENED = 0.05
"""Of the monitored metric from its best, as a share: less is overconfidence, which costs nats and no hits."""


class Overfit(HealthCheck):
    """Warns when validation has become worse for five validations while training went on improving.

    A note where only the loss has: it rises by overconfidence while the monitored metric holds.

    Args:
        monitor: the metric that chooses the best epoch, such as `val/accuracy`.
        mode: whether less (`min`) or more (`max`) of it is better.
    """

    name = "overfit"

    def __init__(self, monitor: str, mode: str):
        super().__init__()
        self.monitor, self._less_is_better = monitor, mode == "min"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
        rows = [row for row in rows if all(math.isfinite(row.get(f"{s}/loss", math.nan)) for s in ("train", "val"))]
        # Without a validation in this epoch there is nothing new to say.
        if not rows or rows[-1]["epoch"] != trainer.current_epoch + 1:
            return
        least = min(rows, key=lambda row: row["val/loss"])
        recent = rows[-VALIDATIONS:]
        limit = least["val/loss"] + max(RISE * abs(least["val/loss"]), LEAST_RISE)
        if rows[-1]["val/loss"] <= limit:
            for key in list(self.found):
                self.clear(trainer, key)
        elif all(r["val/loss"] > limit for r in recent) and rows[-1]["train/loss"] < least["train/loss"]:
            self._say(trainer, rows, least)

    def _say(self, trainer: L.Trainer, rows: list[dict], least: dict) -> None:
        now, best = rows[-1], self._best(rows)
        figures, worse = "", False
        if best is not None:
            worse = self._worsened(rows, best)
            figures = (
                f" {self.monitor} is {now[self.monitor]:.3f}, its best was {best[self.monitor]:.3f} at epoch "
                f"{best['epoch']}."
            )
        gaps = [row["val/loss"] - row["train/loss"] for row in (least, now)]
        saw = (
            f"val/loss has risen since epoch {least['epoch']}, from {least['val/loss']:.3f} to {now['val/loss']:.3f}, "
            f"while train/loss fell from {least['train/loss']:.3f} to {now['train/loss']:.3f}: validation minus "
            f"training was {gaps[0]:.3f} and is {gaps[1]:.3f}.{figures}"
        )
        severity, key = (Severity.WARNING, "") if worse else (Severity.NOTE, "loss")
        if worse:
            self.found.pop("loss", None)  # the warning says all that the note said
        elif (known := self.found.get("")) is not None and known.until is None:
            return
        self.report(trainer, Finding(self.name, saw, self._remedy(trainer, best), severity, now["epoch"], key=key))

    def _remedy(self, trainer: L.Trainer, best: dict | None) -> str:
        saves_best = any(isinstance(c, ModelCheckpoint) and c.monitor == self.monitor for c in trainer.callbacks)
        file = f" best.ckpt is of epoch {best['epoch']}." if saves_best and best is not None else ""
        return f"More of datamodule.augment or model.dropout, a smaller model, or fewer epochs.{file}"

    def _best(self, rows: list[dict]) -> dict | None:
        monitored = [row for row in rows if math.isfinite(row.get(self.monitor, math.nan))]
        if not monitored or self.monitor not in rows[-1]:
            return None
        return (min if self._less_is_better else max)(monitored, key=lambda row: row[self.monitor])

    def _worsened(self, rows: list[dict], best: dict) -> bool:
        """By the median of the last validations: the best of many noisy figures is better than any one of them."""
        recent = median(row[self.monitor] for row in rows[-VALIDATIONS:] if self.monitor in row)
        lost = recent - best[self.monitor] if self._less_is_better else best[self.monitor] - recent
        return lost > WORSENED * abs(best[self.monitor])
