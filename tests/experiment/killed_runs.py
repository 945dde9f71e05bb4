"""Runs in processes of their own, that are hit by a signal at a moment of their work."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from schemas.errors import ExperimentError

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["experiment.training", "experiment.tasks.clips", "experiment.tasks.events"])


@dataclass(frozen=True)
class Hit:
    """A signal, some seconds after the n-th moment, to the run alone or to its workers too."""

    signal: int
    moment: int
    seconds: float = 0.0
    group: bool = False

    def send(self) -> None:
        if self.group:
            os.killpg(0, self.signal)
        else:
            os.kill(os.getpid(), self.signal)


class Moments:
    """Counts them: a training or validation step begins, a file has reached the disk or is put in its place.

    By the clock most hits would fall into the start of so short a run.
    """

    def __init__(self, hit: Hit | None):
        from lightning.pytorch.strategies import Strategy

        self.number, self.hit = 0, hit
        for owner, name in ((Strategy, "training_step"), (Strategy, "validation_step"), (os, "fsync"), (os, "replace")):
            setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, function: Callable) -> Callable:
        def counted(*arguments, **named):
            self.number += 1
            if self.hit and self.number == self.hit.moment:
                if self.hit.seconds:
                    threading.Timer(self.hit.seconds, self.hit.send).start()
                else:
                    self.hit.send()
            return function(*arguments, **named)

        return counted


def whole_run(words: list[str], folder: str, hit: Hit | None) -> None:
    """What a process does; its output goes to a file beside the run's folder, and how many moments it had."""
    from experiment.configs.compose import compose_config
    from experiment.training import run_training

    # Workers are forked, as those of `python train.py` are: they would be the forkserver's, and outlive the run.
    multiprocessing.set_start_method("fork", force=True)
    os.setpgid(0, 0)
    log = os.open(f"{folder}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    moments = Moments(hit)
    try:
        run_training(compose_config(words), folder, words, False)
    except KeyboardInterrupt:
        sys.exit(130)
    except ExperimentError as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(2)
    Path(f"{folder}.moments").write_text(str(moments.number))


def start(words: list[str], folder: Path, hit: Hit | None = None) -> ForkServerProcess:
    process = CONTEXT.Process(target=whole_run, args=(words, str(folder), hit))
    process.start()
    return process


def run_to_end(words: list[str], folder: Path) -> int:
    """How many moments it had; raises where it did not end well."""
    process = start(words, folder)
    process.join()
    assert process.exitcode == 0, Path(f"{folder}.txt").read_text()[-2000:]
    return int(Path(f"{folder}.moments").read_text())


def hit_run(words: list[str], folder: Path, hit: Hit, patience: float = 120.0) -> int:
    """How a run that is hit ended; 0 if it was done before. Raises where it did not end in `patience` seconds."""
    started = time.monotonic()
    process = start(words, folder, hit)
    process.join(patience)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"{hit} did not end it in {time.monotonic() - started:.0f} s: {folder}.txt")
    return process.exitcode
