"""How time grows with the size of the problem: an exponent each, fitted to a training step's time.

    python benchmarks/scaling.py [--repeats 5] [--only AXIS] [--plot PICTURE] [--allow-busy]

For the GCN-LSTM the frames T, joints V, clips B and classes K; for the event predictor the streams, fields, values of a
field and the length L of both the sources and the window; for a store its clips, as it is opened and as a batch of 64
is gathered. One size changes at a time. The sizes of an axis alternate, the median of each counts, and the exponent is
the slope of a line fitted by least squares to the logarithms. It is judged over the whole range, so that a constant
share keeps it small: the last column is the slope between the two largest sizes, and at most LINEAR is called linear.
What is worse by its mathematics is said beside it. A busy machine is refused with exit code 2.
Legend: B clips or windows, T frames or events, V joints, C channels, K classes, R source rows, L events, F fields.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from figures import announce
from idle import Others, refuse_if_busy
from omegaconf import DictConfig
from real_runs import random_clips
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from datamodules.skeletons.store import ClipStore
from experiment.build import build_net
from experiment.configs.compose import compose_config
from schemas.batches import EventBatch
from schemas.clips import ClipSchema
from schemas.events import UNK, EventField, EventSchema, Stream
from schemas.skeleton import Skeleton

THREADS = 2
LINEAR = 1.1
"""An exponent up to this is called linear: caches and the timing itself are worth some percent."""
GATHERED = 64


@dataclass(frozen=True)
class Axis:
    """One size that grows."""

    make: Callable[[int], Callable[[], object]]
    """From a size to what is timed."""
    sizes: tuple[int, ...]
    worse: str = ""
    """Why more than linear growth would be the mathematics' own."""


