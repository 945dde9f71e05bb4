"""The feed-forward network in blocks against torch's own operations on the whole."""

import pytest
import torch
import torch.nn.functional as F

from models.dropout import Dropout, MishDropout
from models.event_predictor import feed_forward as module
from models.event_predictor.feed_forward import feed_forward, mish_dropout

S, N, D, HIDDEN = 3, 11, 6, 8


def whole(x_SNd, up, down, dropout: Dropout):
    """One set after the other, as torch has it."""
    hidden = [F.mish(F.linear(x, w.T, b)) for x, w, b in zip(x_SNd, *up, strict=True)]
    return torch.stack([F.linear(h, w.T, b) for h, w, b in zip(dropout(torch.stack(hidden)), *down, strict=True)])


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    shapes = (S, N, D), (S, D, HIDDEN), (S, HIDDEN), (S, HIDDEN, D), (S, D)
    return [torch.randn(shape, generator=generator).mul_(0.3).requires_grad_() for shape in shapes]


def values_and_gradients(network, tensors, dropout):
    x_SNd, *weights = tensors
    torch.manual_seed(1)
    y_SNd = network(x_SNd, weights[:2], weights[2:], dropout)
    return y_SNd, *torch.autograd.grad((y_SNd**2).sum(), tensors)


@pytest.mark.parametrize("block", [1, 3 * HIDDEN, 2 * N * HIDDEN, 2**19], ids=["row", "rows", "sets", "whole"])
@pytest.mark.parametrize("p", [0.0, 0.4])
def test_blocks_compute_what_torch_computes(tensors, monkeypatch, block, p):
    monkeypatch.setattr(module, "BLOCK", block)
    expected = values_and_gradients(whole, tensors, Dropout(p))
    found = values_and_gradients(feed_forward, tensors, MishDropout(p))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_without_gradients_it_computes_the_same(tensors):
    x_SNd, *weights = tensors
    with torch.no_grad():
        y_SNd = feed_forward(x_SNd, weights[:2], weights[2:], MishDropout(0.4).eval())
    torch.testing.assert_close(y_SNd, whole(x_SNd, weights[:2], weights[2:], Dropout(0.0)))


def test_under_autocast_it_computes_in_bfloat16(tensors):
    x_SNd, *weights = tensors
    with torch.autocast("cpu", torch.bfloat16):
        y_SNd = feed_forward(x_SNd, weights[:2], weights[2:], MishDropout(0.0))
    assert y_SNd.dtype == torch.bfloat16
    torch.testing.assert_close(
        y_SNd.float(), whole(*tensors[:1], weights[:2], weights[2:], Dropout(0.0)), atol=0.3, rtol=0.1
    )


def test_no_vectors_give_no_values_and_gradients_of_zero(tensors):
    y_SNd, *gradients = values_and_gradients(feed_forward, [tensors[0][:, :0], *tensors[1:]], MishDropout(0.4))
    assert y_SNd.shape == (S, 0, D) and not any(gradient.any() for gradient in gradients)


def test_mish_and_its_slope_are_those_of_torch_in_double_precision():
    x = torch.linspace(-60, 60, 20_001)
    exact_x = x.double().requires_grad_()
    exact = F.mish(exact_x)
    (exact_slope,) = torch.autograd.grad(exact.sum(), exact_x)
    y, slope = mish_dropout(x.clone(), 0, slope_wanted=True)
    torch.testing.assert_close(y, exact.float(), atol=4e-6, rtol=1e-6)
    torch.testing.assert_close(slope, exact_slope.float(), atol=2e-6, rtol=1e-6)


def test_a_dropped_unit_has_neither_value_nor_slope():
    torch.manual_seed(0)
    y, slope = mish_dropout(torch.full((400,), 2.0), 2**15, slope_wanted=True)
    assert torch.equal(y == 0, slope == 0) and 120 < int((y == 0).sum()) < 280
