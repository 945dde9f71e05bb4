"""Which frames of a padded batch are real: the one place that knows about padding.

Legend: B clips, T frames (padded), N real frames of all clips together, W width; `_` any further dimensions.
"""

import torch
from torch import Tensor


class RealFrames:
    """Packs the real frames of a padded batch and puts them back; nothing is copied when every clip is full.

    Args:
        length_B: [B] int64 real frames of each clip, 1 to T; None where every clip has T.
        x_BT: the padded batch, or anything of its first two sizes and its device.

    Raises:
        ValueError: when a length is not in 1 to T.
    """

    def __init__(self, length_B: Tensor | None, x_BT: Tensor):
        self.B, self.T = x_BT.shape[:2]
        self.length_cpu = None if length_B is None else length_B.cpu()
        if self.length_cpu is not None and not bool(((self.length_cpu >= 1) & (self.length_cpu <= self.T)).all()):
            raise ValueError(f"lengths {self.length_cpu.tolist()} must lie in 1 to {self.T}")
        self.full = self.length_cpu is None or bool((self.length_cpu == self.T).all())
        if not self.full:
            self.length_B = length_B.to(x_BT.device)
            self.real_BT = torch.arange(self.T, device=x_BT.device) < self.length_B[:, None]
            self.index_N = self.real_BT.flatten().nonzero().squeeze(1)

    def pack(self, x_BT_: Tensor) -> Tensor:
        """[B, T, ...] -> [N, ...], whatever padding holds is left behind."""
        x__ = x_BT_.flatten(0, 1)
        return x__ if self.full else x__.index_select(0, self.index_N)

    def unpack(self, x_N_: Tensor) -> Tensor:
        """[N, ...] -> [B, T, ...] with zeros at padding."""
        if not self.full:
            x_N_ = x_N_.new_zeros(self.B * self.T, *x_N_.shape[1:]).index_copy(0, self.index_N, x_N_)
        return x_N_.unflatten(0, (self.B, self.T))

    def fill(self, x_BTW: Tensor, value: float) -> Tensor:
        """Writes a value over all padding."""
        return x_BTW if self.full else x_BTW.masked_fill(~self.real_BT[..., None], value)

    def mean(self, x_BTW: Tensor) -> Tensor:
        """[B, T, W] -> [B, W], the mean over each clip's real frames."""
        if self.full:
            return x_BTW.mean(1)
        return self.fill(x_BTW, 0.0).sum(1) / self.length_B[:, None]

    def max(self, x_BTW: Tensor) -> Tensor:
        """[B, T, W] -> [B, W], the maximum over each clip's real frames."""
        return self.fill(x_BTW, -torch.inf).max(1).values

    def last(self, x_BTW: Tensor) -> Tensor:
        """[B, T, W] -> [B, W], each clip's last real frame."""
        if self.full:
            return x_BTW[:, -1]
        return x_BTW[torch.arange(self.B, device=x_BTW.device), self.length_B - 1]
