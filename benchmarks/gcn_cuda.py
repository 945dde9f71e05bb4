"""A training step of documented_final on a CUDA device: single precision, AMP and `net.compile()` against the loop.

    python benchmarks/gcn_cuda.py [--repeats 20]

B 16, T 32, V 62, C 31, dropout .4 and fused AdamW on all sides, the same weights; in eval mode the logits of loop and
ours must agree, as in gcn_lstm_step.py. Without a CUDA device it says so and measures nothing.
"""

import argparse
import sys

import torch
from gcn_sides import B, PerFrameLoop, Step, T, alternate, build_ours, largest_difference

TOLERANCE = 1e-3  # sums run in another order


def compiled(step: Step) -> Step:
    step.model.compile()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="timed steps of each side")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"skipped: no CUDA device, or a torch without CUDA (torch {torch.__version__})")
        return

    torch.backends.cudnn.allow_tf32 = False  # which is on as torch ships, for the LSTM
    sides = {
        "loop": Step(PerFrameLoop(build_ours()), device="cuda"),
        "ours": Step(build_ours(), device="cuda"),
    }
    if (difference := largest_difference(sides)) > TOLERANCE:
        sys.exit(f"the sides differ by {difference:.1e}: nothing to compare")
    sides |= {
        "loop bf16": Step(PerFrameLoop(build_ours()), autocast=torch.bfloat16, device="cuda"),
        "ours bf16": Step(build_ours(), autocast=torch.bfloat16, device="cuda"),
        "ours fp16": Step(build_ours(), autocast=torch.float16, device="cuda"),
        "ours compiled": compiled(Step(build_ours(), device="cuda")),
        "ours bf16 compiled": compiled(Step(build_ours(), autocast=torch.bfloat16, device="cuda")),
    }
    seconds = alternate(sides, args.repeats)
    print(f"{torch.cuda.get_device_name()}, training step with fused AdamW, B {B}, T {T}, median of {args.repeats}:")
    print(f"  {'':20}{'ms':>9}{'loop / it':>11}")
    for name, taken in seconds.items():
        print(f"  {name:20}{1e3 * taken:9.2f}{seconds['loop'] / taken:11.2f}")


if __name__ == "__main__":
    main()
