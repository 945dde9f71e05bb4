"""Learning-rate schedules, each a factor on every parameter group's own rate.

A schedule is called as schedule(optimizer, total): `total` counts the intervals (epochs or steps) of the run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning as L
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR


@dataclass(frozen=True)
class Schedule:
    """A schedule and how often it moves."""

    schedule: Callable[[Optimizer, int], LRScheduler]
    interval: str
    """`epoch` or `step`."""
    monitor: str | None
    """The metric that a plateau watches."""
    total_steps: int | str
    """Intervals in the run, or `auto`: the trainer's epochs or optimizer steps."""

    def configure(self, optimizer: Optimizer, trainer: L.Trainer) -> dict[str, Any]:
        """The dict that Lightning's `configure_optimizers` returns."""
        total = self.total_steps
        if total == "auto":
            total = trainer.max_epochs if self.interval == "epoch" else trainer.estimated_stepping_batches
        settings = {"scheduler": self.schedule(optimizer, int(total)), "interval": self.interval, "name": "lr"}
        if self.monitor is not None:
            settings["monitor"] = self.monitor
        return {"optimizer": optimizer, "lr_scheduler": settings}


def cosine(optimizer: Optimizer, total: int, warmup: float, final: float) -> LambdaLR:
    """Half a cosine from the initial rate to `final` times it, after a linear warm-up (SGDR, Loshchilov 2017).

    Args:
        warmup: share of the run, 0 to 1, over which the rate rises from (nearly) nothing.
        final: the rate at the end, as a share of the initial one.
    """
    rising = round(warmup * total)

    def factor(done: int) -> float:
        if done < rising:
            return (done + 1) / (rising + 1)
        turned = min(1.0, (done - rising) / max(1, total - rising))
        return final + (1 - final) * (1 + math.cos(math.pi * turned)) / 2

    return LambdaLR(optimizer, factor)


def constant(optimizer: Optimizer, total: int) -> LambdaLR:
    """The initial rate throughout."""
    return LambdaLR(optimizer, lambda done: 1.0)


def one_cycle(optimizer: Optimizer, total: int, warmup: float, start: float, final: float) -> OneCycleLR:
    """Up from `start` times the rate to the rate and down to `final` times it (Smith and Topin 2018)."""
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=warmup,
        div_factor=1 / start,
        final_div_factor=start / final,
        cycle_momentum=False,
    )


def step(optimizer: Optimizer, total: int, parts: int, factor: float) -> StepLR:
    """Multiplies the rate by `factor` at the end of each of `parts` equal parts of the run."""
    return StepLR(optimizer, step_size=max(1, math.ceil(total / parts)), gamma=factor)


def plateau(optimizer: Optimizer, total: int, mode: str, factor: float, patience: int) -> ReduceLROnPlateau:
    """Multiplies the rate by `factor` when the monitored metric has not improved for `patience` epochs."""
    # torch's own eps, a smallest change, would stop the slower of two groups first.
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience, eps=0.0)
