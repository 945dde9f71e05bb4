"""The share of the machine's matrix rate that a GCN-LSTM training step reaches, on two CPU threads.

    python benchmarks/gcn_rate.py [--repeats 9] [--allow-busy]

documented_final in single precision, B 16, T 32, V 62, C 31, dropout 0. The machine's rate is measured in the same run,
in turns with the step: a large `torch.mm` (BLAS) and a 1x1 convolution of 256 to 256 channels (oneDNN), of which the
faster is what the step is held against. Counted are the multiplications and additions of graph convolutions, LSTM and
classifier, forward and backward, the adjacency at its non-zeros; norms, activations, pooling and AdamW count as nothing
and take their time. A busy machine is refused with exit code 2.
Legend: N frames of all clips, V joints.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from figures import announce
from gcn_sides import SCHEMA, THREADS, B, K, Step, T, build_ours
from idle import Others, refuse_if_busy
from torch import nn

from experiment.memory import keep_freed_memory

MUST, AIM = 0.55, 0.70
MM_SIZE = 4096
CONV_SHAPE = (512, 256, 1, 62)


def graph_conv_flops(N: int, width_in: int, width: int, nonzeros: int, first: bool) -> int:
    """Forward, the gradient of the weights, and that of the input unless it is the data."""
    mix = 2 * N * nonzeros * width_in
    linear = 2 * N * SCHEMA.skeleton.num_joints * width_in * width
    return mix + 2 * linear if first else 2 * mix + 3 * linear


def step_flops(net: nn.Module) -> int:
    """Floating-point operations of a training step: 2 for a multiplication with its addition."""
    N = B * T
    convs = [block.conv for block in net.spatial.blocks]
    graph = sum(
        graph_conv_flops(
            N, conv.linear.in_features, conv.linear.out_features, int(conv.adjacency_VV.count_nonzero()), not i
        )
        for i, conv in enumerate(convs)
    )
    # input and recurrent weights of every layer and direction; each is used forward and in two gradients
    recurrent = sum(p.numel() for name, p in net.temporal.lstm.named_parameters() if name.startswith("weight"))
    head = sum(layer.weight.numel() for layer in net.classifier if isinstance(layer, nn.Linear))
    return graph + 3 * 2 * (N * recurrent + B * head)


def mm_rate() -> float:
    """FLOP/s of a large product of matrices."""
    a, b = torch.randn(2, MM_SIZE, MM_SIZE)
    start = time.perf_counter()
    a @ b
    return 2 * MM_SIZE**3 / (time.perf_counter() - start)


def convolution_rate() -> float:
    """FLOP/s of a 1x1 convolution in the layout of `models.gcn_lstm.graph_conv.mix_channels`."""
    images, channels, _, points = CONV_SHAPE
    x = torch.randn(CONV_SHAPE).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 1, 1)
    start = time.perf_counter()
    F.conv2d(x, weight)
    return 2 * images * points * channels**2 / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="timed steps, and measurements of each rate")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)
    net = build_ours("documented_final", "model.dropout=0.0")
    step, flops = Step(net), step_flops(net)

    step.run(), mm_rate(), convolution_rate()  # warm up
    during = Others()
    rounds = [(step.run(), mm_rate(), convolution_rate()) for _ in range(args.repeats)]
    refuse_if_busy(during, args.allow_busy)
    seconds, mm, convolution = map(statistics.median, zip(*rounds, strict=True))

    rate, machine = flops / seconds, max(mm, convolution)
    print(f"documented_final, dropout 0, {THREADS} threads, B {B}, T {T}, {K} classes: {flops / 1e9:.1f} GFLOP a step")
    print(f"  {'':24}{'GFLOP/s':>9}{'step is':>9}")
    print(f"  {f'step of {seconds:.3f} s':24}{rate / 1e9:9.0f}")
    print(f"  {f'torch.mm of {MM_SIZE}':24}{mm / 1e9:9.0f}{rate / mm:9.0%}")
    print(f"  {'1x1 convolution':24}{convolution / 1e9:9.0f}{rate / convolution:9.0%}")
    figure = (f"{rate / machine:.0%}", f">= {MUST:.0%}, aim {AIM:.0%}", rate / machine >= MUST)
    announce({"share of the float32 matrix rate": figure})


if __name__ == "__main__":
    main()
