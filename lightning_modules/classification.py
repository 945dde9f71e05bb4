"""The LightningModule of clip classification: transforms on the device, the net, loss and metrics.

Legend: B clips, K classes.
"""

from collections.abc import Callable, Iterable, Mapping

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from lightning_modules.clip_metrics import ClipMetrics
from lightning_modules.parameter_groups import build_optimizer
from lightning_modules.schedules import Schedule
from schemas.batches import ClipBatch, ClipOutput

SPLITS = ("train", "val", "test")


class ClipClassifier(L.LightningModule):
    """Trains a net that maps ([B, T, V, C] channels, [B] lengths) to [B, K] logits.

    Only the net has state: transforms and metrics add nothing to the state dict.

    Args:
        train_transform: from a raw batch to an augmented one of channels; its randomness comes from torch's generator.
        eval_transform: the same without randomness.
        optimizer: from parameters to an optimizer.
        class_weights: [K] weights of the training loss, or None.
        lr_scale: factors on the optimizer's rate by prefixes of the net's parameters.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        train_transform: nn.Module,
        eval_transform: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        label_smoothing: float,
        class_weights: Tensor | None,
        lr_scale: Mapping[str, float],
    ):
        super().__init__()
        self.net, self.train_transform, self.eval_transform = net, train_transform, eval_transform
        self.optimizer, self.schedule, self.lr_scale = optimizer, schedule, lr_scale
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.metrics = nn.ModuleDict(
            {f"{split}_split": ClipMetrics(num_classes, objective=split == "train") for split in SPLITS}
        )
        # A torchmetrics Metric that is indexed gives a metric of that item; as submodules these follow the device.
        self.figures = nn.ModuleDict(
            {
                split: nn.ModuleDict({name: metrics[name] for name in metrics.names})
                for split, metrics in self.metrics.items()
            }
        )

    def forward(self, batch: ClipBatch) -> Tensor:
        """[B, K] float32 logits of a raw batch, without augmentation."""
        batch = self._transformed(self.eval_transform, batch)
        return self.net(batch.joints, batch.length).float()

    @staticmethod
    def _transformed(transform: nn.Module, batch: ClipBatch) -> ClipBatch:
        """Coordinates stay in float32: under AMP a rotation in bf16 would drown small movements in its rounding."""
        with torch.autocast(batch.joints.device.type, enabled=False):
            return transform(batch)

    def training_step(self, batch: ClipBatch, batch_index: int) -> Tensor:
        # Whoever asks whether some batches can be learned by heart wants the same batches each time.
        transform = self.eval_transform if self.trainer.overfit_batches else self.train_transform
        batch = self._transformed(transform, batch)
        logits_BK = self.net(batch.joints, batch.length).float()
        objective = self._objective(logits_BK, batch)
        # Beside validation's figures stand the plain ones: no smoothing or weights, a mixed clip's heavier label.
        label_B = batch.label if batch.mix is None else torch.where(batch.mix >= 0.5, batch.label, batch.other_label)
        self._record("train", logits_BK.detach(), label_B, objective.detach())
        return objective

    def _objective(self, logits_BK: Tensor, batch: ClipBatch) -> Tensor:
        """Cross-entropy with label smoothing, class weights (a weighted mean) and, under mixup, both labels."""

        def against(label: Tensor, reduction: str) -> Tensor:
            return cross_entropy(
                logits_BK, label, self.class_weights, label_smoothing=self.label_smoothing, reduction=reduction
            )

        if batch.mix is None:
            return against(batch.label, "mean")
        total = torch.lerp(against(batch.other_label, "none"), against(batch.label, "none"), batch.mix).sum()
        if self.class_weights is None:
            return total / batch.size
        weights = torch.lerp(self.class_weights[batch.other_label], self.class_weights[batch.label], batch.mix)
        return total / weights.sum()

    def validation_step(self, batch: ClipBatch, batch_index: int) -> ClipOutput:
        return self._evaluate("val", batch)

    def test_step(self, batch: ClipBatch, batch_index: int) -> ClipOutput:
        return self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: ClipBatch) -> ClipOutput:
        logits_BK = self(batch)
        self._record(split, logits_BK, batch.label)
        return ClipOutput(logits_BK, batch.label, batch.clip_id)

    def on_train_epoch_start(self) -> None:
        self.metrics["train_split"].reset()

    def on_validation_epoch_start(self) -> None:
        self.metrics["val_split"].reset()

    def on_test_epoch_start(self) -> None:
        self.metrics["test_split"].reset()

    def _record(self, split: str, logits_BK: Tensor, label_B: Tensor, objective: Tensor | None = None) -> None:
        metrics = self.metrics[f"{split}_split"]
        if not metrics.update_called:
            # Once is enough: Lightning computes them when the epoch is over, however it ends.
            for name, figure in self.figures[f"{split}_split"].items():
                self.log(f"{split}/{name}", figure, on_step=False, on_epoch=True)
        metrics.update(logits_BK, label_B, objective)

    def configure_optimizers(self) -> dict:
        return self.schedule.configure(build_optimizer(self.optimizer, self.net, self.lr_scale), self.trainer)
