"""Dropout whose mask costs little on the CPU.

There `F.dropout` draws one double per element from a serial generator. Sixteen random bits per element are enough,
and one 64-bit draw holds four of them. `benchmarks/gcn_lstm_step.py` has the two in one comparison.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from schemas.errors import ConfigError

LEVELS = 2**16


def keep_mask(shape: torch.Size, drop_levels: int) -> Tensor:
    """An int16 CPU mask, 0 with probability `drop_levels` / 65536 (1 level at least) and else 1, from torch's global
    generator. Clamping is several times as fast as comparing, and an int16 product as one of bools.
    """
    numel = shape.numel()
    lanes = torch.empty((numel + 3) // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    lowest_kept = drop_levels - LEVELS // 2
    return lanes[:numel].view(shape).clamp_(lowest_kept - 1, lowest_kept).sub_(lowest_kept - 1)


class Dropout(nn.Module):
    """Zeroes elements with probability p while training and scales the others so that the mean stays.

    On the CPU p is rounded to a multiple of 1/65536, and the scale is that of the rounded p, so the expectation is
    exact; on other devices and under `torch.compile` it is torch's own dropout.

    Args:
        p: probability of dropping, in [0, 1).

    Raises:
        ConfigError: when p is not in [0, 1).
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"a dropout of {p} is not in [0, 1)", where="dropout")
        self.p = p
        self.drop_levels = min(round(p * LEVELS), LEVELS - 1)
        self.scale = LEVELS / (LEVELS - self.drop_levels)

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(x, self.p)
        return _Dropout.apply(x, self.drop_levels, self.scale)

    @property
    def active(self) -> bool:
        """Whether anything is dropped: not when p rounds to nothing."""
        return self.training and self.drop_levels > 0

    def extra_repr(self) -> str:
        return f"p={self.p}"


class ReLUDropout(Dropout):
    """ReLU and then dropout. The input is overwritten, so it must be what only this layer reads."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.active or x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(F.relu(x, inplace=True))
        return _ReLUDropout.apply(x, self.drop_levels, self.scale)


class MishDropout(Dropout):
    """Mish (arXiv:1908.08681), x tanh(softplus(x)), and then dropout."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.mish(x))


class _Dropout(torch.autograd.Function):
    """Saves the mask alone."""

    @staticmethod
    def forward(ctx, x: Tensor, drop_levels: int, scale: float) -> Tensor:
        keep = keep_mask(x.shape, drop_levels)
        ctx.save_for_backward(keep)
        ctx.scale = scale
        return (x * keep).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (keep,) = ctx.saved_tensors
        return (gradient * keep).mul_(ctx.scale), None, None


class _ReLUDropout(torch.autograd.Function):
    """One saved tensor in place of three: the gradient passes exactly where the output is positive."""

    @staticmethod
    def forward(ctx, x: Tensor, drop_levels: int, scale: float) -> Tensor:
        x.relu_().mul_(keep_mask(x.shape, drop_levels)).mul_(scale)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, y, 0).mul_(ctx.scale), None, None
