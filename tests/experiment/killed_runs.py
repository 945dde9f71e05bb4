"""Runs in processes of their own, that can be killed at any moment."""

import multiprocessing
import os
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from schemas.errors import ExperimentError

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["experiment.training", "experiment.tasks.clips", "experiment.tasks.events"])


def whole_run(words: list[str], folder: str) -> None:
    """What a process does; its output goes to a file beside the run's folder."""
    from experiment.config import compose_config
    from experiment.training import run_training

    log = os.open(f"{folder}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        run_training(compose_config(words), folder, words, False)
    except KeyboardInterrupt:
        os._exit(130)
    except ExperimentError:
        os._exit(2)


def start(words: list[str], folder: Path) -> ForkServerProcess:
    process = CONTEXT.Process(target=whole_run, args=(words, str(folder)))
    process.start()
    return process


def run_to_end(words: list[str], folder: Path) -> float:
    """Seconds that it took; raises where it did not end well."""
    started = time.perf_counter()
    process = start(words, folder)
    process.join()
    assert process.exitcode == 0, Path(f"{folder}.txt").read_text()[-2000:]
    return time.perf_counter() - started


def hit(words: list[str], folder: Path, seconds: float, number: signal.Signals) -> int:
    """Starts a run, sends a signal after so many seconds, and returns how it ended; 0 if it was done before."""
    process = start(words, folder)
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid, number)
    process.join()
    return process.exitcode
