import numpy as np
import pytest
import torch
from torch_geometric.nn import GCNConv

from models.gcn_lstm.graph_conv import FixedGraphConv, LearnedGraphConv, mix_channels, undirected_edges
from schemas.skeleton import Skeleton, load_layout, shipped_layouts

DENSE, SPARSE = 10_000, 0


def face_mesh(joints: int = 468) -> Skeleton:
    rng = np.random.default_rng(0)
    pairs = {(i, i - 1) for i in range(1, joints)} | {(int(i), int(rng.integers(i))) for i in range(1, joints)}
    return Skeleton("mesh", tuple(f"point {i}" for i in range(joints)), bones=(), edges=tuple(sorted(pairs)))


def gradients(module, x):
    x = x.clone().requires_grad_()
    y = module(x)
    torch.manual_seed(9)
    (y * torch.randn_like(y)).sum().backward()
    return y.detach(), x.grad


def assert_equals_pyg(skeleton: Skeleton, sparse_above: int):
    torch.manual_seed(0)
    ours, theirs = FixedGraphConv(skeleton, 6, 9, sparse_above), GCNConv(6, 9)
    torch.nn.init.normal_(ours.linear.bias)
    theirs.load_state_dict({"lin.weight": ours.linear.weight.detach(), "bias": ours.linear.bias.detach()})
    edges = undirected_edges(skeleton)
    x = torch.randn(5, skeleton.num_joints, 6)
    y, dx = gradients(ours, x)
    y_pyg, dx_pyg = gradients(lambda frames: torch.stack([theirs(frame, edges) for frame in frames]), x)
    torch.testing.assert_close(y, y_pyg, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dx, dx_pyg, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.linear.weight.grad, theirs.lin.weight.grad, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(ours.linear.bias.grad, theirs.bias.grad, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("sparse_above", [DENSE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("layout", shipped_layouts())
def test_fixed_equals_pyg_on_every_layout(layout, sparse_above):
    assert_equals_pyg(load_layout(layout), sparse_above)


@pytest.mark.parametrize("layout", shipped_layouts())
def test_the_adjacency_is_the_normalised_undirected_skeleton_with_self_loops(layout):
    skeleton = load_layout(layout)
    linked = np.eye(skeleton.num_joints)
    for a, b in skeleton.graph_edges.T:
        linked[a, b] = linked[b, a] = 1
    root = np.sqrt(linked.sum(1))
    adjacency_VV = FixedGraphConv(skeleton, 1, 1, DENSE).adjacency_VV
    np.testing.assert_allclose(adjacency_VV.numpy(), linked / root[:, None] / root[None, :], atol=1e-6)


def test_a_face_mesh_takes_the_sparse_product_and_equals_pyg():
    assert FixedGraphConv(face_mesh(), 2, 2, sparse_above=200).sparse
    assert not FixedGraphConv(load_layout("face62"), 2, 2, sparse_above=200).sparse
    assert_equals_pyg(face_mesh(), sparse_above=200)


@pytest.mark.parametrize("sparse_above", [DENSE, SPARSE])
def test_the_graph_is_no_part_of_the_state_dict(sparse_above):
    conv = FixedGraphConv(load_layout("natops8"), 3, 4, sparse_above)
    assert set(conv.state_dict()) == {"linear.weight", "linear.bias"}


def test_an_isolated_joint_and_edges_given_twice_are_no_trouble():
    assert_equals_pyg(Skeleton("odd", ("a", "b", "c"), bones=(), edges=((0, 1), (1, 0), (0, 1))), DENSE)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (4, 1, 3), (4, 5, 1), (6, 7, 8)])
def test_mixing_channels_is_a_linear_map(shape):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(4, shape[2]), torch.randn(4)
    expected = np.einsum("nvc,dc->nvd", x.numpy(), weight.numpy()) + bias.numpy()
    np.testing.assert_allclose(mix_channels(x, weight, bias).numpy(), expected, atol=1e-5)


def test_mixing_channels_of_a_strided_input():
    x, weight, bias = torch.randn(5, 8, 3).transpose(0, 1), torch.randn(4, 3), torch.randn(4)
    torch.testing.assert_close(mix_channels(x, weight, bias), torch.nn.functional.linear(x, weight, bias))


@pytest.mark.parametrize("layout", shipped_layouts())
def test_learned_graph_starts_as_the_skeleton(layout):
    skeleton = load_layout(layout)
    self_VV, inward_VV, outward_VV = LearnedGraphConv(skeleton, 2, 2).adjacency_SVV.detach().numpy()
    edges = {tuple(edge) for edge in skeleton.graph_edges.T.tolist()}
    np.testing.assert_array_equal(self_VV, np.eye(skeleton.num_joints))
    assert {(child, parent) for parent, child in np.argwhere(inward_VV)} == edges
    assert {(child, parent) for child, parent in np.argwhere(outward_VV)} == edges
    for adjacency_VV in (inward_VV, outward_VV):
        sums = adjacency_VV.sum(1)
        np.testing.assert_allclose(sums[sums > 0], 1, rtol=1e-6)


def test_learned_conv_sums_one_linear_map_a_subset():
    torch.manual_seed(0)
    conv = LearnedGraphConv(load_layout("ntu25"), 4, 5)
    x = torch.randn(3, 25, 4)
    adjacency, weight = conv.adjacency_SVV.detach().numpy(), conv.linear.weight.detach().numpy()
    expected = sum(np.einsum("uv,nvc,dc->nud", adjacency[s], x.numpy(), weight[:, 4 * s : 4 * s + 4]) for s in range(3))
    np.testing.assert_allclose(conv(x).detach().numpy(), expected, atol=1e-5)


def test_learned_graph_learns_edges_that_the_skeleton_lacks():
    conv = LearnedGraphConv(load_layout("natops8"), 4, 5)
    conv(torch.randn(3, 8, 4)).square().sum().backward()
    assert (conv.adjacency_SVV.grad != 0).all()
