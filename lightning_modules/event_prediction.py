"""The LightningModule of event prediction: the net, the loss over the fields, and their figures.

Legend: B windows, T events, D dynamic fields.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_modules.field_metrics import FieldLosses, FieldMetrics
from lightning_modules.parameter_groups import build_optimizer
from lightning_modules.schedules import Schedule
from schemas.batches import EventBatch, EventOutput
from schemas.errors import ConfigError


class EventPrediction(L.LightningModule):
    """Trains a net that maps an EventBatch to [B, T, D] nats, zero where not scored.

    A batch's loss is its mean over the scored events, then the weighted mean over the fields; logged averages weigh
    every event alike. Only the net has state: metrics add nothing to the state dict.

    Args:
        net: its `evaluate` maps an EventBatch to an EventOutput.
        field_names: [D] names of the dynamic fields.
        chained: whether the net predicts a field given the event's earlier fields.
        loss_weights: weights of fields in the objective, 1 where not named.
        optimizer: from parameters to an optimizer.
        lr_scale: factors on the optimizer's rate by prefixes of the net's parameters.

    Raises:
        ConfigError: a weight names no dynamic field or is negative or infinite, or all are zero.
    """

    def __init__(
        self,
        net: nn.Module,
        field_names: Sequence[str],
        chained: bool,
        loss_weights: Mapping[str, float],
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        lr_scale: Mapping[str, float],
    ):
        super().__init__()
        self.net, self.optimizer, self.schedule, self.lr_scale = net, optimizer, schedule, lr_scale
        self.train_losses = FieldLosses(field_names, chained, _shares(field_names, loss_weights))
        # A torchmetrics Metric that is indexed gives a metric of that item; as submodules these follow the device.
        self.train_figures = nn.ModuleList(self.train_losses[name] for name in self.train_losses.names)
        self.metrics = nn.ModuleDict({split: FieldMetrics(field_names, chained) for split in ("val", "test")})

    def forward(self, batch: EventBatch) -> EventOutput:
        return self.net.evaluate(batch)

    def on_train_epoch_start(self) -> None:
        self.train_losses.reset()

    def training_step(self, batch: EventBatch, batch_index: int) -> Tensor:
        nll_D, count = self.net(batch).sum((0, 1)), batch.scored.sum()
        if not self.train_losses.update_called:
            self._announce_train_figures()
        self.train_losses.update(nll_D.detach(), count)
        return (nll_D * self.train_losses.weights).sum() / count.clamp(min=1)

    def _announce_train_figures(self) -> None:
        """Names the epoch's losses; Lightning computes them when the epoch is over, however it ends.

        In this module's `on_train_epoch_end` it would be too late: the callbacks' hook of that name runs before it.
        """
        for name, figure in zip(self.train_losses.names, self.train_figures, strict=True):
            self.log(f"train/{name}", figure, on_step=False, on_epoch=True)

    def on_validation_epoch_start(self) -> None:
        self.metrics["val"].reset()

    def validation_step(self, batch: EventBatch, batch_index: int) -> EventOutput:
        return self._evaluate("val", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_figures("val")

    def on_test_epoch_start(self) -> None:
        self.metrics["test"].reset()

    def test_step(self, batch: EventBatch, batch_index: int) -> EventOutput:
        return self._evaluate("test", batch)

    def on_test_epoch_end(self) -> None:
        self._log_figures("test")

    def _evaluate(self, split: str, batch: EventBatch) -> EventOutput:
        output = self(batch)
        self.metrics[split].update(output)
        return output

    def _log_figures(self, split: str) -> None:
        self.log_dict({f"{split}/{name}": value for name, value in self.metrics[split].compute().items()})

    def configure_optimizers(self) -> dict:
        return self.schedule.configure(build_optimizer(self.optimizer, self.net, self.lr_scale), self.trainer)


def _shares(field_names: Sequence[str], loss_weights: Mapping[str, float]) -> Tensor:
    """[D] weights of the fields, adding up to 1."""
    if unknown := sorted(set(loss_weights) - set(field_names)):
        raise ConfigError(
            f"{', '.join(unknown)}: no dynamic field of that name",
            where="model.loss.weights",
            remedy=f"Dynamic fields: {', '.join(field_names)}.",
        )
    weights_D = torch.tensor([float(loss_weights.get(name, 1.0)) for name in field_names])
    if weights_D.min() < 0 or not 0 < weights_D.sum() < float("inf"):
        raise ConfigError(
            "weights are finite, never negative, and not all zero",
            where="model.loss.weights",
            remedy="A weight of 0 leaves a field out of the objective.",
        )
    return weights_D / weights_D.sum()
