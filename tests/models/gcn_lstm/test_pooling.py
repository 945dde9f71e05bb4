import numpy as np
import pytest
import torch

from models.gcn_lstm.pooling import FlattenPooling, MeanMaxPooling, PartPooling, max_over_joints
from schemas.skeleton import load_layout

NTU = load_layout("ntu25")


def test_mean_max():
    x = torch.randn(4, 25, 6)
    pooling = MeanMaxPooling(NTU, 6)
    expected = np.concatenate([x.numpy().mean(1), x.numpy().max(1)], axis=1)
    assert pooling.width == 12
    np.testing.assert_allclose(pooling(x).numpy(), expected, atol=1e-6)


def test_parts_are_pooled_apart():
    x = torch.randn(4, 25, 6)
    pooling = PartPooling(NTU, 6, width=7)
    columns = []
    for joints in NTU.parts.values():
        part = x.numpy()[:, list(joints)]
        columns += [part.mean(1), part.max(1)]
    weight, bias = pooling.linear.weight.detach().numpy(), pooling.linear.bias.detach().numpy()
    np.testing.assert_allclose(
        pooling(x).detach().numpy(), np.concatenate(columns, axis=1) @ weight.T + bias, atol=1e-5
    )
    assert pooling.width == 7


def test_flatten_tells_joints_apart():
    torch.manual_seed(0)
    x = torch.randn(4, 25, 6)
    pooling = FlattenPooling(NTU, 6, width=7).eval()
    assert pooling(x).shape == (4, pooling.width) == (4, 7)
    assert not torch.allclose(pooling(x), pooling(x.flip(1)))
    assert torch.allclose(MeanMaxPooling(NTU, 6)(x), MeanMaxPooling(NTU, 6)(x.flip(1)), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_the_maximum_and_its_gradient_are_those_of_tensor_max_ties_included(dtype):
    x = torch.randint(-2, 3, (7, 9, 5)).to(dtype).requires_grad_()
    weight = torch.randn(7, 5).to(dtype)
    expected = x.max(1).values
    pooled = max_over_joints(x)
    assert torch.equal(pooled, expected)
    (gradient,), (expected_gradient,) = (torch.autograd.grad(y, x, weight) for y in (pooled, expected))
    assert torch.equal(gradient, expected_gradient)
    assert torch.equal(max_over_joints(x.detach()), expected)
