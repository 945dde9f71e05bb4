"""Multi-head attention (arXiv:1706.03762): within a window, from a window to a memory, and of a single query.

Legend: B windows, T positions, P positions that a cache holds, M vectors of the memory, C cut-offs (1 or T), H heads,
d width, w = d / H, S sets of weights, N queries a set.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Memory:
    """What the decoder knows of past events at each cut-off."""

    vector: Tensor
    """[B, C, M, d]"""
    known: Tensor
    """[B, C, M] bool, which vectors may be seen; one of each memory at least."""


@dataclass
class KeyValueCache:
    """Keys and values of the positions that a decoder layer has read, for up to P of them."""

    key: Tensor
    """[B, H, P, w]"""
    value: Tensor
    """[B, H, P, w]"""

    def extend(self, key_BHTw: Tensor, value_BHTw: Tensor, position_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Takes up keys and values at their positions; all of them, and who sees whom: [B, 1, T, P] bool."""
        index_BHTw = position_BT[:, None, :, None].expand_as(key_BHTw)
        self.key.scatter_(2, index_BHTw, key_BHTw.to(self.key.dtype))
        self.value.scatter_(2, index_BHTw, value_BHTw.to(self.value.dtype))
        seen_BTP = torch.arange(self.key.shape[2], device=position_BT.device) <= position_BT[..., None]
        return self.key.to(key_BHTw.dtype), self.value.to(key_BHTw.dtype), seen_BTP[:, None]


class SelfAttention(nn.Module):
    """Attention among the positions of a window."""

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = linear(d_model, 3 * d_model)
        self.out = linear(d_model, d_model)

    def forward(
        self,
        x_BTd: Tensor,
        seen_BT: Tensor | None = None,
        cache: KeyValueCache | None = None,
        position_BT: Tensor | None = None,
    ) -> Tensor:
        """[B, T, d] -> [B, T, d].

        Args:
            x_BTd: the positions.
            seen_BT: [B, T] bool, what every position sees; None: each sees itself and those before it.
            cache: earlier positions, seen too; the given ones join it.
            position_BT: [B, T] int64 where in the cache.
        """
        query, key, value = split_heads(self.query_key_value(x_BTd), self.num_heads, 3)
        seen = None if seen_BT is None else seen_BT[:, None, None]
        if cache is not None:
            key, value, seen = cache.extend(key, value, position_BT)
        attended = F.scaled_dot_product_attention(query, key, value, seen, is_causal=seen is None)
        return self.out(attended.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention of a window's positions to one memory that they share (C = 1), or to a memory each (C = T)."""

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = linear(d_model, 3 * d_model)
        self.out = linear(d_model, d_model)

    def forward(self, x_BTd: Tensor, memory: Memory) -> Tensor:
        """[B, T, d] -> [B, T, d]."""
        B, T, d = x_BTd.shape
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        if memory.vector.shape[1] == 1:
            (query,) = split_heads(F.linear(x_BTd, weight[:d], bias[:d]), self.num_heads, 1)
            key, value = split_heads(F.linear(memory.vector[:, 0], weight[d:], bias[d:]), self.num_heads, 2)
            attended = F.scaled_dot_product_attention(query, key, value, memory.known[:, :, None])
            return self.out(attended.transpose(1, 2).flatten(2))
        attended_1Nd = attend_once(
            x_BTd.reshape(1, B * T, d),
            memory.vector.flatten(0, 1)[None],
            memory.known.flatten(0, 1)[None],
            weight.mT[None],
            bias[None],
            self.num_heads,
        )
        return self.out(attended_1Nd.view(B, T, d))

    def weights(self, x_BTd: Tensor, memory: Memory) -> Tensor:
        """[B, H, T, M] float32, how much a position takes of each vector of its memory; they add up to 1.

        Those of `forward`, which never has them as a tensor where C = 1: for looking at, not for training.
        """
        d = x_BTd.shape[2]
        w, weight = d // self.num_heads, self.query_key_value.weight
        map_query, map_key = weight[:d], weight[d : 2 * d].unflatten(0, (self.num_heads, w))
        (query_BHTw,) = split_heads(F.linear(x_BTd, map_query, self.query_key_value.bias[:d]), self.num_heads, 1)
        query_BHTd = query_BHTw @ map_key  # as in `attend_once`, so that no vector of the memory is mapped
        if memory.vector.shape[1] == 1:
            score_BHTM = query_BHTd @ memory.vector.mT
        else:
            score_BHTM = (query_BHTd.transpose(1, 2) @ memory.vector.mT).transpose(1, 2)
        score_BHTM = score_BHTM.float() * w**-0.5
        return score_BHTM.masked_fill_(~memory.known[:, None], -torch.inf).softmax(3)


def attend_once(
    query_SNd: Tensor, memory_SNMd: Tensor, seen_SNM: Tensor, weight_Sd3d: Tensor, bias_S3d: Tensor, num_heads: int
) -> Tensor:
    """Attention of each query to a memory of its own, before the output map: [S, N, d] and [S, N, M, d] -> [S, N, d].

    The maps of keys and values move to the query's side of the products, q (W_k m) = (W_k' q) m and
    sum a (W_v m) = W_v (sum a m), so that no memory vector is ever mapped: H / d of the work, and exactly the same.
    The keys' bias adds the same to every score of a query and drops out of the softmax.
    """
    S, N, M, d = memory_SNMd.shape
    H, w = num_heads, d // num_heads
    map_query, map_key, map_value = weight_Sd3d.split(d, dim=2)
    query_SNd = torch.baddbmm(bias_S3d[:, None, :d], query_SNd, map_query)
    query = query_SNd.view(S, N, H, w).transpose(1, 2).reshape(S * H, N, w)
    key_map = map_key.unflatten(2, (H, w)).permute(0, 2, 3, 1).reshape(S * H, w, d)
    query = torch.bmm(query, key_map).view(S, H, N, d).transpose(1, 2).reshape(S * N, H, d)

    memory = memory_SNMd.reshape(S * N, M, d).to(query.dtype)
    unseen = query.new_zeros(S * N, 1, M).masked_fill_(~seen_SNM.reshape(S * N, 1, M), -torch.inf)
    weight = torch.baddbmm(unseen, query, memory.mT, alpha=w**-0.5).softmax(2)
    mixed = torch.bmm(weight, memory).view(S, N, H, d).transpose(1, 2).reshape(S * H, N, d)

    value_map = map_value.unflatten(2, (H, w)).transpose(1, 2).reshape(S * H, d, w)
    value_SNd = torch.bmm(mixed, value_map).view(S, H, N, w).transpose(1, 2).reshape(S, N, d)
    return value_SNd + bias_S3d[:, None, 2 * d :]


def split_heads(x_BTd: Tensor, num_heads: int, parts: int) -> tuple[Tensor, ...]:
    """[B, T, parts * d] -> `parts` tensors [B, H, T, w]."""
    return x_BTd.unflatten(2, (parts, num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def linear(width_in: int, width: int) -> nn.Linear:
    """A linear map, Xavier-uniform and without a bias at the start."""
    layer = nn.Linear(width_in, width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
