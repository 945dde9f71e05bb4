"""Seconds from `python train.py experiment=quickstart` to the end of its first training step, and where they go.

    python benchmarks/start_up.py [--repeats 5] [--data data/processed] [--allow-busy]

Each start is a process of its own, from the moment at which it is asked for; one before them, which is not counted,
makes the clips and warms the disk. Baselines are fitted once for a data set and kept in the log folder: the first line
is of a start that finds them there, the second of one with a new log folder. In the process everything is imported
before `train.py` runs, not while it runs, so that the parts can be told apart; after the first step it ends at once.
A busy machine is refused with exit code 2.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from figures import announce
from idle import Others, refuse_if_busy

ROOT = Path(__file__).resolve().parent.parent
MOST = 9.0
BEGUN, LAPS = "ASSAY_BEGUN", "LAPS "


class Laps:
    """Seconds between the moments that are marked."""

    def __init__(self, begun: float):
        self.since, self.seconds = begun, {}

    def mark(self, what: str) -> None:
        """What has gone on since the last mark."""
        now = time.time()
        self.seconds[what], self.since = now - self.since, now

    def before(self, what: str, function: Callable) -> Callable:
        """The function, which marks its beginning."""

        def call(*arguments, **keywords):
            self.mark(what)
            return function(*arguments, **keywords)

        return call


def start(words: list[str]) -> None:
    """In the process: trains until the first step has ended, and prints its laps."""
    laps = Laps(float(os.environ[BEGUN]))
    laps.mark("the interpreter")
    sys.path.insert(0, str(ROOT))
    import train

    laps.mark("Hydra and the front door")
    import torch  # noqa: F401  (for its time)

    laps.mark("torch")
    import lightning as L

    laps.mark("Lightning")
    import experiment.training as training
    from experiment.tasks.clips import ClipTask

    laps.mark("all else that is imported")

    class FirstStep(L.Callback):
        def on_train_start(self, trainer, pl_module):
            laps.mark("data checks, first validation")

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            laps.mark("first step")
            print(LAPS + json.dumps(laps.seconds), flush=True)
            os._exit(0)

    def with_first_step(config, first, last, *more, build=training.build_trainer):
        return build(config, first, [*last, FirstStep()], *more)

    build_module = laps.before("opening the data", ClipTask.build_module)
    baselines = laps.before("net, Trainer, provenance", training.Comparison)
    with (
        mock.patch.object(training, "run_training", laps.before("config", training.run_training)),
        mock.patch.object(ClipTask, "build_module", build_module),
        mock.patch.object(training, "build_trainer", with_first_step),
        mock.patch.object(training, "Comparison", baselines),
        mock.patch.object(L.Trainer, "fit", laps.before("baselines", L.Trainer.fit)),
    ):
        sys.argv = ["train.py", *words]
        runpy.run_path(train.__file__, run_name="__main__")


def seconds_of(data: Path, logs: Path) -> dict[str, float]:
    words = ["experiment=quickstart", f"paths.data_dir={data}", f"paths.log_dir={logs}", "trainer.accelerator=cpu"]
    command = [sys.executable, __file__, "--start", *words]
    environment = os.environ | {BEGUN: repr(time.time())}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    laps = [line for line in done.stdout.splitlines() if line.startswith(LAPS)]
    if not laps:
        sys.exit(f"no first step: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return json.loads(laps[-1][len(LAPS) :])


def main():
    if sys.argv[1:2] == ["--start"]:
        return start(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "processed", help="where the clips lie, or will")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    with tempfile.TemporaryDirectory() as place:
        logs, data = Path(place) / "logs", args.data if args.data.is_dir() else Path(place) / "data"
        seconds_of(data, logs)
        warm = [seconds_of(data, logs) for _ in range(args.repeats)]
        new = [seconds_of(data, Path(place) / f"logs {number}") for number in range(args.repeats)]
    totals = {name: [sum(laps.values()) for laps in side] for name, side in (("warm", warm), ("new", new))}
    for name, what in (("warm", "baselines there"), ("new", "a new log folder")):
        print(f"start to first step, {what}: median {statistics.median(totals[name]):.2f} s of {args.repeats}")
    for part in warm[0]:
        medians = [statistics.median(laps[part] for laps in side) for side in (warm, new)]
        print(f"  {part:32}{medians[0]:8.2f}{medians[1]:8.2f}")
    median = statistics.median(totals["warm"])
    announce({"start to first training step": (f"{median:.1f} s", f"< {MOST:.0f} s", median < MOST)})


if __name__ == "__main__":
    main()
