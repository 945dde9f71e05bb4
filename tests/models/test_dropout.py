import pytest
import torch

from models.dropout import Dropout, ReLUDropout
from schemas.errors import ConfigError


def test_drops_at_the_asked_rate_and_keeps_the_mean():
    torch.manual_seed(0)
    y = Dropout(0.4)(torch.ones(1000, 1001))
    deviation = (0.4 * 0.6 / y.numel()) ** 0.5
    assert abs((y == 0).double().mean().item() - 0.4) < 5 * deviation
    assert abs(y.double().mean().item() - 1) < 5 * deviation / 0.6


@pytest.mark.parametrize("p", [1e-3, 0.1, 0.5, 0.97])
def test_the_scale_is_exact_for_the_rounded_probability(p):
    layer = Dropout(p)
    dropped = layer.drop_levels / 65536
    assert abs(dropped - p) <= 0.5 / 65536
    assert layer.scale * (1 - dropped) == pytest.approx(1, abs=1e-12)
    assert set(layer(torch.ones(4000)).tolist()) <= {0.0, torch.tensor(layer.scale).item()}


def test_elements_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(4 * 50_000)) > 0).double().view(-1, 4) - 0.5  # a row shares one random draw
    correlation = kept.T @ kept / (0.25 * len(kept))
    assert torch.allclose(correlation, torch.eye(4, dtype=torch.float64), atol=0.03)


def test_gradient_is_the_mask_times_the_scale():
    x = torch.randn(7, 13).abs().add(1).requires_grad_()
    y = Dropout(0.3)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(gradient, (y / x).detach())
    assert 0 < (gradient == 0).sum() < gradient.numel()


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.7).eval()], ids=["p=0", "eval"])
def test_identity(layer):
    x = torch.randn(5, 6)
    assert layer(x) is x


def test_reseeding_draws_the_same_mask():
    layer, x = Dropout(0.4), torch.ones(3, 5, 7)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_strided_input_and_half_precision():
    x = torch.ones(6, 10, dtype=torch.bfloat16).T
    y = Dropout(0.5)(x)
    assert y.dtype == torch.bfloat16 and set(y.flatten().tolist()) == {0.0, 2.0}


def test_relu_dropout_is_relu_then_dropout():
    x = torch.randn(50, 60, requires_grad=True)
    weight = torch.randn(50, 60)
    results = []
    for layer in (lambda x: Dropout(0.4)(x.relu()), lambda x: ReLUDropout(0.4)(x + 0)):
        torch.manual_seed(2)
        y = layer(x)
        results.append((y, *torch.autograd.grad((y * weight).sum(), x)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("layer", [ReLUDropout(0.0), ReLUDropout(0.7).eval()], ids=["p=0", "eval"])
def test_relu_dropout_is_relu_when_it_drops_nothing(layer):
    x = torch.randn(5, 6)
    assert torch.equal(layer(x.clone()), x.relu())


def test_a_probability_that_rounds_to_nothing_drops_nothing():
    x = torch.randn(100, 100)
    assert Dropout(1e-6)(x) is x and torch.equal(ReLUDropout(1e-6)(x.clone()), x.relu())


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_refuses_what_is_no_probability(p):
    with pytest.raises(ConfigError, match="dropout"):
        Dropout(p)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_it_is_torch_dropout():
    x = torch.ones(1000, device="cuda")
    torch.manual_seed(0)
    ours = Dropout(0.4)(x)
    torch.manual_seed(0)
    assert torch.equal(ours, torch.nn.functional.dropout(x, 0.4))
