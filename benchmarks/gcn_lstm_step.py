"""A training step of documented_final against the per-frame loop that the original ran, on two CPU threads.

    python benchmarks/gcn_lstm_step.py [--repeats 7] [--allow-busy]

A step is forward, cross-entropy, backward and AdamW, with B 16, T 32, V 62, C 31 and dropout .4 on both sides. The loop
runs torch_geometric's GCNConv once a frame and rebuilds the batched edge list every time; both have the same weights
and, in eval mode, the same logits, which is checked first. Steps of the two alternate. Peak memory is how far a fresh
process grows over its resident size before the first step, in three steps. A busy machine is refused with exit code 2.
Legend: B clips, T frames, V joints, C channels, D channels of a layer, E edges, K classes.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from idle import Others, refuse_if_busy
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from models.gcn_lstm.graph_conv import undirected_edges
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

CONF = Path(__file__).resolve().parents[1] / "conf"

B, T, K, THREADS = 16, 32, 100, 2
SCHEMA = ClipSchema(load_layout("face62"), tuple(f"word {k}" for k in range(K)), channels=31)


class PerFrameLoop(nn.Module):
    """The same architecture as the original ran it: one graph convolution call a frame, torch's own dropout."""

    def __init__(self, ours: nn.Module, dropout: float):
        super().__init__()
        self.dropout = dropout
        self.edges_2E = undirected_edges(SCHEMA.skeleton)
        state = ours.state_dict()
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i in range(len(ours.spatial.blocks)):
            weight_DC = state[f"spatial.blocks.{i}.conv.linear.weight"]
            conv, norm = GCNConv(weight_DC.shape[1], weight_DC.shape[0]), nn.BatchNorm1d(weight_DC.shape[0])
            conv.load_state_dict({"lin.weight": weight_DC, "bias": state[f"spatial.blocks.{i}.conv.linear.bias"]})
            norm.load_state_dict(ours.spatial.blocks[i].norm.state_dict())
            self.convs.append(conv)
            self.norms.append(norm)
        lstm = ours.temporal.lstm
        self.lstm = nn.LSTM(lstm.input_size, lstm.hidden_size, lstm.num_layers, batch_first=True, bidirectional=True)
        self.lstm.load_state_dict(lstm.state_dict())
        self.unused_norm = nn.LayerNorm(2 * lstm.hidden_size)
        first, _, _, second = ours.classifier
        sizes = (first.in_features, first.out_features, second.out_features)
        self.classifier = nn.Sequential(nn.Linear(*sizes[:2]), nn.ReLU(), nn.Dropout(dropout), nn.Linear(*sizes[1:]))
        self.classifier.load_state_dict(ours.classifier.state_dict())

    def forward(self, x_BTVC: Tensor, length_B: Tensor) -> Tensor:
        clips, frames, joints, _ = x_BTVC.shape
        pooled = []
        for t in range(frames):
            edges_2E = torch.cat([self.edges_2E + clip * joints for clip in range(clips)], dim=1)
            x_nodes = x_BTVC[:, t].reshape(clips * joints, -1)
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x_nodes = F.dropout(F.relu(norm(conv(x_nodes, edges_2E))), self.dropout, self.training)
            x_BVD = x_nodes.view(clips, joints, -1)
            pooled.append(torch.cat([x_BVD.mean(1), x_BVD.max(1).values], dim=1))
        _, (hidden, _) = self.lstm(torch.stack(pooled, dim=1))
        return self.classifier(torch.cat([hidden[-2], hidden[-1]], dim=1))


class Step:
    """A model, its optimizer and one batch of random clips."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(1)
        joints, channels = SCHEMA.skeleton.num_joints, SCHEMA.channels
        self.x_BTVC = torch.randn(B, T, joints, channels, generator=generator)
        self.length_B = torch.full((B,), T)
        self.label_B = torch.randint(K, (B,), generator=generator)

    @torch.no_grad()
    def eval_logits(self) -> Tensor:
        return self.model.eval()(self.x_BTVC, self.length_B)

    def run(self) -> float:
        """Seconds of one training step."""
        self.model.train()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x_BTVC, self.length_B), self.label_B).backward()
        self.optimizer.step()
        return time.perf_counter() - start


def build(side: str) -> Step:
    """`ours` or `loop`, from the same seed and so with the same weights."""
    torch.manual_seed(0)
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=["+model=gcn_lstm", "model.unused_norm=true"])
    ours = instantiate(config.model.net)(SCHEMA)
    return Step(ours if side == "ours" else PerFrameLoop(ours, config.model.dropout))


def resident_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def report_peak_memory(side: str):
    """Prints how many bytes this process grows over its present size in three training steps."""
    step = build(side)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = resident_bytes("VmRSS")
    for _ in range(3):
        step.run()
    print(resident_bytes("VmHWM") - before)


def peak_memory(side: str) -> float:
    """MiB, measured in a process of its own."""
    command = [sys.executable, __file__, "--memory", side]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="timed steps of each side")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    parser.add_argument("--memory", choices=["ours", "loop"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    if args.memory:
        return report_peak_memory(args.memory)

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)

    ours, loop = build("ours"), build("loop")
    difference = (ours.eval_logits() - loop.eval_logits()).abs().max()
    print(f"largest difference of the logits in eval mode, same weights: {difference:.1e}")
    if difference > 1e-5:
        sys.exit("the two models differ: nothing to compare")

    ours.run(), loop.run()  # warm up
    during = Others()
    seconds = [(loop.run(), ours.run()) for _ in range(args.repeats)]
    refuse_if_busy(during, args.allow_busy)
    loop_seconds, our_seconds = (statistics.median(side) for side in zip(*seconds, strict=True))
    loop_mib, our_mib = peak_memory("loop"), peak_memory("ours")

    joints, channels = SCHEMA.skeleton.num_joints, SCHEMA.channels
    print(f"training step with AdamW, {THREADS} threads, B {B}, T {T}, V {joints}, C {channels}:")
    print(f"  {'':12}{'loop':>10}{'ours':>10}{'ratio':>8}")
    print(f"  {'median, s':12}{loop_seconds:10.3f}{our_seconds:10.3f}{loop_seconds / our_seconds:8.2f}")
    print(f"  {'peak, MiB':12}{loop_mib:10.0f}{our_mib:10.0f}{loop_mib / our_mib:8.2f}")


if __name__ == "__main__":
    main()
