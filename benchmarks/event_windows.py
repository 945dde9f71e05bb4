"""How fast windows of events are built on one core, with sources that end at the window and at every event.

    python benchmarks/event_windows.py [--src-seq-len 20] [--tgt-seq-len 64] [--allow-busy]

Flights, five streams, B 32. Counted are target events a second of the training loader, without workers, and the share
of a training step of the default model that goes by while it waits for its batch. A busy machine is refused with exit
code 2.
"""

import argparse
import statistics
import time

import torch
from idle import Others, refuse_if_busy

from experiment.build import build_datamodule, build_net
from experiment.configs.compose import compose_config


def rate(loader, batches: int) -> float:
    """Target events a second over some batches."""
    events, start = 0, time.perf_counter()
    for number, batch in enumerate(loader):
        events += int(batch.scored.sum())
        if number + 1 == batches:
            break
    return events / (time.perf_counter() - start)


def waiting(loader, net: torch.nn.Module, steps: int) -> float:
    """The median share of a step (batch, forward, backward) that is spent on getting the batch."""
    shares, batches = [], iter(loader)
    for _ in range(steps):
        start = time.perf_counter()
        batch = next(batches)
        got = time.perf_counter()
        net.zero_grad()
        net(batch).sum().backward()
        shares.append((got - start) / (time.perf_counter() - start))
    return statistics.median(shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--src-seq-len", type=int, default=20)
    parser.add_argument("--tgt-seq-len", type=int, default=64)
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(1)
    others = Others()
    time.sleep(1)
    refuse_if_busy(others, args.allow_busy)
    lengths = [f"datamodule.src_seq_len={args.src_seq_len}", f"datamodule.tgt_seq_len={args.tgt_seq_len}"]
    loaders, nets = {}, {}
    for context_at in ("window", "event"):
        words = ["model=event_predictor", "datamodule=flights", f"datamodule.context_at={context_at}", *lengths]
        config = compose_config(words)
        datamodule = build_datamodule(config)
        loaders[context_at], nets[context_at] = datamodule.train_dataloader(), build_net(config, datamodule.schema)
    rates = {context_at: [] for context_at in loaders}
    for _ in range(5):
        for context_at, loader in loaders.items():
            rates[context_at].append(rate(loader, 60 if context_at == "window" else 6))
    shares = {context_at: waiting(loaders[context_at], nets[context_at], 7) for context_at in loaders}
    refuse_if_busy(others, args.allow_busy)
    print(f"flights, 5 streams, L {args.src_seq_len}, T {args.tgt_seq_len}, B 32, one core: target events a second")
    for context_at, found in rates.items():
        print(f"  {context_at:8}{statistics.median(found):12,.0f}, {shares[context_at]:.1%} of a training step")


if __name__ == "__main__":
    main()
