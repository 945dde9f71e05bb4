"""The encoders of the streams: one Transformer a stream, all of them in one batched product.

Legend: S streams, R source rows (every group of every stream), N windows times cut-offs, L events a row, d width,
H heads, w = d / H.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.dropout import Dropout, MishDropout
from models.event_predictor.attention import attend_once, split_heads
from models.event_predictor.feed_forward import feed_forward
from models.event_predictor.stacked import StackedLinear, StackedNorm


class StackedEncoder(nn.Module):
    """S Transformer encoders (post-norm, Mish), each equal to an `nn.TransformerEncoder` of its own weights.

    Dropout acts on the hidden units and on what each sublayer adds, not on attention weights.

    Args:
        streams: S.
        d_model, num_heads, layers, feed_forward: sizes of each encoder.
        dropout: probability of dropping.
        last_only: give the vector of each row's last event alone. The final layer then computes query, feed-forward
            and norm for that event only, an exact saving.
    """

    def __init__(
        self,
        streams: int,
        d_model: int,
        num_heads: int,
        layers: int,
        feed_forward: int,
        dropout: float,
        last_only: bool,
    ):
        super().__init__()
        self.streams = streams
        self.last_only = last_only
        self.layers = nn.ModuleList(
            StackedEncoderLayer(streams, d_model, num_heads, feed_forward, dropout) for _ in range(layers)
        )

    def forward(self, x_RNLd: Tensor, length_RN: Tensor, stream_R: tuple[int, ...]) -> Tensor:
        """Encodes every row with the weights of its stream.

        Args:
            x_RNLd: [R, N, L, d] events, the newest last.
            length_RN: [R, N] how many of them are real: the last ones. A row of none gives a finite vector without
                meaning, to be left out by who reads it.
            stream_R: the stream of each row.

        Returns:
            [R, N, d] where `last_only`, else [R, N, L, d].
        """
        R, N, L, _ = x_RNLd.shape
        row_S, rows_a_set = self._rows(stream_R, x_RNLd.device)
        x_SNLd = x_RNLd.reshape(R // rows_a_set, rows_a_set * N, L, -1)
        # the newest event of an empty row is let in, since a softmax over nothing is NaN
        real_RNL = torch.arange(L, 0, -1, device=x_RNLd.device) <= length_RN[..., None].clamp(min=1)
        real_SNL = real_RNL.contiguous().view(x_SNLd.shape[:3])
        for layer in self.layers[:-1]:
            x_SNLd = layer(x_SNLd, real_SNL, row_S)
        final = self.layers[-1].last if self.last_only else self.layers[-1]
        return final(x_SNLd, real_SNL, row_S).view(R, N, *(() if self.last_only else (L,)), -1)

    def _rows(self, stream_R: tuple[int, ...], device: torch.device) -> tuple[Tensor | None, int]:
        """Which weights each row takes, None where they stand in the rows' order, and the rows a set of weights."""
        each = len(stream_R) // self.streams
        if each and stream_R == tuple(stream for stream in range(self.streams) for _ in range(each)):
            return None, each
        return torch.tensor(stream_R, device=device), 1


class StackedEncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each added to its input and normed after, with S sets of weights."""

    def __init__(self, streams: int, d_model: int, num_heads: int, feed_forward: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = StackedLinear(streams, d_model, 3 * d_model)
        self.out = StackedLinear(streams, d_model, d_model)
        self.attention_norm = StackedNorm(streams, d_model)
        self.up = StackedLinear(streams, d_model, feed_forward)
        self.down = StackedLinear(streams, feed_forward, d_model)
        self.feed_forward_norm = StackedNorm(streams, d_model)
        self.dropout, self.mish = Dropout(dropout), MishDropout(dropout)

    def forward(self, x_SNLd: Tensor, real_SNL: Tensor, row_S: Tensor | None) -> Tensor:
        """[S, N, L, d] -> [S, N, L, d]."""
        S, N, L, _ = x_SNLd.shape
        x_SMd = x_SNLd.flatten(1, 2)
        mapped = self.query_key_value(x_SMd, row_S).view(S * N, L, -1)
        mask = real_SNL.view(S * N, 1, 1, L)
        attended = F.scaled_dot_product_attention(*split_heads(mapped, self.num_heads, 3), mask)
        attended_SMd = attended.transpose(1, 2).reshape(S, N * L, -1)
        return self._add(x_SMd, attended_SMd, row_S).view(S, N, L, -1)

    def last(self, x_SNLd: Tensor, real_SNL: Tensor, row_S: Tensor | None) -> Tensor:
        """[S, N, L, d] -> [S, N, d]: the last position of `forward`, and only that computed."""
        x_SNd = x_SNLd[:, :, -1]
        weight, bias = self.query_key_value.of_rows(row_S)
        return self._add(x_SNd, attend_once(x_SNd, x_SNLd, real_SNL, weight, bias, self.num_heads), row_S)

    def _add(self, x_SMd: Tensor, attended_SMd: Tensor, row_S: Tensor | None) -> Tensor:
        """What follows the attention, the same at every position."""
        x_SMd = self.attention_norm(x_SMd + self.dropout(self.out(attended_SMd, row_S)), row_S)
        added_SMd = feed_forward(x_SMd, self.up.of_rows(row_S), self.down.of_rows(row_S), self.mish)
        return self.feed_forward_norm(x_SMd + self.dropout(added_SMd), row_S)
