"""A training step of the GCN-LSTM against the per-frame loop that the original ran, on two CPU threads.

    python benchmarks/gcn_lstm_step.py [--repeats 7] [--allow-busy]          documented_final in single precision
    ... --bf16                      the same, and ours under CPU bfloat16 autocast beside it
    ... --uneven                    clips of NW-UCLA's lengths, padded by the loop and packed by us
    ... --uneven --data STORE       the same on a random batch of a store's training clips
    ... --preset documented_best    33 million numbers, three branches under a gate

A step is forward, cross-entropy, backward and fused AdamW, with B 16, T 32, V 62, C 31 and dropout .4 on both sides.
The loop runs torch_geometric's GCNConv once a frame and rebuilds the batched edge list every time; it reads padding as
it reads frames. All sides have the same weights and, in eval mode on full clips, the same logits, which is checked
first. Steps take turns. Memory that is freed stays with the process, on every side, as train.py has it. Peak memory is
how far a fresh process grows over its resident size before the first step, in three steps. A busy machine is refused
with exit code 2.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from figures import announce
from gcn_sides import NW_UCLA_LENGTHS, THREADS, B, PerFrameLoop, Step, T, alternate, build_ours, largest_difference
from idle import Others, refuse_if_busy
from peak_memory import peak_memory, report_peak_memory

from datamodules.skeletons.store import ClipStore
from experiment.memory import keep_freed_memory

MUST = {  # (must, aim) of loop / ours, by preset, bf16 and uneven
    ("documented_final", False, False): (1.6, 2.2),
    ("documented_final", True, False): (2.0, 3.5),
    ("documented_final", False, True): (2.0, 3.0),
    ("documented_best", False, False): (1.1, 1.5),
}


def lengths(args: argparse.Namespace) -> torch.Tensor | None:
    if not args.uneven:
        return None
    if args.data is None:
        return torch.tensor(NW_UCLA_LENGTHS)
    store = ClipStore(args.data)
    rows = torch.from_numpy(store.rows("train"))
    chosen = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:B]]
    return torch.from_numpy(store.lengths)[chosen]


def build(side: str, args: argparse.Namespace) -> Step:
    """`loop`, `ours` or `ours bf16`."""
    ours = build_ours(args.preset)
    model = PerFrameLoop(ours) if side == "loop" else ours
    return Step(model, lengths(args), torch.bfloat16 if side == "ours bf16" else None)


def compare(args: argparse.Namespace):
    names = ["loop", "ours"] + ["ours bf16"] * args.bf16
    sides = {name: build(name, args) for name in names}
    difference = largest_difference(sides)
    print(f"largest difference of the logits in eval mode, same weights: {difference:.1e}")
    if difference > 1e-5:
        sys.exit("the sides differ: nothing to compare")

    during = Others()
    seconds = alternate(sides, args.repeats)
    refuse_if_busy(during, args.allow_busy)
    mebibytes = {name: peak_memory(name) for name in names}

    clips = "clips of uneven length" if args.uneven else f"T {T}"
    print(f"{args.preset}, training step with fused AdamW, {THREADS} threads, B {B}, {clips}:")
    print(f"  {'':16}" + "".join(f"{name:>12}" for name in names))
    print(f"  {'median, s':16}" + "".join(f"{seconds[name]:12.3f}" for name in names))
    print(f"  {'loop / ours':16}" + "".join(f"{seconds['loop'] / seconds[name]:12.2f}" for name in names))
    print(f"  {'peak, MiB':16}" + "".join(f"{mebibytes[name]:12.0f}" for name in names))
    print(f"  {'peak, of loop':16}" + "".join(f"{mebibytes[name] / mebibytes['loop']:12.2f}" for name in names))

    figures = {}
    for name in names[1:]:
        ratio, share = seconds["loop"] / seconds[name], mebibytes[name] / mebibytes["loop"]
        figures[f"peak memory of {name} by the loop"] = (f"{share:.2f}", "<= 1, aim 0.5", share <= 1)
        if (key := (args.preset, name == "ours bf16", args.uneven)) in MUST:
            must, aim = MUST[key]
            figures[f"loop / {name}"] = (f"{ratio:.2f}x", f">= {must}x, aim {aim}x", ratio >= must)
    announce(figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=["documented_final", "documented_best"], default="documented_final")
    parser.add_argument("--bf16", action="store_true", help="ours under CPU bfloat16 autocast too")
    parser.add_argument("--uneven", action="store_true", help="clips of NW-UCLA's lengths in place of 32 frames")
    parser.add_argument("--data", type=Path, help="with --uneven: a store whose training clips lend their lengths")
    parser.add_argument("--repeats", type=int, default=7, help="timed steps of each side")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    if args.memory:
        return report_peak_memory(build(args.memory, args).run)

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)
    compare(args)


if __name__ == "__main__":
    main()
