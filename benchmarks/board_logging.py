"""What TensorBoard costs: seconds in every hook that writes to it, as a share of the rest of the training.

    python benchmarks/board_logging.py [--epochs N] [--data data/processed] [--only NAME] [--allow-busy]

Whole runs by `run_training`, in a temporary folder, as the shipped configs have them:

    natops      experiment=natops on its store if --data has one, else on as many random clips of the same shape
    events      the event predictor as it is shipped on 20,000 random events of four fields, with two streams

Counted is the time in the hooks of every configured callback whose module knows the board (`board_of`,
`tell_loggers`), in the logger, and in SummaryWriter's own methods wherever else they are called (the verdict, health
checks); what a hook does besides writing, such as drawing, is part of it. Of the whole `fit` and of the test behind it
the share is taken; what follows at the end of a run (report and figures) is named by itself. Events are written to disk
by threads of their own, which may use another core: they are in the wall time and in no share. The share depends on
--epochs: pictures come every so many epochs, and some things once a run. A busy machine is refused with exit code 2.
"""

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import torch
from idle import Others, refuse_if_busy
from lightning.pytorch.loggers import TensorBoardLogger
from rich import get_console
from torch.utils.tensorboard import SummaryWriter

import experiment.training
from callbacks.health.check import HealthCheck
from callbacks.provisional_verdict import ProvisionalVerdict
from datamodules.skeletons.store_writer import Clip, new_store
from experiment.configs.compose import compose_config
from schemas.skeleton import load_layout

THREADS = 2
RUNS = {
    "natops": ["experiment=natops"],
    "events": [
        "model=event_predictor",
        "datamodule=events",
        "datamodule.sequence=case",
        "datamodule.fields={activity:{},team:{},product:{},gap:{kind:gap,edges:[0,60,3600]}}",
        "+datamodule.streams={team:{key:team,groups:all},product:{key:product}}",
    ],
}
OTHER_WORK = (HealthCheck, ProvisionalVerdict)
"""Callbacks that only tell the board what they find: what they write is counted, their checks are not."""
LOGGER = ("log_metrics", "log_hyperparams", "save", "finalize")


class Account:
    """Seconds by name; of calls within one another the outermost has them all."""

    def __init__(self):
        self.seconds: Counter = Counter()
        self._inside = False

    def timed(self, name: str, function: Callable) -> Callable:
        def call(*arguments, **keywords):
            if self._inside:
                return function(*arguments, **keywords)
            self._inside, start = True, time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                self._inside = False
                self.seconds[name] += time.perf_counter() - start

        return call


def writes_to_board(callback: L.Callback) -> bool:
    known = vars(sys.modules[type(callback).__module__])
    return not isinstance(callback, OTHER_WORK) and ("board_of" in known or "tell_loggers" in known)


def watch_callbacks(account: Account, callbacks: list[L.Callback]) -> None:
    for callback in filter(writes_to_board, callbacks):
        for hook in dir(L.Callback):
            is_hook = hook.startswith("on_") or hook in ("setup", "teardown")
            if is_hook and getattr(type(callback), hook) is not getattr(L.Callback, hook):
                setattr(callback, hook, account.timed(type(callback).__name__, getattr(callback, hook)))


def watched(account: Account, words: list[str], folder: Path) -> tuple[float, Counter, float]:
    """A run's seconds in fit and test, those of them in each writer, and the seconds of what is written at its end."""
    patches: list[tuple[object, str, object]] = []
    training: list[float] = []
    ending: list[float] = []

    def patch(owner: object, name: str, replace: Callable) -> None:
        patches.append((owner, name, getattr(owner, name)))
        setattr(owner, name, replace(getattr(owner, name)))

    def lap(into: list[float]) -> Callable:
        def replace(function: Callable) -> Callable:
            def call(*arguments, **keywords):
                start = time.perf_counter()
                try:
                    return function(*arguments, **keywords)
                finally:
                    into.append(time.perf_counter() - start)

            return call

        return replace

    def watched_trainer(build: Callable) -> Callable:
        def call(*arguments, **keywords):
            trainer = build(*arguments, **keywords)
            watch_callbacks(account, trainer.callbacks)
            return trainer

        return call

    patch(experiment.training, "build_trainer", watched_trainer)
    patch(experiment.training, "write_to_board", lap(ending))
    for name in ("fit", "test"):
        patch(L.Trainer, name, lap(training))
    for name in (name for name in dir(SummaryWriter) if name.startswith("add_")):
        patch(SummaryWriter, name, lambda function: account.timed("others, by SummaryWriter", function))
    for name in LOGGER:
        patch(TensorBoardLogger, name, lambda function: account.timed("the logger", function))
    try:
        experiment.training.run_training(compose_config(words), str(folder), words, False)
    finally:
        for owner, name, honest in reversed(patches):
            setattr(owner, name, honest)
    return sum(training), account.seconds, sum(ending)


def like_natops(folder: Path) -> None:
    """180 random clips to train and 180 to test, as NATOPS has them."""
    rng, skeleton = np.random.default_rng(0), load_layout("natops8")
    with new_store(
        folder, skeleton, [str(k) for k in range(6)], source={"made": "random"}, importer="benchmark"
    ) as new:
        for number in range(360):
            frames = rng.normal(size=(51, skeleton.num_joints, 3))
            new.add(Clip(frames, number % 6, f"clip {number}", "train" if number < 180 else "test"))


def random_log(path: Path) -> None:
    """2,000 cases of ten events."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"case": np.repeat(np.arange(2_000), 10)})
    for column, values in (("activity", 20), ("team", 8), ("product", 40)):
        frame[column] = [f"{column} {value}" for value in rng.integers(values, size=len(frame))]
    seconds = rng.integers(1, 7_200, size=len(frame)).cumsum()
    frame.assign(time=pd.to_datetime(1_600_000_000 + seconds, unit="s")).to_csv(path, index=False)


def report(name: str, epochs: int, training: float, seconds: Counter, ending: float) -> None:
    inside = sum(seconds.values())
    print(f"  {name:12}{epochs:7}{training:10.1f}{inside:9.2f}{inside / (training - inside):9.2%}{ending:10.2f}")
    for part, spent in seconds.most_common():
        print(f"    {part:36}{spent:9.3f}{spent / (training - inside):9.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, help="of each run, instead of its experiment's own")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="where stores lie")
    parser.add_argument("--only", choices=RUNS, help="one of the runs")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    get_console().quiet = True

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    during = Others()
    print(f"whole runs on the CPU, {THREADS} threads; seconds, and their share of the rest of fit and test:")
    print(f"  {'':12}{'epochs':>7}{'training':>10}{'inside':>9}{'share':>9}{'at its end':>12}")
    for name in [args.only] if args.only else RUNS:
        with tempfile.TemporaryDirectory() as place:
            words = [*RUNS[name], f"paths.log_dir={place}", f"paths.data_dir={args.data}", "trainer.accelerator=cpu"]
            words += [f"trainer.max_epochs={args.epochs}"] if args.epochs else []
            if name == "natops" and not (args.data / "natops").is_dir():
                like_natops(Path(place) / "data" / "natops")
                words.append(f"paths.data_dir={place}/data")
            if name == "events":
                random_log(Path(place) / "log.csv")
                words.append(f"datamodule.source.path={place}/log.csv")
            epochs = compose_config(words).trainer.max_epochs
            report(name, epochs, *watched(Account(), words, Path(place) / "run"))
    refuse_if_busy(during, args.allow_busy)


if __name__ == "__main__":
    main()
