"""The stacked encoders against `nn.TransformerEncoder`. Legend: R rows, N windows, L events a row, d width."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.dropout import Dropout
from models.event_predictor.streams import StackedEncoder

D, HEADS, HIDDEN, L, N = 16, 4, 24, 6, 5
ROWS = {"one row a stream": (0, 1, 2), "two rows a stream": (0, 0, 1, 1, 2, 2), "uneven": (0, 0, 0, 1, 2, 2)}


def encoder(layers: int, last_only: bool) -> StackedEncoder:
    torch.manual_seed(0)
    stacked = StackedEncoder(3, D, HEADS, layers, HIDDEN, dropout=0.0, last_only=last_only)
    for parameter in stacked.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return stacked


def reference(stacked: StackedEncoder, stream: int) -> nn.TransformerEncoder:
    """torch's own encoder with the weights of one stream."""
    layer = nn.TransformerEncoderLayer(D, HEADS, HIDDEN, 0.0, activation=F.mish, batch_first=True)
    module = nn.TransformerEncoder(layer, len(stacked.layers), enable_nested_tensor=False)
    with torch.no_grad():
        for ours, theirs in zip(stacked.layers, module.layers, strict=True):
            theirs.self_attn.in_proj_weight.copy_(ours.query_key_value.weight[stream].T)
            theirs.self_attn.in_proj_bias.copy_(ours.query_key_value.bias[stream])
            theirs.self_attn.out_proj.weight.copy_(ours.out.weight[stream].T)
            theirs.self_attn.out_proj.bias.copy_(ours.out.bias[stream])
            theirs.linear1.weight.copy_(ours.up.weight[stream].T)
            theirs.linear1.bias.copy_(ours.up.bias[stream])
            theirs.linear2.weight.copy_(ours.down.weight[stream].T)
            theirs.linear2.bias.copy_(ours.down.bias[stream])
            for norm, its in ((theirs.norm1, ours.attention_norm), (theirs.norm2, ours.feed_forward_norm)):
                norm.weight.copy_(its.weight[stream])
                norm.bias.copy_(its.bias[stream])
    return module


def rows(stream_R: tuple[int, ...]):
    torch.manual_seed(2)
    x = torch.randn(len(stream_R), N, L, D, requires_grad=True)
    length = torch.randint(1, L + 1, (len(stream_R), N))
    return x, length, torch.arange(L, 0, -1) <= length[..., None]


@pytest.mark.parametrize("stream_R", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("last_only", [True, False], ids=["last", "full"])
def test_equals_one_torch_encoder_a_stream(stream_R, layers, last_only):
    stacked = encoder(layers, last_only)
    references = [reference(stacked, stream) for stream in range(3)]
    x, length, real = rows(stream_R)
    ours = stacked(x, length, stream_R)

    y = x.detach().clone().requires_grad_()
    theirs = torch.stack([references[s](y[r], src_key_padding_mask=~real[r]) for r, s in enumerate(stream_R)])
    theirs = theirs[:, :, -1] if last_only else theirs
    read = torch.ones(len(stream_R), N, 1, dtype=torch.bool) if last_only else real[..., None]
    torch.testing.assert_close(ours * read, theirs * read, atol=1e-5, rtol=1e-5)

    torch.manual_seed(3)
    loss_weight = torch.randn_like(ours) * read
    (ours * loss_weight).sum().backward()
    (theirs * loss_weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    for number, layer in enumerate(stacked.layers):
        its = [module.layers[number] for module in references]
        pairs = {
            "query_key_value.weight": [t.self_attn.in_proj_weight.grad.T for t in its],
            "query_key_value.bias": [t.self_attn.in_proj_bias.grad for t in its],
            "out.weight": [t.self_attn.out_proj.weight.grad.T for t in its],
            "up.weight": [t.linear1.weight.grad.T for t in its],
            "up.bias": [t.linear1.bias.grad for t in its],
            "down.weight": [t.linear2.weight.grad.T for t in its],
            "attention_norm.weight": [t.norm1.weight.grad for t in its],
            "feed_forward_norm.bias": [t.norm2.bias.grad for t in its],
        }
        for name, expected in pairs.items():
            gradient = layer.get_parameter(name).grad
            torch.testing.assert_close(gradient, torch.stack(expected), atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("layers", [1, 3])
def test_last_only_is_the_last_of_all(layers):
    last, full = encoder(layers, True), encoder(layers, False)
    x, length, _ = rows((0, 1, 1, 2))
    y = x.detach().clone().requires_grad_()
    ours, theirs = last(x, length, (0, 1, 1, 2)), full(y, length, (0, 1, 1, 2))[:, :, -1]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-5, rtol=1e-5)
    for (name, a), b in zip(last.named_parameters(), full.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("last_only", [True, False], ids=["last", "full"])
def test_empty_rows_are_finite_and_padding_is_not_read(last_only):
    stacked = encoder(2, last_only)
    x, length, _ = rows((0, 1, 2))
    length[1] = 0
    real = (torch.arange(L, 0, -1) <= length[..., None])[..., None]
    out = stacked(x, length, (0, 1, 2))
    assert out.isfinite().all()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in stacked.parameters())

    other = stacked(torch.where(real, x, 100.0), length, (0, 1, 2))
    read = (length > 0)[..., None] if last_only else real
    torch.testing.assert_close(other * read, out * read, atol=1e-5, rtol=1e-5)


def test_dropout_acts_in_training_only():
    stacked = encoder(1, True)
    x, length, _ = rows((0, 1, 2))
    expected = stacked(x, length, (0, 1, 2))
    for layer in stacked.layers:
        layer.dropout = Dropout(0.5)
    assert not torch.allclose(stacked(x, length, (0, 1, 2)), expected)
    torch.testing.assert_close(stacked.eval()(x, length, (0, 1, 2)), expected)
