"""From events to vectors: one table for the values of all fields.

Legend: F fields, V values of all fields together (PAD and UNK of each among them), N cut-offs of all windows,
R source rows, L source events a row, B windows, T target positions, d width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from schemas.events import EventSchema

LOG_SECONDS = 16.0
"""log(1 + seconds) of a hundred days: brings log gaps and ages to about 1."""


class EventEmbedding(nn.Module):
    """The sum of an event's field embeddings, its position and a linear map of its log time gap or age.

    Source events and target events share the table of values. A source's position counts back from the newest event,
    a target's counts from the window's start. PAD has rows like any other value; who reads the events must leave
    padding out.
    """

    def __init__(self, schema: EventSchema, d_model: int):
        super().__init__()
        self.sizes = tuple(field.size for field in schema.fields)
        offset_F = torch.tensor((0, *self.sizes[:-1])).cumsum(0)
        self.register_buffer("offset_F", offset_F, persistent=False)
        # an event's values add up to about 1
        self.value_Vd = nn.Parameter(torch.randn(sum(self.sizes), d_model) * len(self.sizes) ** -0.5)
        self.target_position_Td = small_table(schema.tgt_seq_len, d_model)
        self.target_gap_1d = small_table(1, d_model)
        if schema.streams:
            self.source_position_Ld = small_table(schema.src_seq_len, d_model)
            self.source_age_1d = small_table(1, d_model)

    def sources(self, source_NRLF: Tensor, age_NRL: Tensor) -> Tensor:
        """Past events and their log ages, to [R, N, L, d]: rows first, as the encoders of the streams take them."""
        N, R, L, _ = source_NRLF.shape
        index = source_NRLF.transpose(0, 1) + self.offset_F.to(source_NRLF.dtype)
        x_RNLd = sum_of_rows(self.value_Vd, index.reshape(R * N * L, -1)).view(R, N, L, -1)
        age_RNL1 = age_NRL.transpose(0, 1)[..., None] / LOG_SECONDS
        return x_RNLd + torch.addcmul(self.source_position_Ld[:L].flip(0), age_RNL1, self.source_age_1d)

    def targets(self, event_BTF: Tensor, gap_BT: Tensor, position_BT: Tensor | None = None) -> Tensor:
        """[B, T, F] events with their log gaps [B, T] -> [B, T, d]; without positions they count from 0."""
        x_Nd = sum_of_rows(self.value_Vd, (event_BTF + self.offset_F).flatten(0, 1))
        position_Td = self.target_position_Td[slice(event_BTF.shape[1]) if position_BT is None else position_BT]
        gap_BT1 = gap_BT[..., None].to(x_Nd.dtype) / LOG_SECONDS
        return x_Nd.view(*event_BTF.shape[:2], -1) + torch.addcmul(position_Td, gap_BT1, self.target_gap_1d)


def sum_of_rows(table_Vd: Tensor, index_NF: Tensor) -> Tensor:
    """[N, d]: the sum of F rows of the table for each of N."""
    if table_Vd.device.type == "cpu" and table_Vd.requires_grad and torch.is_grad_enabled():
        return _SumOfRows.apply(table_Vd, index_NF)
    return F.embedding_bag(index_NF, table_Vd, mode="sum")


class _SumOfRows(torch.autograd.Function):
    """`F.embedding_bag(mode="sum")` whose gradient is an embedding bag too, over the rows of the gradient.

    On the CPU that is three times as fast as torch's own, which adds row after row.
    """

    @staticmethod
    def forward(ctx, table_Vd: Tensor, index_NF: Tensor) -> Tensor:
        ctx.save_for_backward(index_NF)
        ctx.values = len(table_Vd)
        return F.embedding_bag(index_NF, table_Vd, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient_Nd: Tensor) -> tuple[Tensor, None]:
        (index_NF,) = ctx.saved_tensors
        index = index_NF.flatten()
        reader = index.int().argsort(stable=True) // index_NF.shape[1]  # half the bytes to sort
        count_V = torch.bincount(index, minlength=ctx.values)
        start_V = count_V.cumsum(0) - count_V
        return F.embedding_bag(reader, gradient_Nd.contiguous(), start_V, mode="sum"), None


def small_table(rows: int, width: int) -> nn.Parameter:
    """Normal, small beside a normed vector: products of the two have a standard deviation of a quarter."""
    return nn.Parameter(torch.randn(rows, width) * 0.25 * width**-0.5)
