"""The spatial part: blocks of graph convolutions over each frame's joints, pooled to one vector a frame.

Legend: N real frames of all clips, V joints, C channels, D channels of a block, W width of the pooled vector.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from models.dropout import ReLUDropout
from schemas.clips import ClipSchema


class PlainBlock(nn.Module):
    """Graph convolution, batch norm over all joints of all frames, ReLU, dropout."""

    def __init__(self, conv: nn.Module, width_in: int, width: int, dropout: float):
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm1d(width)
        self.activation = ReLUDropout(dropout)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]."""
        rows = self.norm(self.conv(x_NVC).flatten(0, 1))
        return self.activation(rows).unflatten(0, x_NVC.shape[:2])


class ResidualBlock(PlainBlock):
    """A plain block with a way round its convolution (He et al., arXiv:1512.03385).

    Where the width changes, the way round is a linear map with a batch norm.
    """

    def __init__(self, conv: nn.Module, width_in: int, width: int, dropout: float):
        super().__init__(conv, width_in, width, dropout)
        self.shortcut = nn.Identity()
        if width_in != width:
            self.shortcut = nn.Sequential(nn.Linear(width_in, width, bias=False), nn.BatchNorm1d(width))

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]."""
        rows = self.norm(self.conv(x_NVC).flatten(0, 1)) + self.shortcut(x_NVC.flatten(0, 1))
        return self.activation(rows).unflatten(0, x_NVC.shape[:2])


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
        input_norm: a batch norm of every joint's every channel in front of the first block, as in ST-GCN
            (arXiv:1801.07455): velocities are some hundredths of a coordinate, and nearly unheard without it.
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
        input_norm: bool,
    ):
        super().__init__()
        self.input_norm = nn.BatchNorm1d(schema.skeleton.num_joints * schema.channels) if input_norm else None
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
        if self.input_norm is not None:
            x_NVC = self.input_norm(x_NVC.flatten(1)).unflatten(1, x_NVC.shape[1:])
        return self.pooling(self.blocks(x_NVC))
