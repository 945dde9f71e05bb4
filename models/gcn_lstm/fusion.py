"""Three views of the pooled frames, recurrent, attentive and convolutional, and a gate that weighs them.

Legend: B clips, T frames, N real frames of all clips, F features a frame, D temporal width, R = 3 branches.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.dropout import Dropout
from models.gcn_lstm.packing import RealFrames


class AttentionBranch(nn.Module):
    """Linear map, Transformer encoder (arXiv:1706.03762) and the mean over real frames.

    Without `positions` it sees a clip as a set of frames, as the documented model did; with them a fixed sinusoid
    of the frame's number is added.
    """

    def __init__(
        self, width_in: int, width: int, layers: int, heads: int, feed_forward: int, dropout: float, positions: bool
    ):
        super().__init__()
        self.width = width
        self.positions = positions
        self.project = nn.Linear(width_in, width)
        layer = nn.TransformerEncoderLayer(width, heads, feed_forward, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, F] -> [B, D]."""
        x_BTD = self.project(x_BTF)
        if self.positions:
            x_BTD = x_BTD + sinusoids(frames.T, self.width, x_BTD)
        padding_BT = None if frames.full else ~frames.real_BT
        return frames.mean(self.encoder(x_BTD, src_key_padding_mask=padding_BT))


class ConvolutionBranch(nn.Module):
    """Two convolutions over three frames each, with batch norm and ReLU, and the mean over real frames.

    Beyond a clip's end its neighbours are zeros, whether it was padded or not, and the norms see real frames only.
    """

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.width = width
        self.convs = nn.ModuleList(nn.Conv1d(w, width, kernel_size=3, padding=1) for w in (width_in, width))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.convs)

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, F] -> [B, D]; padding of the input must be zero."""
        x_BT_ = x_BTF
        for conv, norm in zip(self.convs, self.norms, strict=True):
            conv_BTD = conv(x_BT_.transpose(1, 2)).transpose(1, 2)
            x_BT_ = frames.unpack(norm(frames.pack(conv_BTD)).relu())
        return frames.mean(x_BT_)


class GatedFusion(nn.Module):
    """The branches' vectors side by side with their gate-weighted sum.

    Args:
        width_in: F.
        dim: D, the width that every branch is brought to.
        recurrent, attention, convolution: (F) -> branch with its `width`.
        dropout: in the gate.
    """

    def __init__(
        self,
        width_in: int,
        dim: int,
        recurrent: Callable[[int], nn.Module],
        attention: Callable[[int], nn.Module],
        convolution: Callable[[int], nn.Module],
        dropout: float,
    ):
        super().__init__()
        self.branches = nn.ModuleList(branch(width_in) for branch in (recurrent, attention, convolution))
        count = len(self.branches)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(branch.width), nn.Linear(branch.width, dim)) for branch in self.branches
        )
        self.gate = nn.Sequential(nn.Linear(count * dim, dim), nn.ReLU(), Dropout(dropout), nn.Linear(dim, count))
        self.width = (count + 1) * dim
        self.norm = nn.LayerNorm(self.width)

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, F] -> [B, 4D]."""
        pairs = zip(self.branches, self.projections, strict=True)
        views_BRD = torch.stack([project(branch(x_BTF, frames)) for branch, project in pairs], dim=1)
        side_by_side = views_BRD.flatten(1)
        weight_BR = self.gate(side_by_side).softmax(1)
        blend_BD = (weight_BR[..., None] * views_BRD).sum(1)
        return self.norm(torch.cat([side_by_side, blend_BD], dim=1))


def sinusoids(frames: int, width: int, like: Tensor) -> Tensor:
    """[T, D] the fixed position code of arXiv:1706.03762, section 3.5."""
    frame_T1 = torch.arange(frames, device=like.device, dtype=torch.float32)[:, None]
    even = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    angle = frame_T1 * torch.exp(-math.log(10_000.0) / width * even)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width].to(like.dtype)
