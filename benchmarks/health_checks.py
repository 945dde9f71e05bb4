"""What the health checks cost, as a share of a training step.

    python benchmarks/health_checks.py [--rounds 4] [--steps 40] [--allow-busy]

Whole fits of two epochs by Lightning's Trainer, with and without every check of conf/callbacks/default.yaml in turn;
both sides keep predictions and history, which other callbacks need too. Three modules: a small one whose step is hardly
more than Lightning's own work, documented_final (B 16, T 32, V 62, C 31, fp32) and documented_events (B 16), each on
random batches. Two measures of the same thing:

    with / without  the median step of all rounds, from one batch's end to the next one's
    inside          seconds in the checks' own hooks, a step, and their share of the rest of that step: exact on a CPU,
                    where a difference of two medians is not

In the first epoch parameters without a gradient are looked for, later they are not. A busy machine is refused with exit
code 2. Legend: B clips or windows, T frames or events, V joints, C channels, K classes.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable

import lightning as L
import torch
from event_predictor_step import documented_schema, random_batch
from hydra.utils import instantiate
from idle import Others, refuse_if_busy
from omegaconf import DictConfig
from rich import get_console
from torch import nn
from torch.utils.data import DataLoader

from callbacks.epoch_history import EpochHistory
from callbacks.health.check import HealthCheck
from callbacks.predictions import KeepEventScores, KeepPredictions
from experiment.build import build_net, build_optimisation
from experiment.configs.compose import compose_config
from lightning_modules.classification import ClipClassifier
from lightning_modules.event_prediction import EventPrediction
from schemas.batches import ClipBatch
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

B, T, THREADS, EPOCHS, VALIDATION = 16, 32, 2, 2, 2
STEP_HOOKS = ("on_train_batch_start", "on_before_backward", "on_before_optimizer_step", "on_train_batch_end")


class Repeated(L.LightningDataModule):
    """One batch as many times as there are steps."""

    def __init__(self, batch: object, steps: int):
        super().__init__()
        self.batch, self.steps = batch, steps

    def train_dataloader(self) -> DataLoader:
        return DataLoader([self.batch] * self.steps, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader([self.batch] * VALIDATION, batch_size=None)


class StepTimes(L.Callback):
    """Seconds of the steps of each epoch, and of what follows its last one; the last of the callbacks."""

    def __init__(self):
        self.steps: list[list[float]] = []
        self.ends: list[float] = []
        self._since = 0.0

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.steps.append([])
        self._since = time.perf_counter()

    def _lap(self) -> float:
        before, self._since = self._since, time.perf_counter()
        return self._since - before

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.steps[-1].append(self._lap())

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.ends.append(self._lap())


class SmallNet(nn.Sequential):
    """A net whose step is hardly more than Lightning's own work."""

    def __init__(self, channels: int, classes: int):
        super().__init__(nn.Linear(channels, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x_BTVC, length_B):
        return super().forward(x_BTVC.mean(dim=(1, 2)))


def clip_module(config: DictConfig, net: nn.Module, classes: int) -> ClipClassifier:
    optimizer, schedule = build_optimisation(config)
    return ClipClassifier(net, classes, nn.Identity(), nn.Identity(), optimizer, schedule, 0.0, None, {})


def clips_of(schema: ClipSchema) -> ClipBatch:
    generator, joints = torch.Generator().manual_seed(1), schema.skeleton.num_joints
    return ClipBatch(
        joints=torch.randn(B, T, joints, schema.channels, generator=generator),
        visible=torch.ones(B, T, joints, dtype=torch.bool),
        length=torch.full((B,), T),
        label=torch.randint(schema.num_classes, (B,), generator=generator),
        clip_id=torch.arange(B),
    )


def small(config: DictConfig) -> tuple[L.LightningModule, object]:
    schema = ClipSchema(load_layout("kinect20"), tuple(map(str, range(10))), channels=3)
    return clip_module(config, SmallNet(schema.channels, schema.num_classes), schema.num_classes), clips_of(schema)


def clips(config: DictConfig) -> tuple[L.LightningModule, object]:
    schema = ClipSchema(load_layout("face62"), tuple(map(str, range(100))), channels=31)
    return clip_module(config, build_net(config, schema), schema.num_classes), clips_of(schema)


def events(config: DictConfig) -> tuple[L.LightningModule, object]:
    schema = documented_schema(config)
    net = build_net(config, schema)
    module = EventPrediction(net, schema.dynamic_names, False, {}, *build_optimisation(config), {})
    return module, random_batch(schema, B)


MODULES: dict[str, tuple[str, Callable, type, float]] = {
    # name: (experiment, module and batch, keeper, steps as a share of --steps)
    "small": ("documented_final", small, KeepPredictions, 5),
    "documented_final": ("documented_final", clips, KeepPredictions, 0.25),
    "documented_events": ("documented_events", events, KeepEventScores, 1),
}


def checks_of(config: DictConfig) -> list[HealthCheck]:
    """All that the default callbacks have, in their order."""
    nodes = [node for node in config.callbacks.values() if node is not None]
    return [instantiate(node) for node in nodes if node._target_.startswith("callbacks.health.")]


def account(checks: list[HealthCheck], epoch_of: Callable[[], int]) -> Counter:
    """Replaces the hooks of every step by such that count their seconds; by epoch and check."""
    spent: Counter = Counter()

    def timed(check: HealthCheck, hook: Callable) -> Callable:
        def call(*arguments, **keywords):
            start = time.perf_counter()
            hook(*arguments, **keywords)
            spent[epoch_of(), check.name] += time.perf_counter() - start

        return call

    for check in checks:
        for name in STEP_HOOKS:
            if getattr(type(check), name) is not getattr(L.Callback, name):
                setattr(check, name, timed(check, getattr(check, name)))
    return spent


def fit(name: str, steps: int, with_checks: bool) -> tuple[StepTimes, Counter]:
    """One fit from the same seed."""
    experiment, make, keeper, share = MODULES[name]
    config = compose_config([f"experiment={experiment}"])
    torch.manual_seed(0)
    module, batch = make(config)
    times = StepTimes()
    checks = checks_of(config) if with_checks else []
    spent = account(checks, lambda: len(times.steps))
    trainer = L.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        gradient_clip_val=config.trainer.gradient_clip_val,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[keeper("val/loss", True), EpochHistory(None), *checks, times],
    )
    trainer.fit(module, datamodule=Repeated(batch, max(4, int(steps * share))))
    return times, spent


