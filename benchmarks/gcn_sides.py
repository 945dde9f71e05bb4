"""The two sides that the benchmarks of the GCN-LSTM compare: ours, and the per-frame loop that the original ran.

Legend: B clips, T frames, V joints, C channels, D channels of a layer, E edges, F features a frame, K classes.
"""

import copy
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from models.dropout import Dropout
from models.gcn_lstm.graph_conv import undirected_edges
from models.gcn_lstm.packing import RealFrames
from models.gcn_lstm.temporal import BiLSTM
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

CONF = Path(__file__).resolve().parents[1] / "conf"

B, T, K, THREADS = 16, 32, 100, 2
SCHEMA = ClipSchema(load_layout("face62"), tuple(f"word {k}" for k in range(K)), channels=31)

NW_UCLA_LENGTHS = (14, 18, 21, 21, 25, 27, 30, 32, 35, 38, 42, 49, 56, 66, 85, 123)
"""A typical batch: every sixteenth of the way through the sorted lengths of NW-UCLA's 1,020 training clips."""


class LastHiddenLSTM(nn.Module):
    """nn.LSTM and its last hidden states, run over all frames that there are."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.lstm = lstm

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        _, (hidden, _) = self.lstm(x_BTF)
        return torch.cat([hidden[-2], hidden[-1]], dim=1)


class PerFrameLoop(nn.Module):
    """The same architecture as the original ran it: one graph convolution call a frame, torch's own LSTM and dropout.

    It takes padding for frames, as the original did, so it computes what ours does where every clip is full.
    """

    def __init__(self, ours: nn.Module):
        super().__init__()
        self.register_buffer("edges_2E", undirected_edges(SCHEMA.skeleton), persistent=False)
        state = ours.state_dict()
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, block in enumerate(ours.spatial.blocks):
            weight_DC = state[f"spatial.blocks.{i}.conv.linear.weight"]
            conv = GCNConv(weight_DC.shape[1], weight_DC.shape[0])
            conv.load_state_dict({"lin.weight": weight_DC, "bias": state[f"spatial.blocks.{i}.conv.linear.bias"]})
            self.convs.append(conv)
            self.norms.append(copy.deepcopy(block.norm))
        self.dropout = nn.Dropout(ours.spatial.blocks[0].activation.p)
        self.temporal = as_torch_has_it(copy.deepcopy(ours.temporal))
        self.classifier = as_torch_has_it(copy.deepcopy(ours.classifier))

    def forward(self, x_BTVC: Tensor, length_B: Tensor) -> Tensor:
        clips, frames, joints, _ = x_BTVC.shape
        pooled = []
        for t in range(frames):
            edges_2E = torch.cat([self.edges_2E + clip * joints for clip in range(clips)], dim=1)
            x_nodes = x_BTVC[:, t].reshape(clips * joints, -1)
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x_nodes = self.dropout(F.relu(norm(conv(x_nodes, edges_2E))))
            x_BVD = x_nodes.view(clips, joints, -1)
            pooled.append(torch.cat([x_BVD.mean(1), x_BVD.max(1).values], dim=1))
        return self.classifier(self.temporal(torch.stack(pooled, dim=1), RealFrames(None, x_BTVC)))


def as_torch_has_it(module: nn.Module) -> nn.Module:
    """The module with torch's own dropout and LSTM in place of ours."""
    if isinstance(module, Dropout):
        return nn.Dropout(module.p)
    if isinstance(module, BiLSTM):
        return LastHiddenLSTM(module.lstm)
    for name, child in module.named_children():
        setattr(module, name, as_torch_has_it(child))
    return module


class Step:
    """A model, its optimizer and one batch of random clips, padded to the longest.

    Args:
        model: takes the clips and their lengths.
        length_B: frames of each clip; None where every clip has T.
        autocast: dtype of automatic mixed precision, or None.
        device: where it runs.
    """

    def __init__(
        self,
        model: nn.Module,
        length_B: Tensor | None = None,
        autocast: torch.dtype | None = None,
        device: str = "cpu",
    ):
        self.model, self.autocast, self.device = model.to(device), autocast, device
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)  # as conf/optimizer has it
        self.scaler = torch.amp.GradScaler(device, enabled=autocast is torch.float16)
        generator = torch.Generator().manual_seed(1)
        self.length_B = torch.full((B,), T) if length_B is None else length_B
        clips, frames = len(self.length_B), int(self.length_B.max())
        shape = (clips, frames, SCHEMA.skeleton.num_joints, SCHEMA.channels)
        self.x_BTVC = torch.randn(shape, generator=generator).to(device)
        self.label_B = torch.randint(K, (clips,), generator=generator).to(device)

    @torch.no_grad()
    def eval_logits(self) -> Tensor:
        """In single precision, of the first T frames of the clips that are as long: nothing is padding there."""
        enough_B = (self.length_B >= T).to(self.device)
        return self.model.eval()(self.x_BTVC[enough_B, :T], torch.full((int(enough_B.sum()),), T))

    def run(self) -> float:
        """Seconds of one training step."""
        self.model.train()
        start = time.perf_counter()
        self.optimizer.zero_grad()
        with torch.autocast(self.device, self.autocast, enabled=self.autocast is not None):
            loss = F.cross_entropy(self.model(self.x_BTVC, self.length_B), self.label_B)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def build_ours(preset: str = "documented_final", *overrides: str) -> nn.Module:
    """The net of an experiment, for clips of SCHEMA, always from the same seed and so with the same weights."""
    torch.manual_seed(0)
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", overrides=[f"experiment={preset}", *overrides])
    return instantiate(config.model.net)(SCHEMA)


def alternate(sides: dict[str, Step], repeats: int) -> dict[str, float]:
    """Median seconds of a step of each side; the sides take turns, after one step each that is not timed."""
    for step in sides.values():
        step.run()
    rounds = [[step.run() for step in sides.values()] for _ in range(repeats)]
    return dict(zip(sides, map(statistics.median, zip(*rounds, strict=True)), strict=True))


def largest_difference(sides: dict[str, Step]) -> float:
    """Of the sides' logits in eval mode and single precision."""
    first, *others = (step.eval_logits() for step in sides.values())
    return max((float((first - other).abs().max()) for other in others), default=0.0)