def step_of(net: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A training step with fused AdamW."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def clips(config: DictConfig, B: int = 8, T: int = 16, V: int = 32, K: int = 100) -> Callable[[], None]:
    """A GCN-LSTM's step on a chain of joints."""
    chain = Skeleton("chain", tuple(f"joint {v}" for v in range(V)), tuple((v, v - 1) for v in range(1, V)))
    schema = ClipSchema(chain, tuple(f"class {k}" for k in range(K)), channels=10)
    net = build_net(config, schema)
    x_BTVC, label_B = torch.randn(B, T, V, schema.channels), torch.randint(K, (B,))
    length_B = torch.full((B,), T)
    return step_of(net, lambda: cross_entropy(net(x_BTVC, length_B), label_B))


def events(
    config: DictConfig, streams: int = 4, fields: int = 8, values: int = 100, length: int = 20, B: int = 16
) -> Callable[[], None]:
    """An event predictor's step on full windows and rows; two groups a stream."""
    made = [EventField(f"field {f}", tuple(map(str, range(values))), "category", "dynamic") for f in range(fields)]
    keyed = tuple(Stream(f"stream {s}", f"field {s % fields}") for s in range(streams))
    net = build_net(config, EventSchema(tuple(made), keyed, length, length, "window"))
    R = 2 * streams
    batch = EventBatch(
        source=torch.randint(UNK, values, (B, 1, R, length, fields)).int(),
        source_age=torch.zeros(B, 1, R, length),
        source_length=torch.full((B, 1, R), length),
        stream=torch.arange(streams).repeat_interleave(2),
        target=torch.randint(UNK, values, (B, length + 1, fields)),
        target_gap=torch.zeros(B, length + 1),
        target_length=torch.full((B,), length + 1),
        scored=torch.ones(B, length, dtype=torch.bool),
        sequence_id=torch.arange(B),
    )
    return step_of(net, lambda: net(batch).mean())


def stored(place: Path, number: int) -> Path:
    """A store of so many clips."""
    folder = place / str(number)
    if not folder.is_dir():
        random_clips(folder, "natops8", clips=number, classes=10, frames=range(8, 9))
    return folder


def gathering(place: Path, number: int) -> Callable[[], object]:
    """Batches of random clips, as shuffled training reads them."""
    store, rng = ClipStore(stored(place, number)), np.random.default_rng(0)
    return lambda: store.gather(rng.integers(number, size=GATHERED))


def axes(place: Path) -> dict[str, Axis]:
    gcn = compose_config(["model=gcn_lstm", "model.spatial_dim=128", "model.temporal_dim=256"])
    predictor = compose_config(["model=event_predictor"])
    attention = "attention compares all pairs of events: quadratic, where the length outweighs the width"
    return {
        "T frames": Axis(lambda size: clips(gcn, T=size), (8, 16, 32, 64)),
        "V joints": Axis(lambda size: clips(gcn, V=size), (16, 32, 64, 128)),
        "B clips": Axis(lambda size: clips(gcn, B=size), (4, 8, 16, 32)),
        "K classes": Axis(lambda size: clips(gcn, K=size), (10, 100, 1000, 10000)),
        "streams": Axis(lambda size: events(predictor, streams=size), (1, 2, 4, 8)),
        "fields": Axis(lambda size: events(predictor, fields=size), (4, 8, 16, 32)),
        "values of a field": Axis(lambda size: events(predictor, values=size), (30, 100, 300, 1000, 3000)),
        "length of events": Axis(lambda size: events(predictor, length=size), (10, 20, 40, 80, 160), attention),
        "clips, opening": Axis(
            lambda size: (lambda folder: lambda: ClipStore(folder))(stored(place, size)), (500, 2000, 8000, 32000)
        ),
        "clips, a batch": Axis(lambda size: gathering(place, size), (500, 2000, 8000, 32000)),
    }


def measured(axis: Axis, repeats: int) -> list[float]:
    """Median seconds at each size."""
    timed = [axis.make(size) for size in axis.sizes]
    for call in timed:  # warm up
        call(), call()
    seconds: list[list[float]] = [[] for _ in timed]
    for _ in range(repeats):
        for call, found in zip(timed, seconds, strict=True):
            begun = time.perf_counter()
            call()
            found.append(time.perf_counter() - begun)
    return [statistics.median(found) for found in seconds]


def draw(path: Path, found: dict[str, tuple[Axis, list[float]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    for place, axis in enumerate(figure.subplots(1, 3)):
        axis.set(xscale="log", yscale="log", xlabel="times the smallest size", ylabel="times its time")
        axis.set_title(("GCN-LSTM", "event predictor", "clip store")[place])
        for name, (sizes, seconds) in list(found.items()):
            family = 0 if name in ("T frames", "V joints", "B clips", "K classes") else 2 if "clips," in name else 1
            if family == place:
                grown = [size / sizes.sizes[0] for size in sizes.sizes]
                axis.plot(grown, [second / seconds[0] for second in seconds], marker="o", label=name)
        axis.axline((1, 1), slope=1, color="0.7", linestyle="--", label="linear")
        axis.legend(fontsize="small")
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", help="the axes whose name holds this")
    parser.add_argument("--plot", type=Path, help="a picture of all axes")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    during, found, figures = Others(), {}, {}
    print(f"training steps on the CPU, {THREADS} threads, and a store's reading; ms at each size:")
    with tempfile.TemporaryDirectory() as place:
        for name, axis in axes(Path(place)).items():
            if args.only and args.only not in name:
                continue
            seconds = measured(axis, args.repeats)
            x, y = (list(map(math.log, values)) for values in (axis.sizes, seconds))
            exponent, last = statistics.linear_regression(x, y).slope, (y[-1] - y[-2]) / (x[-1] - x[-2])
            sizes = "  ".join(f"{size}: {1e3 * spent:.2f}" for size, spent in zip(axis.sizes, seconds, strict=True))
            print(f"  {name:20} exponent {exponent:5.2f}, at the end {last:5.2f}   {sizes}")
            if axis.worse and last > LINEAR:
                print(f"  {'':20} {axis.worse}")
            found[name] = axis, seconds
            met = exponent <= LINEAR or bool(axis.worse and exponent <= 2)
            must = "<= 2, quadratic by its mathematics" if axis.worse else f"<= {LINEAR}"
            figures[f"growth with {name}"] = f"{exponent:.2f}", must, met
    refuse_if_busy(during, args.allow_busy)
    if args.plot:
        draw(args.plot, found)
    announce(figures)


if __name__ == "__main__":
    main()
