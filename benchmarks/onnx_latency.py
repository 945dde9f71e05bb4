"""One clip on one core: the exported file in onnxruntime beside the same run in torch.

    python benchmarks/onnx_latency.py [--run RUN] [--frames 32] [--repeats 50] [--allow-busy]

Both go from raw joints to logits, preprocessing included, with one thread each; calls of the two alternate. Without
a run it is a fresh net of documented_final's size: 62 landmarks, 28 extra channels, 100 classes. The export itself
checks that both say the same. A busy machine is refused with exit code 2.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from idle import Others, refuse_if_busy

from experiment.build import build_net
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.configs.compose import compose_config
from experiment.export.onnx_check import open_session, random_clips
from experiment.export.onnx_file import export_onnx
from experiment.export.onnx_graph import feed_of
from experiment.prediction.inference import ClipInference
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout


def fresh_run() -> LoadedRun:
    """documented_final before training."""
    config = compose_config(["experiment=documented_final"])
    schema = ClipSchema(load_layout("face62"), tuple(f"word {k}" for k in range(100)), channels=31)
    torch.manual_seed(0)
    return LoadedRun(build_net(config, schema).eval(), schema, config, [], {}, 0, Path("documented_final"))


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="a run's folder or a checkpoint; without it a fresh net of documented_final")
    parser.add_argument("--frames", type=int, default=32, help="of the clip")
    parser.add_argument("--repeats", type=int, default=50, help="timed calls of each side")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(1)
    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    run = load_run(args.run) if args.run else fresh_run()
    with tempfile.TemporaryDirectory() as folder:
        done = export_onnx(run, Path(folder) / "net.onnx", None if args.run else 3)
        session = open_session(done.path)
    numbers = [int(done.metadata[key]) for key in ("coordinates", "extra_channels")]
    batch = random_clips(1, args.frames, run.schema.skeleton.num_joints, *numbers)
    feed = {name: tensor.numpy() for name, tensor in feed_of(batch).items()}
    inference = ClipInference(run, "cpu")
    sides = {"torch": lambda: inference.logits(batch), "onnxruntime": lambda: session.run(None, feed)}
    for call in [*sides.values()] * 3:
        call()  # warm up

    during = Others()
    times = np.array([[milliseconds(call) for call in sides.values()] for _ in range(args.repeats)]).T
    refuse_if_busy(during, args.allow_busy)
    print(f"one clip of {args.frames} frames, one core, {done.size / 2**20:.1f} MiB, median of {args.repeats}:")
    medians = [statistics.median(side) for side in times]
    for name, side, median in zip(sides, times, medians, strict=True):
        print(
            f"  {name:12}{median:8.2f} ms   (quartiles {np.quantile(side, 0.25):.2f} to {np.quantile(side, 0.75):.2f})"
        )
    print(f"  {'ratio':12}{medians[0] / medians[1]:8.2f}")
    print(f"largest difference of a logit or probability: {max(done.differences.values()):.1e}")


if __name__ == "__main__":
    main()
