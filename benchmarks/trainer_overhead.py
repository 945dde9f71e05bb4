"""What our Trainer costs beside a bare PyTorch loop of the same step.

    python benchmarks/trainer_overhead.py [--epochs 7] [--only NAME] [--allow-busy]

One whole run by `run_training` a model, with every default callback, metric, health check and TensorBoard. Behind each
of its epochs a bare loop trains a copy of the same net for an epoch: the same loader and order, augmentation, loss,
clipping of the gradient, optimizer and schedule, and nothing else. In the first epoch, which is not timed, both draw
the same random numbers and must end with the same weights. Data are random or simulated, made in a temporary folder.

    nw_ucla            experiment=nw_ucla on as many clips of the same shape, without mixup and moving average
    documented_final   B 16, T 32, V 62, C 31, 100 classes
    documented_events  the tiny event model on simulated events, B 16

`steps` is the time from an epoch's beginning to its last batch's end, waiting for data included, and `end` what
follows before the next epoch, without validation: the history, health checks, checkpoints, status. Since an epoch here
is short, the last column counts the end once in an epoch of the shipped data. Medians over the epochs; a busy machine
is refused with exit code 2.
"""

import argparse
import copy
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from figures import announce
from idle import Others, refuse_if_busy
from real_runs import quiet, random_clips, run
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from callbacks.seeding import batch_seed
from experiment.memory import keep_freed_memory

THREADS = 2


def clip_loss(module: L.LightningModule, net: nn.Module, batch: object) -> Tensor:
    batch = module.train_transform(batch)
    logits_BK = net(batch.joints, batch.length)
    return cross_entropy(logits_BK, batch.label, label_smoothing=module.label_smoothing)


def event_loss(module: L.LightningModule, net: nn.Module, batch: object) -> Tensor:
    return net(batch).sum((0, 1)).mean() / batch.scored.sum()


class Sides(L.Callback):
    """Times the Trainer's epochs, and behind each a bare one."""

    def __init__(self, loss: Callable[[L.LightningModule, nn.Module, object], Tensor]):
        self.loss = loss
        self.steps: list[float] = []
        self.ends: list[float] = []
        self.bare: list[float] = []
        self.difference = float("nan")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.trainer, self.module = trainer, pl_module
        self.net = copy.deepcopy(pl_module.net)
        self.optimizer = pl_module.optimizer(self.net.parameters())
        settings = pl_module.schedule.configure(self.optimizer, trainer)["lr_scheduler"]
        self.schedule, self.interval = settings["scheduler"], settings["interval"]
        self.loader = trainer.datamodule.train_dataloader()
        self._watch(trainer.fit_loop)

    def _watch(self, loop: object) -> None:
        """Lightning's own methods of an epoch, in their order, with a clock between them."""
        begin, end, validation = loop.on_advance_start, loop.on_advance_end, loop.epoch_loop.val_loop

        def timed_begin() -> None:
            self._since = time.perf_counter()
            begin()

        def timed_validation(validate: Callable = validation.run) -> object:
            self.steps.append(time.perf_counter() - self._since)
            try:
                return validate()
            finally:
                self._since = time.perf_counter()

        def timed_end() -> None:
            end()
            self.ends.append(time.perf_counter() - self._since)
            self._bare_epoch(len(self.bare))

        loop.on_advance_start, loop.on_advance_end, validation.run = timed_begin, timed_end, timed_validation

    def _bare_epoch(self, epoch: int) -> None:
        start = time.perf_counter()
        self.net.train()
        self.loader.sampler.set_epoch(epoch)
        for number, batch in enumerate(self.loader):
            if epoch == 0:
                torch.manual_seed(batch_seed(0, epoch, number, 0))
            self.optimizer.zero_grad()
            self.loss(self.module, self.net, batch).backward()
            if self.trainer.gradient_clip_val:
                nn.utils.clip_grad_norm_(self.net.parameters(), self.trainer.gradient_clip_val)
            self.optimizer.step()
            if self.interval == "step":
                self.schedule.step()
        if self.interval == "epoch":
            self.schedule.step()
        self.bare.append(time.perf_counter() - start)
        if epoch == 0:
            pairs = zip(self.net.parameters(), self.module.net.parameters(), strict=True)
            self.difference = max(float((mine - other).abs().max()) for mine, other in pairs)


