"""Says during training whether the model has learned anything yet, and beside what."""

import math
from collections.abc import Callable

import lightning as L
from rich import get_console
from rich.markup import escape

from callbacks.board import board_of
from callbacks.predictions import kept_of
from models.baselines.verdict import AT_CHANCE, BEATS_BEST, Verdict

COLOURS = {AT_CHANCE: "red", BEATS_BEST: "green"}
"""The rest is yellow."""


class ProvisionalVerdict(L.Callback):
    """Judges every validation; prints and logs the verdict whenever its level changes.

    Attributes:
        judge: from (what the net said, the number of looks) to a verdict, or None where there is nothing to pair;
            set once the baselines are known.
        verdict: the newest.
    """

    def __init__(self):
        self.judge: Callable[[object, int], Verdict | None] | None = None
        self.verdict: Verdict | None = None

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.judge is None or trainer.sanity_checking or (kept := kept_of(trainer)) is None:
            return
        before, self.verdict = self.verdict, self.judge(kept, looks_of(trainer))
        if self.verdict is None or not trainer.is_global_zero or (before and before.level == self.verdict.level):
            return
        line = f"epoch {trainer.current_epoch + 1}: {self.verdict.sentence}"
        get_console().print(f"[{colour(self.verdict.level)}]verdict[/] {escape(line)}", highlight=False)
        if board := board_of(trainer):
            board.add_text("verdict", line, trainer.global_step)


LOOKS = 1_000
"""Of a run whose end is not known."""


def looks_of(trainer: L.Trainer) -> int:
    """How often validation is looked at in the whole run, in which it may be several times an epoch."""
    steps, between = trainer.num_training_batches, trainer.val_check_batch
    in_epoch = steps / between if 0 < between < float("inf") and 0 < steps < float("inf") else 1
    if not (trainer.max_epochs or 0) > 0:
        return LOOKS
    return max(math.ceil(in_epoch * trainer.max_epochs / (trainer.check_val_every_n_epoch or 1)), 1)


def colour(level: str) -> str:
    """How a terminal shows a verdict's level."""
    return COLOURS.get(level, "yellow")


def verdict_of(trainer: L.Trainer) -> Verdict | None:
    """The newest provisional verdict of a run."""
    return next((c.verdict for c in trainer.callbacks if isinstance(c, ProvisionalVerdict)), None)
