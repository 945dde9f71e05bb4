"""A loss worse than that of guessing: every value equally likely, whatever came before."""

import math

import lightning as L

from callbacks.health.several import SeveralCheck
from schemas.findings import Finding

MARGIN = 1.005
"""Times the level: a run that sits on it, give or take noise, is not worse."""
EARLY_STEPS, EARLY_MARGIN = 100, 1.05
"""Before that many optimizer steps a net may still stand where its random weights put it, a little above the level."""


class WorseThanUniform(SeveralCheck):
    """Reports losses of training and validation that both lie above the uniform guess at an epoch's end.

    Training's average begins at the initial weights, so it accuses nobody without validation in the first epoch.

    Attributes:
        levels: by metric without its split (`loss`, `ce/carrier`) the nats of a uniform guess; set before the fit.
    """

    name = "uniform"

    def __init__(self):
        super().__init__()
        self.levels: dict[str, float] = {}
        self._validated = self._begun = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begun = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Figures of an earlier validation stay in callback_metrics; they say nothing of this epoch.
        validates = trainer.enable_validation and sum(trainer.num_val_batches) > 0
        judged = self._validated if validates else self._begun
        self._validated, self._begun = False, True
        if judged and not trainer.fast_dev_run:
            worse = self._worse(trainer)
            self.update(trainer, list(worse), lambda new, key: self._finding(trainer, worse, new, key))

    def _worse(self, trainer: L.Trainer) -> dict[str, str]:
        margin = EARLY_MARGIN if trainer.global_step < EARLY_STEPS else MARGIN
        worse, metrics = {}, trainer.callback_metrics
        for suffix, level in self.levels.items():
            splits = {split: f"{split}/{suffix}" for split in ("train", "val")}
            values = {split: float(metrics[name]) for split, name in splits.items() if name in metrics}
            if values and min(values.values()) > margin * level:
                figures = " and ".join(f"{value:.3f} ({split})" for split, value in values.items())
                worse[suffix] = f"{suffix.split('/', 1)[-1]} {figures} against {_as_logarithm(level)}"
        return worse

    def _finding(self, trainer: L.Trainer, worse: dict[str, str], new: list[str], key: str) -> Finding:
        saw = f"worse than guessing uniformly: {'; '.join(worse[suffix] for suffix in new)} nats."
        remedy = "Nothing was learned: look at optimizer.lr, at the targets and at what the loss is computed from."
        return Finding(self.name, saw, remedy, epoch=trainer.current_epoch + 1, key=key)


def _as_logarithm(level: float) -> str:
    """`ln 4 = 1.386`; a mean over fields is the logarithm of no whole number."""
    values = round(math.exp(level)) if level < 20 else 0
    whole = values > 0 and abs(math.log(values) - level) < 1e-4 / values
    return f"{f'ln {values:,} = ' if whole else ''}{level:.3f}"
