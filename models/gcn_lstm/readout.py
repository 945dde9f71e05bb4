"""From the outputs of a bidirectional LSTM to one vector a clip.

Legend: B clips, T frames, H hidden units of one direction, W = 2H outputs a frame (forward, then backward).
"""

import torch
from torch import Tensor, nn

from models.gcn_lstm.packing import RealFrames


class LastHidden(nn.Module):
    """The last hidden state of each direction: forward after the last real frame, backward after the first."""

    def __init__(self, width_in: int):
        super().__init__()
        self.width = width_in

    def forward(self, x_BTW: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, 2H] -> [B, 2H]."""
        hidden = self.width // 2
        return torch.cat([frames.last(x_BTW[..., :hidden]), x_BTW[:, 0, hidden:]], dim=1)


class AttentionMax(nn.Module):
    """A learned weighting of the real frames beside their maximum.

    The weights are a softmax over one score a frame (Yang et al., Hierarchical Attention Networks, 2016).
    """

    def __init__(self, width_in: int):
        super().__init__()
        self.width = 2 * width_in
        self.project = nn.Linear(width_in, width_in // 2)
        self.score = nn.Linear(width_in // 2, 1, bias=False)

    def forward(self, x_BTW: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, W] -> [B, 2W]."""
        score_BT1 = frames.fill(self.score(self.project(x_BTW).tanh()), -torch.inf)
        attended_BW = (score_BT1.softmax(1) * x_BTW).sum(1)
        return torch.cat([attended_BW, frames.max(x_BTW)], dim=1)
