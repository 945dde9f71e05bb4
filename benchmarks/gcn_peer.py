"""A training step of the GCN-LSTM against the same net with an ST-GCN's spatial part, on two CPU threads.

    python benchmarks/gcn_peer.py [--repeats 9] [--allow-busy]

The peer writes a block as ST-GCN (arXiv:1801.07455) and its successors do: clips as [B, C, T, V], a 1x1 convolution, an
einsum over the adjacency, BatchNorm2d, ReLU, torch's dropout. It has our adjacency, widths and weights, and in eval
mode our logits, which is checked first. `spatial` is the blocks and the pooling with a linear map to the classes in
place of LSTM and classifier; `whole` is documented_final. B 16, T 32, V 62, C 31, dropout .4, fused AdamW, single
precision. Steps take turns; a busy machine is refused with exit code 2.
Legend: B clips, T frames, V joints, C channels, D channels of a block, F features a frame.
"""

import argparse
import copy
import sys
import time

import torch
from gcn_sides import THREADS, B, K, Step, T, alternate, as_torch_has_it, build_ours, largest_difference
from idle import Others, refuse_if_busy
from torch import Tensor, nn

from experiment.memory import keep_freed_memory
from models.gcn_lstm.packing import RealFrames


class PeerBlock(nn.Module):
    """1x1 convolution, einsum over the adjacency, BatchNorm2d, ReLU, dropout."""

    def __init__(self, ours: nn.Module):
        super().__init__()
        linear = ours.conv.linear
        self.register_buffer("adjacency_VV", ours.conv.adjacency_VV)
        self.conv = nn.Conv2d(linear.in_features, linear.out_features, 1)
        self.conv.weight.data.copy_(linear.weight[:, :, None, None])
        self.conv.bias.data.zero_()  # as ours are at the start
        self.norm = nn.BatchNorm2d(linear.out_features)
        self.activation = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(ours.activation.p))

    def forward(self, x_BCTV: Tensor) -> Tensor:
        mixed_BDTV = torch.einsum("nctv,vw->nctw", self.conv(x_BCTV), self.adjacency_VV)
        return self.activation(self.norm(mixed_BDTV.contiguous()))


class Peer(nn.Module):
    """The blocks over whole clips, and mean and maximum over the joints: [B, T, V, C] -> [B, T, F]."""

    def __init__(self, ours: nn.Module):
        super().__init__()
        self.blocks = nn.Sequential(*map(PeerBlock, ours.blocks))

    def forward(self, x_BTVC: Tensor) -> Tensor:
        x_BDTV = self.blocks(x_BTVC.permute(0, 3, 1, 2).contiguous())
        return torch.cat([x_BDTV.mean(3), x_BDTV.max(3).values], dim=1).transpose(1, 2)


class Ours(nn.Module):
    """The same for our spatial part."""

    def __init__(self, spatial: nn.Module):
        super().__init__()
        self.spatial = spatial

    def forward(self, x_BTVC: Tensor) -> Tensor:
        return self.spatial(x_BTVC.flatten(0, 1)).unflatten(0, x_BTVC.shape[:2])


class MeanOfFrames(nn.Module):
    """The least that can follow: the mean over the frames, and a linear map."""

    def __init__(self, width_in: int):
        super().__init__()
        self.linear = nn.Linear(width_in, K)

    def forward(self, x_BTF: Tensor) -> Tensor:
        return self.linear(x_BTF.mean(1))


class TemporalAndClassifier(nn.Module):
    """The rest of documented_final."""

    def __init__(self, temporal: nn.Module, classifier: nn.Module):
        super().__init__()
        self.temporal, self.classifier = temporal, classifier

    def forward(self, x_BTF: Tensor) -> Tensor:
        return self.classifier(self.temporal(x_BTF, RealFrames(None, x_BTF)))


class Whole(nn.Module):
    """A spatial part and what follows it; all clips are full."""

    def __init__(self, spatial: nn.Module, rest: nn.Module):
        super().__init__()
        self.spatial, self.rest = spatial, rest

    def forward(self, x_BTVC: Tensor, length_B: Tensor) -> Tensor:
        return self.rest(self.spatial(x_BTVC))


def sides(whole: bool) -> dict[str, Step]:
    ours = build_ours()
    rest = TemporalAndClassifier(ours.temporal, ours.classifier) if whole else MeanOfFrames(ours.spatial.width)
    peer = Whole(Peer(ours.spatial), as_torch_has_it(copy.deepcopy(rest)))
    return {"peer": Step(peer), "ours": Step(Whole(Ours(ours.spatial), rest))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="timed steps of each side")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()

    idle = Others()
    time.sleep(1)
    refuse_if_busy(idle, args.allow_busy)
    during = Others()
    print(f"training step with fused AdamW, {THREADS} threads, B {B}, T {T}, median of {args.repeats}:")
    print(f"  {'':10}{'peer, s':>10}{'ours, s':>10}{'ratio':>8}{'logits differ by':>18}")
    for name in ("spatial", "whole"):
        pair = sides(whole=name == "whole")
        if (difference := largest_difference(pair)) > 1e-5:
            sys.exit(f"the sides differ by {difference:.1e}: nothing to compare")
        seconds = alternate(pair, args.repeats)
        ratio = seconds["peer"] / seconds["ours"]
        print(f"  {name:10}{seconds['peer']:10.3f}{seconds['ours']:10.3f}{ratio:8.2f}{difference:18.1e}")
    refuse_if_busy(during, args.allow_busy)


if __name__ == "__main__":
    main()
