"""Layers with one set of weights a stream or a field, all applied in one batched product.

Legend: S sets of weights, N vectors a set, d width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """S linear maps side by side.

    The weights are [S, width_in, width], the transpose of `nn.Linear`'s, Xavier-uniform in each map (Glorot and
    Bengio, 2010); the biases are zero at the start.
    """

    def __init__(self, sets: int, width_in: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(sets, width_in, width))
        for weight in self.weight.data:
            nn.init.xavier_uniform_(weight)
        self.bias = nn.Parameter(torch.zeros(sets, width))

    def forward(self, x_SNd: Tensor, row_S: Tensor | None = None) -> Tensor:
        """[S, N, width_in] -> [S, N, width]; with `row_S` the vectors of row i meet set row_S[i]."""
        weight, bias = self.of_rows(row_S)
        return torch.baddbmm(bias[:, None], x_SNd, weight)

    def of_rows(self, row_S: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of each row."""
        return _of_rows(self.weight, row_S), _of_rows(self.bias, row_S)


class StackedNorm(nn.Module):
    """S layer norms side by side (arXiv:1607.06450)."""

    def __init__(self, sets: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sets, width))
        self.bias = nn.Parameter(torch.zeros(sets, width))

    def forward(self, x_SNd: Tensor, row_S: Tensor | None = None) -> Tensor:
        """[S, N, d] -> [S, N, d]."""
        scale, shift = _of_rows(self.weight, row_S)[:, None], _of_rows(self.bias, row_S)[:, None]
        return torch.addcmul(shift, F.layer_norm(x_SNd, x_SNd.shape[-1:]), scale)


def _of_rows(parameter: Tensor, row_S: Tensor | None) -> Tensor:
    return parameter if row_S is None else parameter.index_select(0, row_S)
