"""A trial of a search that stands behind the others is ended early."""

from collections.abc import Callable, Mapping

import lightning as L


class Pruning(L.Callback):
    """Ends the run at the end of an epoch in which it is called hopeless, if that is not its last anyway.

    Args:
        monitor: the metric of validation that the trials are ranked by.
        hopeless: whether to give up, from the metric by epoch (counted from 0) so far; called once an epoch that was
            validated.

    Attributes:
        why: what ended the run; None as long as nothing did. Values and reason are kept in checkpoints, so that a
            run that was cut off is judged as one that was not.
    """

    def __init__(self, monitor: str, hopeless: Callable[[Mapping[int, float]], bool]):
        self.monitor, self.hopeless = monitor, hopeless
        self.why: str | None = None
        self._values: dict[int, float] = {}
        self._validated = False

    def state_dict(self) -> dict:
        return {"values": dict(self._values), "why": self.why}

    def load_state_dict(self, state_dict: dict) -> None:
        self._values, self.why = dict(state_dict["values"]), state_dict["why"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.why is not None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self._validated or self.monitor not in trainer.callback_metrics:
            return
        self._validated, epoch = False, trainer.current_epoch
        self._values[epoch] = float(trainer.callback_metrics[self.monitor])
        if self.hopeless(dict(self._values)) and epoch + 1 != trainer.max_epochs:
            self.why = f"hopeless after epoch {epoch + 1}, with {self.monitor} at {self._values[epoch]:.4f}"
            trainer.should_stop = True
