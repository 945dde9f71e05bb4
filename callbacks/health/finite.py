"""A loss, a gradient or a weight that is not a finite number ends the run before it does harm."""

import math
from collections.abc import Mapping

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.health.check import HealthCheck
from callbacks.health.naming import grouped, listed
from callbacks.health.not_finite import LastForward, bad_rows, members_of, names_of, not_finite, tensors_in, whose
from callbacks.predictions import kept_of
from schemas.batches import ClipOutput
from schemas.findings import Finding, Severity

SKIPPED_IN_A_ROW = 10
"""Steps that a GradScaler may skip one after another; it halves its scale at each."""
LOWEST_SCALE = 1.0
"""Below it a GradScaler makes small gradients smaller still."""
PARTS, FEW_GRADIENTS = 4, 16
"""Of more parameters than that every fourth is looked at, in turn: the norm of all costs 1.6 % of documented_events'
step. What is not finite in the backward pass reaches nearly every parameter before it; what is confined to one that was
not looked at is seen in the next batch's loss."""
MANY_SKIPPED = 0.01
"""The share of skipped steps, beyond the first ten, that is worth a note."""
REMEDY = "Lower optimizer.lr, warm up (scheduler=warmup_cosine) or try precision=fp32."


class Finite(HealthCheck):
    """Ends the run at the first batch whose loss or gradient (see PARTS) is not finite, before weights are touched.

    It names the batch, the values and weights that are not finite, the first module whose output is not, the learning
    rate and the loss scale. Under a GradScaler gradients may be infinite now and then: such steps are skipped and
    counted. Losses of validation and weights are looked at before checkpoints are written, so that these stay good.

    Raises:
        ExperimentError: as soon as one is found; under a GradScaler after 10 skipped steps in a row or at a scale
            below 1.
    """

    name = "finite"

    def __init__(self):
        super().__init__()
        self._forward: LastForward | None = None
        self._batch: tuple[object, int] = (None, 0)
        self._loss_seen = False
        self._scale: float | None = None
        self._stepped = False
        self._steps = self._skipped = self._in_a_row = 0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._scale, self._stepped = None, False
        net = getattr(pl_module, "net", None)
        # A compiled net's hooks would be compiled with it.
        if isinstance(net, nn.Module) and getattr(net, "_compiled_call_impl", None) is None:
            self._forward = LastForward(net, trainer.strategy.root_device)

    def state_dict(self) -> dict:
        return {"found": super().state_dict(), "steps": self._steps, "skipped": self._skipped}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict["found"])
        self._steps, self._skipped = state_dict["steps"], state_dict["skipped"]

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._forward is not None:
            self._forward.remove()
        self._forward, self._batch = None, (None, 0)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.on_fit_end(trainer, pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module, batch: object, batch_idx: int) -> None:
        self._batch, self._loss_seen = (batch, batch_idx), False

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        self._loss_seen = True
        self._judge_loss(trainer, pl_module, loss.detach())

    def on_train_batch_end(self, trainer: L.Trainer, pl_module, outputs: object, batch, batch_idx: int) -> None:
        if not self._loss_seen:  # manual optimisation that calls loss.backward() by itself
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            if isinstance(loss, Tensor) and loss.is_floating_point():
                self._judge_loss(trainer, pl_module, loss)
        self._batch = None, 0
        if self._forward is not None:
            self._forward.forget()

    def _judge_loss(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        # Waits for the device once a step; whatever comes next is queued behind the forward pass all the same.
        value = loss.item() if loss.numel() == 1 else loss.sum().item()
        if not math.isfinite(value):
            self._stop_at_batch(trainer, pl_module, f"the training loss is {value}, not a finite number,")

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        self._steps += 1
        if _scaler(trainer) is not None:
            self._note_scale(trainer, pl_module)
            self._stepped = True
            return
        gradients = [g for group in optimizer.param_groups for p in group["params"] if (g := p.grad) is not None]
        if len(gradients) >= FEW_GRADIENTS:
            gradients = gradients[self._steps % PARTS :: PARTS]
        dense = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
        # Finite gradients beyond 1e19 have an infinite norm in 32 bits.
        if (
            dense
            and not math.isfinite(torch.nn.utils.get_total_norm(dense).item())
            and (bad := _bad_gradients(pl_module))
        ):
            self._stop_at_batch(trainer, pl_module, f"gradients of {bad} are not finite, though the loss is,")

    def _note_scale(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Whether the last step was skipped: then the scale fell. Read before a step, the device is waited for anyway.

        The scale after the latest step is seen one step later, or at the epoch's end; skipped steps do no harm.
        """
        scale = _scaler(trainer).get_scale()
        if self._stepped:
            skipped = self._scale is not None and scale < self._scale
            self._skipped += skipped
            self._in_a_row = self._in_a_row + 1 if skipped else 0
        self._scale, self._stepped = scale, False
        if self._in_a_row >= SKIPPED_IN_A_ROW or scale < LOWEST_SCALE:
            bad = _bad_gradients(pl_module)
            saw = f"{self._in_a_row} optimizer steps in a row were skipped since gradients{bad and f' of {bad}'} were"
            self._stop_at_batch(trainer, pl_module, f"{saw} not finite,")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._judge_figures(trainer, ("val/loss", "val_loss"), _of_validation(trainer))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._judge_figures(trainer, ("train/loss", "train_loss"), "")
        if _scaler(trainer) is not None:
            self._note_scale(trainer, pl_module)
        if bad := _bad_weights(pl_module):
            saw = f"{bad} not finite after the epoch's last step, learning rate {_rate(trainer)}"
            self._stop(trainer, saw, REMEDY)

    def _judge_figures(self, trainer: L.Trainer, names: tuple[str, ...], where: str) -> None:
        values = {name: float(trainer.callback_metrics[name]) for name in names if name in trainer.callback_metrics}
        for name, value in values.items():
            if not math.isfinite(value):
                saw = f"{name} is {value}, not a finite number{where}, learning rate {_rate(trainer)}"
                self._stop(trainer, saw, REMEDY)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._skipped > max(SKIPPED_IN_A_ROW, MANY_SKIPPED * self._steps):
            saw = (
                f"{self._skipped:,} of {self._steps:,} optimizer steps were skipped for gradients that are not finite."
            )
            remedy = "precision=amp_bf16 needs no loss scale."
            self.report(trainer, Finding(self.name, saw, remedy, Severity.NOTE, trainer.current_epoch, key="skipped"))

    def _stop_at_batch(self, trainer: L.Trainer, pl_module: L.LightningModule, what: str) -> None:
        batch, number = self._batch
        kind, members = members_of(batch, trainer)
        where = f" at batch {number + 1} (optimizer step {trainer.global_step + 1})" if batch is not None else ""
        facts = [f"{what}{where}{f' of {kind} {listed(members)}' if members else ''}".rstrip(",")]
        if weights := _bad_weights(pl_module):
            facts.append(f"{weights} not finite already, by the step before")
        named = dict(tensors_in(batch, "" if members else "batch"))
        bad = not_finite(named.items())
        facts += [
            f"the batch itself holds numbers that are not finite: {name}{whose(named[name], members)}" for name in bad
        ]
        facts += self._of_module(trainer, members)
        facts.append(f"learning rate {_rate(trainer)}")
        if _scaler(trainer) is not None:
            facts.append(f"loss scale {_scaler(trainer).get_scale():g}")
        remedy = f"Correct these {kind or 'data'} or leave them out." if bad else REMEDY
        self._stop(trainer, "; ".join(facts), remedy)

    def _of_module(self, trainer: L.Trainer, members: list[str]) -> list[str]:
        """The first module whose output was not finite, by running the net again; empty where that cannot be known."""
        if self._forward is None or self._forward.inputs is None:
            return []
        try:
            module, output = self._forward.repeat(trainer.precision_plugin.forward_context())
        except Exception as error:  # a diagnosis must not take the place of what it explains
            return [f"the net could not be run again to see where ({type(error).__name__})"]
        if module is None:
            return ["every output of the net is finite, so it is its loss or its backward pass that is not"]
        outputs = (whose(tensor, members) for _, tensor in tensors_in(output))
        return [f"the first output that is not finite is that of {module}{next(filter(None, outputs), '')}"]

    def _stop(self, trainer: L.Trainer, saw: str, remedy: str) -> None:
        self.report(trainer, Finding(self.name, saw, remedy, Severity.STOP, trainer.current_epoch + 1, key="stop"))


def _scaler(trainer: L.Trainer) -> torch.amp.GradScaler | None:
    return getattr(trainer.precision_plugin, "scaler", None)


def _rate(trainer: L.Trainer) -> str:
    """The learning rates of all groups, `unknown` without an optimizer."""
    rates = {f"{float(group['lr']):g}" for o in trainer.optimizers for group in o.param_groups if "lr" in group}
    return " and ".join(sorted(rates)) or "unknown"


def _bad_gradients(pl_module: L.LightningModule) -> str:
    named = ((name, p.grad) for name, p in pl_module.named_parameters() if p.grad is not None)
    bad = not_finite((name, gradient._values() if gradient.is_sparse else gradient) for name, gradient in named)
    return listed(grouped(bad, [name for name, _ in pl_module.named_parameters()]))


def _bad_weights(pl_module: L.LightningModule) -> str:
    """`a, b are`, or nothing; one norm says that all are well."""
    weights = dict(pl_module.named_parameters())
    floating = [p.detach() for p in weights.values() if p.is_floating_point()]
    if not floating or math.isfinite(torch.nn.utils.get_total_norm(floating).item()):
        return ""
    bad = not_finite(weights.items())
    return f"{listed(grouped(bad, weights))} {'are' if len(bad) > 1 else 'is'}" if bad else ""


def _of_validation(trainer: L.Trainer) -> str:
    """` for clips a, b`, from what the net said of each."""
    kept = kept_of(trainer)
    if kept is None:
        return ""
    if isinstance(kept, ClipOutput):
        kind, rows = "clips", kept.clip_id[torch.from_numpy(bad_rows(kept.logits))]
    else:
        kind, rows = "sequences", kept.sequence_id[torch.from_numpy(bad_rows(kept.nll))].unique()
    return f" for {kind} {listed(names_of(rows, kind, trainer.datamodule))}" if len(rows) else ""
