"""Whether there is something to learn from: which parameters got a gradient, and which of them moved."""

import math
from collections.abc import Sequence

import lightning as L
import torch
from lightning.pytorch.callbacks import BaseFinetuning
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.health.check import HealthCheck
from callbacks.health.naming import grouped, listed
from schemas.findings import Finding, Severity

WATCHED_STEPS = 3
"""Optimizer steps with a rate above 0 before single parameters are judged: behind a factor that begins at zero the
first gradient comes a step late, behind two of them two."""
NOTHING = 1e-12
"""A parameter that moved less in an epoch has not: at a rate of 1e-30 those that begin at zero still change."""
SCALER_STEPS = 20
"""A GradScaler finds its scale within that many steps and may skip all of them."""


class Gradients(HealthCheck):
    """Names trainable parameters without a gradient or without a change, and frozen ones; ends a run without any.

    It watches the first epoch of a fit, resumed ones included, and then costs nothing. A submodule says by an attribute
    `known_unused`, prefixes of its parameters' names, what gets no gradient by design; that is a note.

    Args:
        known: prefixes, relative to the net, of parameters that are frozen or unused by intention.

    Raises:
        ExperimentError: there is nothing to train, the loss hangs on no parameter, no parameter has a gradient at the
            first step, or none has moved after the first epoch.
    """

    name = "gradients"

    def __init__(self, known: Sequence[str] = ()):
        super().__init__()
        self.known = tuple(known)
        self._all: dict[str, nn.Parameter] = {}
        self._forget()

    def _forget(self) -> None:
        self._watched: dict[str, nn.Parameter] = {}
        self._without: dict[str, nn.Parameter] = {}
        self._before: dict[str, Tensor] = {}
        self._batches = self._losses = self._steps = self._moving_steps = 0
        self._highest_rate = 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        # Here and not later: torch's optimizers refuse an empty list of parameters without saying why it is empty.
        late = type(pl_module).configure_model is not L.LightningModule.configure_model or _unfreezes(trainer)
        if stage == "fit" and not late and not any(p.requires_grad for p in pl_module.parameters()):
            number = sum(1 for _ in pl_module.parameters())
            saw = f"of {number} parameters not one is trainable" if number else "the module has no parameters"
            self._stop(trainer, saw, "Is everything frozen, or are layers held in a plain list?")

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._forget()
        self._all = {name.removeprefix("net."): p for name, p in pl_module.named_parameters()}
        frozen = [name for name, p in self._all.items() if not p.requires_grad]
        declared = [name for name in frozen if name.startswith(self._declared(pl_module)) or _unfreezes(trainer)]
        self._say(trainer, declared, "frozen, as declared", "declared_frozen", Severity.NOTE)
        undeclared = [name for name in frozen if name not in set(declared)]
        self._say(
            trainer,
            undeclared,
            "frozen (requires_grad is False)",
            "frozen",
            Severity.WARNING,
            "If that is meant, name them in callbacks.gradients.known.",
        )

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if pl_module.automatic_optimization and not any(optimizer.param_groups for optimizer in trainer.optimizers):
            self._stop(trainer, "there is no optimizer", "Return one from configure_optimizers.")
        self._watched = {name: p for name, p in self._all.items() if p.requires_grad}
        self._without = dict(self._watched)
        self._before = {name: p.detach().clone() for name, p in self._watched.items()}

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        if not self._watched:
            return
        self._losses += 1
        own_backward = type(pl_module).backward is not L.LightningModule.backward
        if not loss.requires_grad and not own_backward:
            saw = "the loss does not depend on any parameter: it is detached"
            self._stop(trainer, saw, "Look for detach(), item(), no_grad() or numpy between the net and the loss.")

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if not self._watched:
            return
        # A training_step may return None, which skips the batch; then there is nothing to expect yet.
        expected = self._losses > 0 or not pl_module.automatic_optimization
        if expected and self._steps == 0 and all(p.grad is None for p in self._watched.values()):
            saw = "at the first optimizer step not one trainable parameter has a gradient"
            self._stop(trainer, saw, "Is backward called, and is the loss detached from the net?")
        rate = max((float(group["lr"]) for group in optimizer.param_groups if "lr" in group), default=0.0)
        self._steps += expected
        self._moving_steps += expected and rate > 0
        self._highest_rate = max(self._highest_rate, rate)
        present = [name for name, p in self._without.items() if p.grad is not None]
        # Infinities under a GradScaler are gradients too; all are asked before the device is waited for, once.
        if present:
            seen = torch.stack([_values(self._without[name].grad).any() for name in present]).tolist()
            for name in (name for name, got in zip(present, seen, strict=True) if got):
                del self._without[name]

    def on_train_batch_end(self, trainer: L.Trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        self._batches += 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self._watched or not self._batches:
            return
        still = [name for name, p in self._watched.items() if _moved(p.detach(), self._before[name]) <= NOTHING]
        dead = self._steps > 0 and len(self._without) == len(self._watched)
        if dead or len(still) == len(self._watched):
            if not self._may_yet_move(trainer):
                self._stop_for_all(trainer, pl_module, dead)
            return
        if (self._moving_steps if self._steps else self._batches) < WATCHED_STEPS:
            return
        without = list(self._without) if self._steps else []
        self._accuse(trainer, pl_module, without, [name for name in still if name not in set(without)])
        self._forget()

    def _may_yet_move(self, trainer: L.Trainer) -> bool:
        """A warm-up whose first epoch has rate 0; a GradScaler that has skipped every step so far."""
        warms_up = self._steps > 0 and self._highest_rate == 0 and max(_rates(trainer), default=0.0) > 0
        scaling = getattr(trainer.precision_plugin, "scaler", None) is not None
        return warms_up or (scaling and self._steps < SCALER_STEPS and len(self._without) < len(self._watched))

    def _stop_for_all(self, trainer: L.Trainer, pl_module: L.LightningModule, dead: bool) -> None:
        held = {id(p) for optimizer in trainer.optimizers for group in optimizer.param_groups for p in group["params"]}
        automatic = pl_module.automatic_optimization
        if automatic and not self._losses:
            why, remedy = "no loss was ever passed to backward", "Does training_step return the loss?"
        elif not self._steps:
            why = "no optimizer made a step"
            remedy = "Manual optimisation calls self.manual_backward(loss) and self.optimizers().step() itself."
        elif dead:
            why = f"in {self._steps:,} optimizer steps they never got a gradient other than zero"
            remedy = "Is backward called, is the loss detached from the net, or multiplied by zero?"
        elif not any(id(p) in held for p in self._watched.values()):
            why, remedy = "they got gradients, but the optimizer holds other parameters", "Give it net.parameters()."
        else:
            why = f"they got gradients in {self._steps:,} optimizer steps at a learning rate of {self._highest_rate:g}"
            remedy = "Raise optimizer.lr, or see what its scheduler makes of it."
        saw = f"none of {len(self._watched)} trainable parameters {'got a gradient' if dead else 'changed'}: {why}"
        self._stop(trainer, saw, remedy)

    def _accuse(self, trainer: L.Trainer, pl_module: L.LightningModule, without: list[str], still: list[str]) -> None:
        declared = self._declared(pl_module)
        by_design = [name for name in (*without, *still) if name.startswith(declared)]
        self._say(trainer, by_design, "did not learn, as declared", "known", Severity.NOTE)
        self._say(
            trainer,
            [name for name in without if name not in by_design],
            "got no gradient in the first epoch",
            "gradient",
            Severity.WARNING,
            "Does forward use them? If they are to be unused, name them in callbacks.gradients.known.",
        )
        self._say(
            trainer,
            [name for name in still if name not in by_design],
            f"got gradients and did not change in the first epoch (learning rate {self._highest_rate:g})",
            "unchanged",
            Severity.WARNING,
            "Are they in the optimizer, and is their group's rate above 0?",
        )

    def _declared(self, pl_module: L.LightningModule) -> tuple[str, ...]:
        """Prefixes of what is not expected to learn: those of the constructor and those of the modules."""
        own = (
            f"{path}.{prefix}".removeprefix(".").removeprefix("net.")
            for path, module in pl_module.named_modules()
            for prefix in getattr(module, "known_unused", ())
        )
        return (*self.known, *own)

    def _say(
        self, trainer: L.Trainer, names: list[str], what: str, key: str, severity: Severity, remedy: str = ""
    ) -> None:
        if not names:
            return
        count, total = (sum(self._all[name].numel() for name in part) for part in (names, self._all))
        saw = f"{listed(grouped(names, self._all))}: {what}, {count:,} of {total:,} numbers."
        epoch = trainer.current_epoch + 1 if self._watched else None
        self.report(trainer, Finding(self.name, saw, remedy, severity, epoch, key=key))

    def _stop(self, trainer: L.Trainer, saw: str, remedy: str) -> None:
        self.report(trainer, Finding(self.name, saw, remedy, Severity.STOP, trainer.current_epoch + 1, key="all"))


def _moved(now: Tensor, before: Tensor) -> float:
    """The largest change of a number; infinite where one is no longer finite, which is no standing still."""
    change = (now - before).abs().max().item() if now.numel() else 0.0
    return change if math.isfinite(change) else math.inf


def _unfreezes(trainer: L.Trainer) -> bool:
    return any(isinstance(callback, BaseFinetuning) for callback in trainer.callbacks)


def _rates(trainer: L.Trainer) -> list[float]:
    return [float(group["lr"]) for optimizer in trainer.optimizers for group in optimizer.param_groups]


def _values(gradient: Tensor) -> Tensor:
    return gradient._values() if gradient.is_sparse else gradient