def like_nw_ucla(place: Path) -> list[str]:
    random_clips(place / "clips", "kinect20", clips=1524, classes=10, frames=range(25, 55))
    plain = ["callbacks.ema=null", "datamodule.augment.mixup=0.0"]
    return ["experiment=nw_ucla", f"datamodule.root={place}/clips", *plain]


def like_faces(place: Path) -> list[str]:
    random_clips(place / "clips", "face62", clips=300, classes=100, frames=range(32, 33), extra=28)
    words = ["datamodule/split=official", "datamodule.frames=32", "datamodule.batch_size=16"]
    words += ["datamodule.num_workers=0", "datamodule.generate=null", f"datamodule.root={place}/clips"]
    return ["experiment=documented_final", *words, "datamodule.steps_per_epoch=8"]


def simulated_events(place: Path) -> list[str]:
    return ["experiment=documented_events", f"paths.data_dir={place}", "datamodule.steps_per_epoch=60"]


MODELS: dict[str, tuple[Callable[[Path], list[str]], Callable, int | None, float]] = {
    # name: (words of its run, loss, the shipped training split's clips where here are fewer, most overhead)
    "nw_ucla": (like_nw_ucla, clip_loss, None, 0.03),
    "documented_final": (like_faces, clip_loss, 3200, 0.03),
    "documented_events": (simulated_events, event_loss, None, 0.10),
}


def measure(name: str, epochs: int) -> tuple[str, str, bool]:
    """Prints a line, and returns the figure of `figures.announce`."""
    words_of, loss, items, most = MODELS[name]
    sides = Sides(loss)
    with tempfile.TemporaryDirectory() as place:
        words = [*words_of(Path(place)), "precision=fp32", f"trainer.max_epochs={epochs + 1}"]
        run([*words, "+trainer.limit_val_batches=2"], Path(place), sides)
    if not sides.difference < 1e-5:
        sys.exit(f"{name}: the weights of the two sides differ by {sides.difference:.1e}: nothing to compare")
    number = sides.trainer.num_training_batches
    shipped = math.ceil((items or len(sides.loader.dataset)) / sides.trainer.datamodule.batch_size)
    bare = statistics.median(sides.bare[1:])
    over = statistics.median(ours / other for ours, other in zip(sides.steps[1:], sides.bare[1:], strict=True)) - 1
    end = statistics.median(sides.ends[1:])
    whole = over + end / (bare / number * shipped)
    first = sides.steps[0] / bare - 1
    print(
        f"  {name:18}{number:6}{1e3 * bare / number:12.2f}{1e3 * bare / number * (1 + over):10.2f}{over:9.2%}"
        f"{first:9.2%}{1e3 * end:9.0f}{shipped:9}{whole:9.2%}    {sides.difference:.0e}"
    )
    return f"{whole:.2%}", f"< {most:.0%}", whole < most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=7, help="timed epochs of each side")
    parser.add_argument("--only", choices=MODELS, help="one of the models")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    quiet()
    keep_freed_memory()
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    during = Others()
    print(f"training on the CPU, {THREADS} threads, medians of {args.epochs} epochs; ms:")
    print(
        f"  {'':18}{'steps':>6}{'bare, step':>12}{'ours':>10}{'more':>9}{'first':>9}{'end':>9}{'shipped':>9}"
        f"{'whole':>9}    weights differ by"
    )
    names = [args.only] if args.only else list(MODELS)
    found = {f"Trainer's overhead, {name}": measure(name, args.epochs) for name in names}
    refuse_if_busy(during, args.allow_busy)
    announce(found)


if __name__ == "__main__":
    main()
