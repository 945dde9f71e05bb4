"""The copy path: a field may take the value that it had in an earlier event of the window.

Legend: B windows, T events that may be copied, Q positions a window that predict, N predicted events, D dynamic
fields, V values of the field, d width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.event_predictor.attention import linear

TINY = 1e-30
"""Stands for a copied probability of 0, so that its logarithm is finite."""


@dataclass
class History:
    """What lies before each predicted event."""

    state: Tensor
    """[B, T, d] the decoder's states of the windows' events."""
    event: Tensor
    """[B, T, D] their dynamic fields."""
    place: Tensor
    """[N] which of the B x Q positions predicts each event."""
    newest: Tensor
    """[B, Q] the newest event that each position sees."""


class Pointer(nn.Module):
    """Mixes a field's softmax with a pointer over the window's own events: p = (1 - g) softmax + g copy.

    The attention of the field's state over the states of the events so far says which event's value is copied, and
    the sigmoid g of a linear map of the state, a twentieth at the start, how much that counts (arXiv:1609.07843,
    arXiv:1704.04368). Events with an impossible value are not attended to; where no event is left g is 0.

    Args:
        field: which of the dynamic fields.
        barred_V: [V] bool, its impossible values.
        d_model: d.
    """

    def __init__(self, field: int, barred_V: Tensor, d_model: int):
        super().__init__()
        self.field = field
        self.register_buffer("barred_V", barred_V, persistent=False)
        self.query = linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model, bias=False)  # a bias would add the same to every event's score
        nn.init.xavier_uniform_(self.key.weight)
        self.gate = linear(d_model, 1)
        nn.init.constant_(self.gate.bias, -3.0)

    def target_nll(self, softmax_nll_N: Tensor, state_Nd: Tensor, history: History, target_N: Tensor) -> Tensor:
        """[N] the mixture's -log p of the targets, given the softmax's own; infinite where that is."""
        log_keep_N, log_copy_N, weight_NT, value_NT = self._attend(state_Nd, history)
        copied_N = (weight_NT * (value_NT == target_N[:, None])).sum(1)
        nll_N = -torch.logaddexp(log_keep_N - softmax_nll_N, log_copy_N + copied_N.clamp(min=TINY).log())
        return torch.where(softmax_nll_N.isinf(), softmax_nll_N, nll_N)

    def log_probability(self, log_softmax_NV: Tensor, state_Nd: Tensor, history: History) -> Tensor:
        """[N, V] the mixture's log p of every value."""
        log_keep_N, log_copy_N, weight_NT, value_NT = self._attend(state_Nd, history)
        copied_NV = torch.zeros_like(log_softmax_NV).scatter_add(1, value_NT, weight_NT)
        log_copied_NV = log_copy_N[:, None] + copied_NV.clamp(min=TINY).log()
        return torch.logaddexp(log_keep_N[:, None] + log_softmax_NV, log_copied_NV).masked_fill(
            self.barred_V, -torch.inf
        )

    def _attend(self, state_Nd: Tensor, history: History) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log (1 - g) and log g [N], the weight of each event [N, T] and its value [N, T]."""
        B, T, d = history.state.shape
        Q = history.newest.shape[1]
        value_BT = history.event[..., self.field]
        query_Nd = self.query(state_Nd)
        query_BQd = query_Nd.new_zeros(B * Q, d).index_copy(0, history.place, query_Nd).view(B, Q, d)
        score_BQT = torch.bmm(query_BQd, self.key(history.state).mT).float() * d**-0.5

        seen_BQT = torch.arange(T, device=value_BT.device) <= history.newest[..., None]
        seen_BQT = seen_BQT & ~self.barred_V[value_BT][:, None]
        lowest = torch.finfo(score_BQT.dtype).min  # not -inf: a softmax over nothing is NaN
        weight_BQT = score_BQT.masked_fill(~seen_BQT, lowest).softmax(2)

        none_N = ~seen_BQT.any(2).flatten().index_select(0, history.place)
        gate_N = self.gate(state_Nd).squeeze(1).float().masked_fill(none_N, -torch.inf)
        weight_NT = weight_BQT.flatten(0, 1).index_select(0, history.place)
        value_NT = value_BT.index_select(0, history.place // Q)
        return F.logsigmoid(-gate_N), F.logsigmoid(gate_N), weight_NT, value_NT
