"""A run whose loss is no longer a number ends."""

import math

import lightning as L

from schemas.errors import ExperimentError


class StopWhenNotFinite(L.Callback):
    """Ends the run at the first epoch whose training or validation loss is not finite.

    It runs before the checkpoints are written, so the best and the last of them are of finite epochs.

    Raises:
        ExperimentError: naming the epoch and what to try.
    """

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        losses = {n: float(v) for n, v in trainer.callback_metrics.items() if n in ("train/loss", "val/loss")}
        if bad := [name for name, value in losses.items() if not math.isfinite(value)]:
            raise ExperimentError(
                f"{' and '.join(bad)} is not a finite number",
                where=f"epoch {trainer.current_epoch + 1}",
                remedy="Lower optimizer.lr, warm up (scheduler=warmup_cosine) or try precision=fp32.",
            )
