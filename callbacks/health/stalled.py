"""A training loss that does not move."""

import lightning as L
import numpy as np

from callbacks.epoch_history import EpochHistory
from callbacks.health.check import HealthCheck
from callbacks.provisional_verdict import verdict_of
from models.baselines.verdict import AT_CHANCE
from schemas.findings import Finding, Severity

NOISE = 3.0
"""Standard deviations of the epochs around their line: a line that changes by less over the window is flat. Of ten
epochs without a trend the change has a standard deviation of one of these."""
FLAT = 0.01
"""The share of the loss that a flat line may change by over the window."""
IMPROVED = 0.05
"""The share of the first epoch's loss by which a run that has learned lies below it."""
A_LITTLE = 0.01
"""From that share on a stall is a note: where an epoch is long, most is learned before its average is taken."""
LEARNED_ACCURACY = 0.95
"""Of training: a run that begins there, such as a fine-tuned one, has nowhere to go."""


class Stalled(HealthCheck):
    """Reports a training loss that has been flat within its noise and never clearly fell.

    Not where the provisional verdict says that the model is above chance: then all was learned in the first epoch.

    Args:
        epochs: the window, which includes the present epoch.
    """

    name = "stalled"

    def __init__(self, epochs: int = 10):
        super().__init__()
        self.epochs = max(3, epochs)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        rows = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
        rows = [row for row in rows if "train/loss" in row]
        losses = np.array([row["train/loss"] for row in rows], dtype=float)
        if len(losses) < self.epochs or not np.isfinite(losses).all():
            return
        window = losses[-self.epochs :]
        below = (losses[0] - window.mean()) / max(abs(losses[0]), 1e-12)
        verdict = verdict_of(trainer)
        learned = below >= IMPROVED or rows[-1].get("train/accuracy", 0.0) >= LEARNED_ACCURACY
        # Where an epoch is long all may have been learned in the first.
        learned = learned or (verdict is not None and verdict.level != AT_CHANCE)
        if learned or not is_flat(window):
            self.clear(trainer)
            return
        first = f"; that of the first epoch was {losses[0]:.4f}" if len(losses) > self.epochs else ""
        saw = (
            f"train/loss has not moved for {self.epochs} epochs: {window.mean():.4f}, give or take "
            f"{window.std(ddof=1):.4f}{first}. The learning rate is {rows[-1].get('lr', _rate(trainer)):g}."
        )
        remedy = "Try ten times more or less optimizer.lr, and look whether the targets belong to the inputs."
        severity = Severity.WARNING if below < A_LITTLE else Severity.NOTE
        self.report(trainer, Finding(self.name, saw, remedy, severity, trainer.current_epoch + 1))


def is_flat(losses: np.ndarray) -> bool:
    """Whether a line through the epochs' losses changes by less than their noise, and by less than 1 %."""
    at = np.arange(len(losses))
    slope, start = np.polyfit(at, losses, 1)
    change = abs(slope) * (len(losses) - 1)
    noise = np.sqrt(np.square(losses - start - slope * at).sum() / (len(losses) - 2))
    # Of equal losses, rounding leaves a slope and a noise of about 1e-16.
    tiny = 1e-9 * abs(losses).max()
    return bool(change <= max(NOISE * noise, tiny) and change <= max(FLAT * abs(losses.mean()), tiny))


def _rate(trainer: L.Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else float("nan")
