"""When a picture of a split is drawn: one rule for all of them."""

import time

import lightning as L

from callbacks.predictions import KeepPredictions
from schemas.batches import ClipOutput

SHARE, AT_FIRST = 0.002, 0.2
"""Of the training so far, what the pictures of one kind may take before the end; seconds that the first may need."""


class SplitChart(L.Callback):
    """Calls `draw` after some epochs, at the end of training and after the test.

    Before the end only where a picture is worth its time: in a run of a minute there are none. Nothing is drawn in a
    fast_dev_run, in a sanity check or by another process than the first.

    Args:
        every_n_epochs: how often validation is drawn before the end; None is not at all.
    """

    def __init__(self, every_n_epochs: int | None):
        self.every_n_epochs = every_n_epochs
        self._new = self._validated = False
        self._epoch = 0
        self._began, self._spent, self._last = 0.0, 0.0, AT_FIRST

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        """Draws one split.

        Args:
            split: `val` or `test`.
            output: what `seen_in` gives.
            last: whether this split will not be drawn again.
        """
        raise NotImplementedError

    def seen_in(self, trainer: L.Trainer, split: str, last: bool) -> ClipOutput | object | None:
        """What is drawn of a split, here what the net said of its clips, at the end of training in the best epoch; None
        where there is nothing to draw."""
        keeper = keeper_of(trainer)
        if keeper is not None and split == "val" and last and keeper.best is not None:
            return keeper.best
        return keeper and getattr(keeper, split)

    def title(self, trainer: L.Trainer, split: str, last: bool) -> str:
        """Split and epoch of what is drawn."""
        if split == "test":
            return "test"
        keeper = keeper_of(trainer)
        if last and keeper is not None and keeper.best is not None:
            return f"validation, epoch {keeper.best_epoch}, the best"
        return f"validation, epoch {self._epoch}"

    def _draw(self, trainer: L.Trainer, split: str, last: bool) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:
            return
        before = time.perf_counter()
        if not last and self._spent + self._last > SHARE * (before - self._began):
            return
        if (output := self.seen_in(trainer, split, last)) is not None:
            self.draw(trainer, split, output, last)
            self._last = time.perf_counter() - before
            self._spent += self._last

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._began = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._new = self._validated = not trainer.sanity_checking
        self._epoch = trainer.current_epoch + 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch, apart = trainer.current_epoch + 1, trainer.check_val_every_n_epoch or 1
        new, self._new = self._new, False
        if not new or self.every_n_epochs is None or epoch == trainer.max_epochs or trainer.should_stop:
            return
        # The first validated epoch at or after each multiple, where not every epoch is validated.
        if epoch % self.every_n_epochs < apart:
            self._draw(trainer, "val", last=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._validated:
            self._draw(trainer, "val", last=True)

    # Not at `..._epoch_end`: the module's own hook of that name, which logs figures, runs after the callbacks'.
    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, "test", last=True)


def keeper_of(trainer: L.Trainer) -> KeepPredictions | None:
    """Who keeps what the net said of clips."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, KeepPredictions)), None)


def step_of(trainer: L.Trainer) -> int:
    """Where Lightning puts the figures of an epoch."""
    return max(trainer.global_step - 1, 0)
