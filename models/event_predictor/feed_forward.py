"""Linear map up, Mish (arXiv:1908.08681), dropout, linear map down, in blocks that stay in the processor's cache.

Whole, the hidden units of a long batch are hundreds of megabytes, and each of the twenty small operations of Mish and
dropout reads and writes them all. In blocks they reach the memory twice: as values and as slopes, which are kept for
the gradient.

Legend: S sets of weights, N vectors a set, d width, f hidden units.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.dropout import MishDropout, keep_mask

BLOCK = 2**19
"""Hidden units computed at once, if one vector has no more: two megabytes a tensor."""


def feed_forward(x_SNd: Tensor, up: tuple[Tensor, Tensor], down: tuple[Tensor, Tensor], dropout: MishDropout) -> Tensor:
    """[S, N, d] -> [S, N, d], each set with its own weights.

    Args:
        x_SNd: S sets of N vectors.
        up: weight [S, d, f] and bias [S, f].
        down: weight [S, f, d] and bias [S, d].
        dropout: of the hidden units; its mask is the one that it would draw for all of them at once, if f is a
            multiple of 4.
    """
    plain = x_SNd.device.type != "cpu" or x_SNd.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
    if plain or torch.compiler.is_compiling():
        hidden_SNf = dropout(torch.baddbmm(up[1][:, None], x_SNd, up[0]))
        return torch.baddbmm(down[1][:, None], hidden_SNf, down[0])
    drop_levels, scale = (dropout.drop_levels, dropout.scale) if dropout.active else (0, 1.0)
    return _FeedForward.apply(x_SNd, *up, *down, drop_levels, scale, torch.is_grad_enabled())


class _FeedForward(torch.autograd.Function):
    """Of every block two tensors are saved: the values of the hidden units, and the slopes of Mish and dropout.

    What dropout scales them by is left to the linear map down.
    """

    @staticmethod
    def forward(ctx, x_SNd, up_Sdf, up_bias_Sf, down_Sfd, down_bias_Sd, drop_levels, scale, saves) -> Tensor:
        y_SNd = x_SNd.new_empty(*x_SNd.shape[:2], down_Sfd.shape[2])
        saved = []
        for sets, rows in _blocks(*x_SNd.shape[:2], up_Sdf.shape[2]):
            before = torch.baddbmm(up_bias_Sf[sets, None], x_SNd[sets, rows], up_Sdf[sets])
            hidden, slope = mish_dropout(before, drop_levels, saves)
            y_SNd[sets, rows] = torch.baddbmm(down_bias_Sd[sets, None], hidden, down_Sfd[sets], alpha=scale)
            if saves:
                saved += [hidden, slope]
        ctx.save_for_backward(x_SNd, up_Sdf, down_Sfd, *saved)
        ctx.scale = scale
        return y_SNd

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient_SNd: Tensor):
        x_SNd, up_Sdf, down_Sfd, *saved = ctx.saved_tensors
        S, N, f = *x_SNd.shape[:2], up_Sdf.shape[2]
        of_x_SNd = torch.empty_like(x_SNd)
        # laid out like the weights, or autograd would copy them once more
        of_up_Sdf, of_down_Sfd = torch.empty_like(up_Sdf), torch.empty_like(down_Sfd)
        of_up_bias_Sf = x_SNd.new_zeros(S, f)
        of_scaled_SNd = gradient_SNd * ctx.scale
        for (sets, rows), hidden, slope in zip(_blocks(S, N, f), saved[::2], saved[1::2], strict=True):
            gradient = of_scaled_SNd[sets, rows]
            added = 1 if rows.start else 0  # to what was there: nothing yet at the first rows
            of_down_Sfd[sets].baddbmm_(hidden.mT, gradient, beta=added)
            of_before = torch.bmm(gradient, down_Sfd[sets].mT).mul_(slope)
            of_x_SNd[sets, rows] = torch.bmm(of_before, up_Sdf[sets].mT)
            of_up_Sdf[sets].baddbmm_(x_SNd[sets, rows].mT, of_before, beta=added)
            of_up_bias_Sf[sets] += of_before.sum(1)
        return of_x_SNd, of_up_Sdf, of_up_bias_Sf, of_down_Sfd, gradient_SNd.sum(1), None, None, None


def _blocks(S: int, N: int, f: int) -> Iterator[tuple[slice, slice]]:
    """Sets and rows of each block, in the order in which their elements would lie in memory."""
    sets = max(1, BLOCK // (max(1, N) * f))
    rows = max(1, N if sets > 1 else BLOCK // f)
    for first_set in range(0, S, sets):
        for first in range(0, max(1, N), rows):  # no vectors are one empty block
            yield slice(first_set, first_set + sets), slice(first, first + rows)


def mish_dropout(x: Tensor, drop_levels: int, slope_wanted: bool) -> tuple[Tensor, Tensor | None]:
    """x tanh(softplus(x)), some of it zeroed and the rest not scaled, and its derivative. x is overwritten.

    One exponential in place of torch's three. With r = sigmoid(-x) and v = 1 / (1 + r^2): mish(x) = x (2 v - 1) and
    mish'(x) = 2 v - 1 + 4 x (1 - r) (r v)^2.
    """
    r = x.neg().sigmoid_()
    v = torch.addcmul(_ONE, r, r).reciprocal_()
    tanh = torch.add(-_ONE, v, alpha=2)
    slope = None
    if slope_wanted:
        bend = r.mul(v).square_().mul_(x)
        bend.addcmul_(bend, r, value=-1)
        slope = torch.add(tanh, bend, alpha=4, out=r)
    y = x.mul_(tanh)
    if drop_levels:
        keep = v.copy_(keep_mask(x.shape, drop_levels))  # a product with integers would copy them each time
        y.mul_(keep)
        if slope is not None:
            slope.mul_(keep)
    return y, slope


_ONE = torch.ones(())
