"""A training step of the event predictor against the documented per-sample loop, and against one call a stream.

    python benchmarks/event_predictor_step.py [--repeats 15] [--allow-busy]                documented_events
    python benchmarks/event_predictor_step.py --preset documented_events_large --repeats 5 [--bf16]

A step is forward, mean over fields of the cross-entropy, backward and fused Adam: the preset's sizes and batch, the 17
documented fields, the six documented streams with 2 groups each, all lengths full, dropout 0.1. What `loop`, `streams`
and `ours` call is in `event_sides.py`. All have the same weights and, in eval mode, the same loss and gradients, which
is checked first. Steps take turns. `--bf16` adds ours under CPU bfloat16 autocast; the others stay in float32. Memory
that is freed stays with the process, on every side, as train.py has it. Peak memory is how far a fresh process grows
over its resident size before the first step, in three steps. A busy machine is refused with exit code 2.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from event_sides import GROUPS, OneCallAStream, Ours, PerSampleLoop
from figures import announce
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from idle import Others, refuse_if_busy
from omegaconf import DictConfig
from peak_memory import peak_memory, report_peak_memory
from torch import Tensor, nn

from experiment.memory import keep_freed_memory
from schemas.batches import EventBatch
from schemas.events import UNK, EventField, EventSchema, Stream

CONF = Path(__file__).resolve().parents[1] / "conf"

THREADS = 2
MUST = {  # preset -> other side -> (must, aim) of its time by ours
    "documented_events": {"loop": (13.0, 25.0), "streams": (4.0, 6.0)},
    "documented_events_large": {"loop": (1.4, 2.0)},
}
IDS = ("Actor", "Recipient", "Location", "CostCode", "JobCode", "ApprovedByManagerUser")
TIMES = {"Month": 14, "Day": 33, "Hour": 25, "Minute": 61}


def documented_schema(config: DictConfig) -> EventSchema:
    """The documented fields with their cardinalities, and a stream for EventType and for each id but the manager's."""
    sizes = {"EventType": 10} | {f"{name}RecordId": config.datamodule.id_category_size for name in IDS}
    sizes |= {"IsTimesheet": 4, "HoursWorked": 100}
    sizes |= {f"Time_{of}_{part}": size for of in ("Event", "Reference") for part, size in TIMES.items()}
    fields = [  # UNK counts as a value
        EventField(name, tuple(map(str, range(size - 1))), "category", "dynamic") for name, size in sizes.items()
    ]
    streams = [Stream("EventType", "EventType")] + [Stream(name, f"{name}RecordId") for name in IDS[:-1]]
    data = config.datamodule
    return EventSchema(tuple(fields), tuple(streams), data.src_seq_len, data.tgt_seq_len, "window")


def random_batch(schema: EventSchema, samples: int) -> EventBatch:
    """Full windows and full rows of random events. No time passes: the documented embedding reads no time gaps."""
    generator = torch.Generator().manual_seed(1)

    def events(*shape: int) -> Tensor:
        values = [torch.randint(UNK, field.size, shape, generator=generator) for field in schema.fields]
        return torch.stack(values, dim=-1)

    rows, L, T = GROUPS * len(schema.streams), schema.src_seq_len, schema.tgt_seq_len
    return EventBatch(
        source=events(samples, 1, rows, L).int(),
        source_age=torch.zeros(samples, 1, rows, L),
        source_length=torch.full((samples, 1, rows), L),
        stream=torch.arange(len(schema.streams)).repeat_interleave(GROUPS),
        target=events(samples, T + 1),
        target_gap=torch.zeros(samples, T + 1),
        target_length=torch.full((samples,), T + 1),
        scored=torch.ones(samples, T, dtype=torch.bool),
        sequence_id=torch.arange(samples),
    )


