"""States of the fields: what each field's logits are read off, given the event's earlier fields where chained.

Legend: N predicted events, D dynamic fields, V values of all dynamic fields together, d width of the decoder,
w hidden units of a field.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.dropout import MishDropout
from models.event_predictor.embedding import sum_of_rows
from models.event_predictor.feed_forward import feed_forward
from models.event_predictor.stacked import StackedLinear


class FieldStates(nn.Module):
    """A small network a field, all in one batched product: z = norm(h + down(mish(up(h, prefix)))).

    Chained, the prefix of a field is the sum of the embeddings (a table of their own) of the event's earlier fields;
    in training these are the true ones (teacher forcing), and all fields are computed at once.

    Args:
        sizes: values of each dynamic field, PAD and UNK among them.
        order: [D] dynamic fields in the order of the chain; None: each field stands alone, without a prefix.
        d_model, width, dropout: d, w and the probability of dropping a hidden unit.
    """

    def __init__(self, sizes: Sequence[int], order: Sequence[int] | None, d_model: int, width: int, dropout: float):
        super().__init__()
        self.chained = order is not None and len(sizes) > 1
        self.up = StackedLinear(len(sizes), d_model * (2 if self.chained else 1), width)
        self.down = StackedLinear(len(sizes), width, d_model)
        self.mish = MishDropout(dropout)
        self.norm = nn.LayerNorm(d_model)
        if self.chained:
            rank_D = torch.tensor(order).argsort()
            self.register_buffer("earlier_DD", (rank_D[:, None] > rank_D).float(), persistent=False)
            self.register_buffer("offset_D", torch.tensor((0, *sizes[:-1])).cumsum(0), persistent=False)
            self.earlier_Vd = nn.Parameter(torch.randn(sum(sizes), d_model) * len(sizes) ** -0.5)

    def forward(self, h_Nd: Tensor, event_ND: Tensor) -> Tensor:
        """[N, d] and the predicted events' own values [N, D] -> [D, N, d]; no field sees itself or a later one."""
        return self._states(h_Nd, self.prefixes(event_ND) if self.chained else None, None)

    def one(self, field: int, h_Nd: Tensor, prefix_Nd: Tensor) -> Tensor:
        """The states of one field, [N, d]."""
        row = torch.tensor([field], device=h_Nd.device)
        return self._states(h_Nd, prefix_Nd[None] if self.chained else None, row)[0]

    def embed(self, field: int, value_N: Tensor) -> Tensor:
        """[N, d] what a field adds to the prefixes of the fields after it."""
        return F.embedding(value_N + self.offset_D[field], self.earlier_Vd) if self.chained else 0

    def prefixes(self, event_ND: Tensor) -> Tensor:
        """[D, N, d] the sums over the fields before each."""
        N, D = event_ND.shape
        embedded_Md = sum_of_rows(self.earlier_Vd, (event_ND + self.offset_D).T.reshape(D * N, 1))
        with torch.autocast(embedded_Md.device.type, enabled=False):
            return torch.einsum("ef,fnd->end", self.earlier_DD, embedded_Md.view(D, N, embedded_Md.shape[1]))

    def _states(self, h_Nd: Tensor, prefix_DNd: Tensor | None, row: Tensor | None) -> Tensor:
        fields = len(self.up.weight) if row is None else 1
        x_DN_ = h_Nd.expand(fields, -1, -1)
        if prefix_DNd is not None:
            x_DN_ = torch.cat([x_DN_, prefix_DNd.to(h_Nd.dtype)], dim=2)
        return self.norm(h_Nd + feed_forward(x_DN_, self.up.of_rows(row), self.down.of_rows(row), self.mish))