def compare(name: str, steps: int, rounds: int) -> None:
    """Prints a line an epoch, and what the epoch's end costs."""
    seconds: dict[tuple[bool, int], list[float]] = {}
    ends: dict[bool, list[float]] = {True: [], False: []}
    inside: Counter = Counter()
    for number in range(rounds):
        for with_checks in (True, False) if number % 2 else (False, True):
            times, spent = fit(name, steps, with_checks)
            for epoch, laps in enumerate(times.steps):
                seconds.setdefault((with_checks, epoch), []).extend(laps)
            ends[with_checks] += times.ends
            inside += spent
    for epoch in range(EPOCHS):
        without, having = (statistics.median(seconds[side, epoch]) for side in (False, True))
        number = len(seconds[True, epoch])
        parts = {check: s / number for (at, check), s in inside.items() if at == epoch + 1}
        shares = ", ".join(f"{check} {1e6 * s:.0f}" for check, s in sorted(parts.items(), key=lambda part: -part[1]))
        share = sum(parts.values()) / (having - sum(parts.values()))
        print(
            f"  {name if epoch == 0 else '':18}{'first' if epoch == 0 else 'later':6}{1e3 * without:10.2f}"
            f"{1e3 * having:8.2f}{having / without:8.3f}{1e6 * sum(parts.values()):9.0f}"
            f"{share:8.2%}   {shares}"
        )
    without, having = (1e3 * statistics.median(ends[side]) for side in (False, True))
    print(f"  {'':18}{'end of an epoch, with validation':33}{without:.2f} ms without, {having:.2f} ms with")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="fits of each side")
    parser.add_argument("--steps", type=int, default=40, help="steps an epoch of documented_events")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    get_console().quiet = True  # what checks find in random batches is not the question

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    during = Others()
    print(f"training steps on the CPU, {THREADS} threads, B {B}, {args.rounds} rounds; ms, but µs inside the checks:")
    print(f"  {'':18}{'epoch':6}{'without':>10}{'with':>8}{'ratio':>8}{'inside':>9}{'share':>8}   of which")
    for name in MODULES:
        compare(name, args.steps, args.rounds)
    refuse_if_busy(during, args.allow_busy)


if __name__ == "__main__":
    main()
