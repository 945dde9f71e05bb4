"""Ours against HoTPP's next-item transformer (hotpp-benchmark on PyPI) on the same batches of BPI 2013.

    python -m venv /tmp/hotpp_env
    /tmp/hotpp_env/bin/pip install "torch>=2.9,<2.14" pytorch-lightning hydra-core pyarrow scipy scikit-learn pandas
    /tmp/hotpp_env/bin/pip install --no-deps hotpp-benchmark pytorch-lifestream torch-linear-assignment
    python benchmarks/hotpp_peer.py --python /tmp/hotpp_env/bin/python --data data/processed [--epochs 6]

(--no-deps spares pyspark, lightgbm, spacy and others; `hotpp_side.py` puts empty modules in the place of three
that are imported there and not used: transformers, duckdb and pymonad.)

The sides take turns, an epoch each, on two threads: the same windows in the same order, width 128, 4 heads, 2 layers,
feed-forward 512, dropout 0.1, Adam at 3e-3 (our recipe's rate), the same fields in and predicted, a softmax each.
Printed are events a second of training steps (batches are ready), and of the validation split the cross-entropy and
accuracy of the fields.
`hotpp_side.py` is HoTPP's side. A busy machine is refused with exit code 2, a missing environment with a line.

What is not the same: HoTPP puts a start token first, has sines as positions, lays the fields' embeddings side by side
(32 each, then a linear map) where ours adds them up, and drops attention weights too. Its metrics and its generation
know one label field and time, its loss any number of fields, which is what is used here. Ours runs without its streams
and with independent heads of one linear map, for HoTPP has neither streams nor chained fields. HoTPP's loss of time is
left out: both predict the binned gap.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from idle import Others, refuse_if_busy

from experiment.build import build_datamodule, build_net
from experiment.configs.compose import compose_config
from experiment.memory import keep_freed_memory
from schemas.batches import EventBatch

THREADS, LR, HOTPP_EMBEDDING = 2, 3e-3, 32
SIZES = {"d_model": 128, "num_heads": 4, "feed_forward": 512, "dropout": 0.1}


class Ours:
    def __init__(self, net: torch.nn.Module, train: list[EventBatch], val: list[EventBatch]):
        self.net, self.batches = net, {"train": train, "val": val}
        self.optimizer = torch.optim.Adam(net.parameters(), lr=LR)
        self.parameters = sum(parameter.numel() for parameter in net.parameters())

    def train(self, first: int, last: int) -> float:
        """Seconds of a step on each of these batches."""
        self.net.train()
        start = time.perf_counter()
        for batch in self.batches["train"][first:last]:
            loss = self.net(batch).sum() / batch.scored.sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - start

    @torch.no_grad()
    def measure(self) -> dict[str, list[float]]:
        """Cross-entropy and accuracy of every predicted field, means over the scored validation events."""
        self.net.eval()
        outputs = [self.net.evaluate(batch) for batch in self.batches["val"]]
        count = sum(int(output.scored.sum()) for output in outputs)
        sums = {
            name: sum(getattr(output, name).float().sum(dim=(0, 1)) for output in outputs) for name in ("nll", "hit")
        }
        return {name: (total_D / count).tolist() for name, total_D in sums.items()}


class HoTPP:
    """The process of the other environment."""

    def __init__(self, python: Path, setup: dict, batches: dict[str, list[EventBatch]], folder: Path):
        (folder / "setup.json").write_text(json.dumps(setup))
        np.savez(folder / "batches.npz", **arrays_of(batches))
        side = Path(__file__).with_name("hotpp_side.py")
        command = [python, side, folder / "setup.json", folder / "batches.npz"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.parameters = self._answer()["parameters"]

    def train(self, first: int, last: int) -> float:
        return self._ask(f"train {first} {last}")["seconds"]

    def measure(self) -> dict[str, list[float]]:
        return self._ask("measure")

    def _ask(self, line: str) -> dict:
        print(line, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"HoTPP's side ended with exit code {self.process.wait()}; run hotpp_side.py by hand to see why")
        return json.loads(line)


def arrays_of(batches: dict[str, list[EventBatch]]) -> dict[str, np.ndarray]:
    arrays = {}
    for split, of_split in batches.items():
        arrays[f"{split}_batches"] = np.array(len(of_split))
        for number, batch in enumerate(of_split):
            parts = {"target": batch.target, "gap": batch.target_gap}
            parts |= {"length": batch.target_length, "scored": batch.scored}
            arrays |= {f"{split}_{number}_{part}": tensor.numpy() for part, tensor in parts.items()}
    return arrays


def epochs_of(datamodule, epochs: int) -> list[list[EventBatch]]:
    """The training batches of each epoch."""
    loader, found = datamodule.train_dataloader(), []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        found.append(list(loader))
    return found


def compare(args: argparse.Namespace, folder: Path):
    words = ["experiment=bpic2013", f"paths.data_dir={args.data}", "model.heads=independent", "model.order=null"]
    words += ["model.head_width=0", "model.copy=[]", *(f"model.{name}={size}" for name, size in SIZES.items())]
    words += [f"datamodule.streams.{name}=null" for name in ("resource", "team", "product")]
    config = compose_config(words)
    datamodule = build_datamodule(config)
    schema = datamodule.schema
    epochs = epochs_of(datamodule, args.epochs)
    batches = {"train": list(chain.from_iterable(epochs)), "val": list(datamodule.val_dataloader())}
    torch.manual_seed(0)
    setup = {
        "sizes": {field.name: field.size for field in schema.fields},
        "predicted": schema.dynamic_names,
        "length": schema.tgt_seq_len + 1,
        "layers": config.model.decoder_layers,
        "embedding": HOTPP_EMBEDDING,
        "threads": THREADS,
        "lr": LR,
        **SIZES,
    }
    sides = {
        "ours": Ours(build_net(config, schema), batches["train"], batches["val"]),
        "HoTPP": HoTPP(args.python, setup, batches, folder),
    }
    events = [sum(int(batch.scored.sum()) for batch in epoch) for epoch in epochs]
    seconds, first = {name: [] for name in sides}, 0
    for epoch in epochs:
        for name, side in sides.items():
            during = Others()
            seconds[name].append(side.train(first, first + len(epoch)))
            if name == "ours":  # HoTPP's process waits; while it works it is one of the others
                refuse_if_busy(during, args.allow_busy)
        first += len(epoch)

    fields = f"{len(schema.fields)} fields, {len(schema.dynamic)} predicted"
    print(f"BPI 2013, {fields}, {args.epochs} epochs of {len(epochs[0])} steps or so, {THREADS} threads:")
    for name, side in sides.items():
        rate = statistics.median(n / s for n, s in zip(events, seconds[name], strict=True))
        figures = side.measure()
        nll, activity = figures["nll"], schema.dynamic_names.index("activity")
        print(
            f"  {name:6}{side.parameters:12,} numbers {rate:10,.0f} events/s   activity {nll[activity]:.3f} nats,"
            f" {figures['hit'][activity]:.3f} right; all fields {statistics.mean(nll):.3f} nats"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has HoTPP")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="where bpic2013_incidents.csv.gz is")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    if not args.python.is_file():
        sys.exit(f"skipped: there is no {args.python}; the top of this file says how to make HoTPP's environment")
    look = "import sys, importlib.util as util; sys.exit(util.find_spec('hotpp') is None)"
    if subprocess.run([args.python, "-c", look], capture_output=True).returncode:
        sys.exit(f"skipped: {args.python} has no hotpp; the top of this file says how to install it")
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)
    with tempfile.TemporaryDirectory() as folder:
        compare(args, Path(folder))


if __name__ == "__main__":
    main()
