"""The decoder against `nn.TransformerDecoder`. Legend: B windows, T positions, M vectors of the memory, d width."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.event_predictor.attention import KeyValueCache, Memory
from models.event_predictor.decoder import Decoder

B, T, M, D, HEADS, HIDDEN = 3, 7, 5, 16, 4, 24


@pytest.fixture
def decoder() -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(D, HEADS, 2, HIDDEN, dropout=0.0, reads_memory=True)
    for parameter in decoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return decoder


@pytest.fixture
def reference(decoder) -> nn.TransformerDecoder:
    """torch's own decoder with the same weights."""
    layer = nn.TransformerDecoderLayer(D, HEADS, HIDDEN, 0.0, activation=F.mish, batch_first=True, norm_first=True)
    module = nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(D))
    module.norm.load_state_dict(decoder.norm.state_dict())
    for ours, theirs in zip(decoder.layers, module.layers, strict=True):
        for attention, its in (
            (theirs.self_attn, ours.self_attention),
            (theirs.multihead_attn, ours.cross_attention),
        ):
            attention.in_proj_weight.data = its.query_key_value.weight.data.clone()
            attention.in_proj_bias.data = its.query_key_value.bias.data.clone()
            attention.out_proj.load_state_dict(its.out.state_dict())
        theirs.linear1.load_state_dict(ours.feed_forward.up.state_dict())
        theirs.linear2.load_state_dict(ours.feed_forward.down.state_dict())
        for norm, its in (
            (theirs.norm1, ours.self_attention_norm),
            (theirs.norm2, ours.cross_attention_norm),
            (theirs.norm3, ours.feed_forward_norm),
        ):
            norm.load_state_dict(its.state_dict())
    return module


def inputs(cut_offs: int):
    torch.manual_seed(1)
    known = torch.rand(B, cut_offs, M) > 0.4
    known[..., 0] = True
    return torch.randn(B, T, D, requires_grad=True), Memory(torch.randn(B, cut_offs, M, D, requires_grad=True), known)


def test_equals_torch_decoder(decoder, reference):
    x, memory = inputs(1)
    ours = decoder(x, memory)
    y, m = x.detach().clone().requires_grad_(), memory.vector.detach()[:, 0].clone().requires_grad_()
    causal = nn.Transformer.generate_square_subsequent_mask(T)
    unknown = torch.zeros(B, M).masked_fill(~memory.known[:, 0], -torch.inf)
    theirs = reference(y, m, tgt_mask=causal, tgt_is_causal=True, memory_key_padding_mask=unknown)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)

    weight = torch.randn_like(ours)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(memory.vector.grad[:, 0], m.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        decoder.layers[0].cross_attention.query_key_value.weight.grad,
        reference.layers[0].multihead_attn.in_proj_weight.grad,
        atol=1e-5,
        rtol=1e-4,
    )


def test_a_memory_for_each_position_equals_one_shared_memory_at_a_time(decoder):
    x, memory = inputs(T)
    decoder.layers = decoder.layers[:1]  # in one layer only a position's own memory reaches it
    ours = decoder(x, memory)
    alone = [decoder(x, Memory(memory.vector[:, [t]], memory.known[:, [t]]))[:, t] for t in range(T)]
    torch.testing.assert_close(ours, torch.stack(alone, dim=1), atol=1e-5, rtol=1e-5)
    gradients = [
        torch.autograd.grad(out.square().sum(), [x, memory.vector, *decoder.parameters()])
        for out in (ours, torch.stack(alone, dim=1))
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cut_offs", [1, T])
def test_reading_position_by_position_equals_reading_at_once(decoder, cut_offs):
    x, memory = inputs(cut_offs)
    with torch.no_grad():
        expected = decoder(x, memory)
        empty = torch.zeros(B, HEADS, T + 2, D // HEADS)
        caches = [KeyValueCache(empty.clone(), empty.clone()) for _ in decoder.layers]
        read = []
        for start, stop in ((0, 3), (3, 4), (4, 5), (5, 7)):
            part = slice(start, stop) if cut_offs > 1 else slice(None)
            at = torch.arange(start, stop).expand(B, -1)
            read.append(decoder(x[:, start:stop], Memory(memory.vector[:, part], memory.known[:, part]), caches, at))
    torch.testing.assert_close(torch.cat(read, dim=1), expected, atol=1e-5, rtol=1e-5)
