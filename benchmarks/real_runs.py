"""Whole runs of `experiment.training`, as a user has them, with a callback of the benchmark's own among the others.

Data that are absent are made: random clips in the shape of a data set. Legend: T frames, E extra channels.
"""

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import lightning as L
import numpy as np
from rich import get_console

import experiment.training
from datamodules.skeletons.store_writer import Clip, new_store
from experiment.configs.compose import compose_config
from schemas.skeleton import load_layout


def quiet() -> None:
    """What a run tells a person is not the question."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    get_console().quiet = True


@contextmanager
def added(callback: L.Callback):
    """Every Trainer that is built inside has this callback behind all others."""
    build = experiment.training.build_trainer

    def with_callback(config, first, last, *more):
        return build(config, first, [*last, callback], *more)

    with mock.patch.object(experiment.training, "build_trainer", with_callback):
        yield


def run(words: list[str], place: Path, callback: L.Callback) -> None:
    """One run on the CPU whose folder and logs lie in `place`; the test split stays closed."""
    words = [*words, "trainer.accelerator=cpu", "test=false", f"paths.log_dir={place}"]
    with added(callback):
        experiment.training.run_training(compose_config(words), str(place / "run"), words, False)


def random_clips(folder: Path, layout: str, clips: int, classes: int, frames: range, extra: int = 0) -> None:
    """A store of random clips, every third of them to test; ten subjects before three cameras, of which the last tests.

    Args:
        frames: the lengths T that occur, in turn.
        extra: E.
    """
    rng, skeleton = np.random.default_rng(0), load_layout(layout)
    names, source = [str(k) for k in range(classes)], {"made": "random"}
    with new_store(folder, skeleton, names, source=source, importer="benchmark", extra=extra) as new:
        for number in range(clips):
            T = frames[number % len(frames)]
            new.add(
                Clip(
                    rng.normal(size=(T, skeleton.num_joints, 3)),
                    number // 3 % classes,
                    f"clip {number}",
                    "test" if number % 3 == 2 else "train",
                    extra=rng.normal(size=(T, extra)) if extra else None,
                    groups={"subject": f"{number // 3 % 10}", "camera": f"{number % 3}"},
                )
            )
