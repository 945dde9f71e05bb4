"""The weights of cross-attention, and whose vectors the memory holds. Legend: B windows, T positions, H heads,
M vectors of the memory, d width."""

import pytest
import torch
from conftest import random_batch, schema
from torch import nn

from models.event_predictor.attention import CrossAttention, Memory
from models.event_predictor.memory import NOTHING
from schemas.events import Stream

B, T, M, D, HEADS = 3, 7, 5, 16, 4


@pytest.fixture
def attention() -> CrossAttention:
    torch.manual_seed(0)
    attention = CrossAttention(D, HEADS)
    for parameter in attention.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return attention


def inputs(cut_offs: int) -> tuple[torch.Tensor, Memory]:
    torch.manual_seed(1)
    known = torch.rand(B, cut_offs, M) > 0.4
    known[..., 0] = True
    return torch.randn(B, T, D), Memory(torch.randn(B, cut_offs, M, D), known)


def torchs_own(attention: CrossAttention) -> nn.MultiheadAttention:
    module = nn.MultiheadAttention(D, HEADS, batch_first=True)
    module.in_proj_weight.data = attention.query_key_value.weight.data.clone()
    module.in_proj_bias.data = attention.query_key_value.bias.data.clone()
    module.out_proj.load_state_dict(attention.out.state_dict())
    return module


@pytest.mark.parametrize("cut_offs", [1, T])
def test_weights_are_those_of_torchs_own_attention(attention, cut_offs):
    x, memory = inputs(cut_offs)
    ours, module = attention.weights(x, memory), torchs_own(attention)
    assert ours.shape == (B, HEADS, T, M) and ours.dtype == torch.float32
    for t in range(T):
        cut_off = t if cut_offs > 1 else 0
        vector, unknown = memory.vector[:, cut_off], ~memory.known[:, cut_off]
        out, theirs = module(x[:, [t]], vector, vector, unknown, need_weights=True, average_attn_weights=False)
        torch.testing.assert_close(ours[:, :, [t]], theirs, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(attention(x, memory)[:, [t]], out, atol=1e-5, rtol=1e-5)
    unknown = ~memory.known[:, None].expand(B, HEADS, cut_offs, M).expand(-1, -1, T, -1)
    assert not ours[unknown].any()


@pytest.mark.parametrize("cut_offs", [1, T])
def test_weights_of_half_precision_are_near_those_of_full(attention, cut_offs):
    x, memory = inputs(cut_offs)
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        half = attention.weights(x, Memory(memory.vector.bfloat16(), memory.known))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, attention.weights(x, memory), atol=0.03, rtol=0)
    torch.testing.assert_close(half.sum(3), torch.ones(B, HEADS, T))


@pytest.mark.parametrize("memory", ["last", "full"])
@pytest.mark.parametrize("context_at", ["window", "event"])
def test_another_past_of_a_stream_changes_its_own_vectors_and_no_other(make, memory, context_at):
    streams = (Stream("place", "place"), Stream("kind", "kind", groups="all"), Stream("own", None))
    data = schema(streams, context_at)
    net, batch = make(data, memory=memory), random_batch(data)
    place_M = net.memory.source_of_vectors(batch)
    assert net.memory.sources == (NOTHING, "place", "kind", "own")
    before = net.remember(batch)
    assert len(place_M) == before.vector.shape[2]
    assert not place_M[0] and (place_M[1:] > 0).all()
    for number in range(len(streams)):
        changed = random_batch(data)
        changed.source_age[:, :, batch.stream == number] += 1.0
        moved_M = (net.remember(changed).vector != before.vector).any(3).any(0).any(0)
        assert set(place_M[moved_M].tolist()) == {number + 1}
        assert torch.equal(moved_M, place_M == number + 1)


def test_without_a_past_only_the_vector_for_nothing_is_read(make):
    data = schema()
    net, batch = make(data), random_batch(data)
    memory = net.remember(batch)
    weights = net.decoder.layers[0].cross_attention.weights(torch.randn(batch.size, T, D), memory)
    assert (weights[1, ..., 0] == 1).all() and (weights[1, ..., 1:] == 0).all()  # window 1 has no past at all