class Step:
    """A side, its optimizer, the batch, and the precision of its training steps."""

    def __init__(self, side: nn.Module, batch: EventBatch, config: DictConfig, bf16: bool):
        self.side, self.batch, self.bf16 = side, batch, bf16
        self.optimizer = instantiate(config.optimizer)(side.parameters())

    def in_eval_mode(self) -> list[Tensor]:
        """The loss, and its gradients at the positions: each event passes one on its way back. In float32."""
        loss = self.side.eval()(self.batch)
        return [loss.detach(), *torch.autograd.grad(loss, self.side.positions)]

    def run(self) -> float:
        """Seconds of one training step."""
        self.side.train()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self.side(self.batch)
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start


def build(name: str, preset: str) -> Step:
    """`loop`, `streams`, `ours` or `ours bf16`, always from the same seed and so with the same weights and events."""
    torch.manual_seed(0)
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", overrides=[f"experiment={preset}"])
    schema = documented_schema(config)
    net = instantiate(config.model.net)(schema)
    if name in ("loop", "streams"):
        side = {"loop": PerSampleLoop, "streams": OneCallAStream}[name](net, config.model)
    else:
        side = Ours(net)
    return Step(side, random_batch(schema, config.datamodule.batch_size), config, name == "ours bf16")


def check_equality(steps: dict[str, Step]):
    loss, *gradients = steps["ours"].in_eval_mode()
    print(f"loss in eval mode, same weights: ours {loss:.6f}")
    for name in ("loop", "streams"):
        other, *others = steps[name].in_eval_mode()
        difference = (other - loss).abs()
        relative = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(others, gradients, strict=True))
        print(f"  {name} differs by {difference:.1e}, its gradients by {relative:.1e} of the largest")
        if difference > 1e-5 or relative > 1e-4:
            sys.exit("the models differ: nothing to compare")


def median_seconds(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Of a step of each side; the sides take turns, after two steps each that are not timed."""
    rounds = [[step.run() for step in steps.values()] for _ in range(2 + repeats)]
    return dict(zip(steps, map(statistics.median, zip(*rounds[2:], strict=True)), strict=True))


def compare(args: argparse.Namespace):
    names = ["loop", "streams", "ours"] + ["ours bf16"] * args.bf16
    steps = {name: build(name, args.preset) for name in names}
    check_equality(steps)
    during = Others()
    seconds = median_seconds(steps, args.repeats)
    refuse_if_busy(during, args.allow_busy)
    batch = steps["ours"].batch
    steps.clear()
    mebibytes = {name: peak_memory(name) for name in names}

    (B, _, R, L, fields), T = batch.source.shape, batch.scored.shape[1]
    print(f"{args.preset}, training step with fused Adam, {THREADS} threads, B {B}, T {T}, R {R}, L {L}, F {fields}:")
    print(f"  {'':16}" + "".join(f"{name:>12}" for name in names))
    print(f"  {'median, ms':16}" + "".join(f"{1000 * seconds[name]:12.1f}" for name in names))
    for other in ("loop", "streams"):
        print(f"  {other + ' / side':16}" + "".join(f"{seconds[other] / seconds[name]:12.2f}" for name in names))
    print(f"  {'peak, MiB':16}" + "".join(f"{mebibytes[name]:12.0f}" for name in names))

    share = mebibytes["ours"] / mebibytes["loop"]
    figures = {"peak memory of ours by the loop": (f"{share:.2f}", "<= 1, aim 0.5", share <= 1)}
    for other, (must, aim) in MUST[args.preset].items():
        ratio = seconds[other] / seconds["ours"]
        figures[f"{other} / ours"] = (f"{ratio:.2f}x", f">= {must:g}x, aim {aim:g}x", ratio >= must)
    announce(figures)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=list(MUST), default="documented_events")
    parser.add_argument("--repeats", type=int, default=15, help="timed steps of each side")
    parser.add_argument("--bf16", action="store_true", help="ours under CPU bfloat16 autocast too")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    if args.memory:
        return report_peak_memory(build(args.memory, args.preset).run)

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)
    compare(args)


if __name__ == "__main__":
    main()
