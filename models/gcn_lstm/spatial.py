"""The spatial part: blocks of graph convolutions over each frame's joints, pooled to one vector a frame.

Legend: N real frames of all clips, V joints, C channels, D channels of a block, W width of the pooled vector.
"""

from collections.abc import Callable
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from models.dropout import Dropout
from schemas.clips import ClipSchema


def normalise(norm: nn.BatchNorm1d, x_NVD: Tensor) -> Tensor:
    """Batch norm with every joint of every frame as one row."""
    return norm(x_NVD.flatten(0, 1)).view_as(x_NVD)


class PlainBlock(nn.Module):
    """Graph convolution, batch norm, ReLU, dropout."""

    def __init__(self, conv: nn.Module, width_in: int, width: int, dropout: float):
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm1d(width)
        self.dropout = Dropout(dropout)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]."""
        return self.dropout(F.relu(normalise(self.norm, self.conv(x_NVC)), inplace=True))


class ResidualBlock(nn.Module):
    """A plain block with a way round its convolution (He et al., arXiv:1512.03385).

    Where the width changes, the way round is a linear map with a batch norm.
    """

    def __init__(self, conv: nn.Module, width_in: int, width: int, dropout: float):
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm1d(width)
        self.shortcut = None if width_in == width else nn.Linear(width_in, width, bias=False)
        self.shortcut_norm = None if width_in == width else nn.BatchNorm1d(width)
        self.dropout = Dropout(dropout)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]."""
        skip = x_NVC if self.shortcut is None else normalise(self.shortcut_norm, self.shortcut(x_NVC))
        return self.dropout(F.relu(normalise(self.norm, self.conv(x_NVC)) + skip, inplace=True))


class SpatialGCN(nn.Module):
    """A stack of graph convolution blocks and a pooling over the joints.

    Frames are independent here, so it takes the real frames of all clips packed together, and its batch norms see
    no padding.

    Args:
        schema: layout and channels of the clips.
        dim: D, channels of every block.
        layers: number of blocks.
        adjacency: (skeleton, width_in, width) -> graph convolution.
        block: (conv, width_in, width, dropout) -> block.
        pooling: (skeleton, width_in) -> pooling with its `width`.
        dropout: probability of dropping in each block.
    """

    def __init__(
        self,
        schema: ClipSchema,
        dim: int,
        layers: int,
        adjacency: Callable[..., nn.Module],
        block: Callable[..., nn.Module],
        pooling: Callable[..., nn.Module],
        dropout: float,
    ):
        super().__init__()
        widths = [schema.channels] + [dim] * layers
        self.blocks = nn.Sequential(
            *(
                block(adjacency(schema.skeleton, width_in, width), width_in, width, dropout)
                for width_in, width in pairwise(widths)
            )
        )
        self.pooling = pooling(schema.skeleton, dim)
        self.width: int = self.pooling.width

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, W]."""
        return self.pooling(self.blocks(x_NVC))
