"""The graph convolution's linear map as `F.linear` and as the 1x1 convolution that the model uses on the CPU.

    python benchmarks/mix_channels.py

Forward and backward of [512, 62, 256] -> 256 channels, with one thread and with two; the median of several
alternating repeats, and whether both give the same numbers.
"""

import statistics
import time

import torch
import torch.nn.functional as F

from models.gcn_lstm.graph_conv import mix_channels

FRAMES, JOINTS, WIDTH, REPEATS = 512, 62, 256, 15


def seconds(function, x, weight, bias) -> float:
    started = time.perf_counter()
    y = function(x, weight, bias)
    y.backward(torch.ones_like(y))
    return time.perf_counter() - started


def main():
    torch.manual_seed(0)
    x, weight, bias = (
        torch.randn(size, requires_grad=True) for size in ((FRAMES, JOINTS, WIDTH), (WIDTH, WIDTH), WIDTH)
    )
    difference = (F.linear(x, weight, bias) - mix_channels(x, weight, bias)).abs().max()
    print(f"largest difference {difference:.1e}")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        pairs = [[seconds(f, x, weight, bias) for f in (F.linear, mix_channels)] for _ in range(REPEATS)]
        linear, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"{threads} thread(s): linear {1e3 * linear:.0f} ms, convolution {1e3 * ours:.0f} ms, {linear / ours:.2f}"
        )


if __name__ == "__main__":
    main()
