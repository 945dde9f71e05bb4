"""Graph convolutions over the joints of every frame at once, on a fixed or a learned graph.

Legend: N frames, V joints, C channels in, D channels out, S subsets of edges, M joints of a stacked graph.
"""

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import to_dense_adj, to_undirected

from schemas.skeleton import Skeleton

SUBSETS = ("self", "inward", "outward")


def undirected_edges(skeleton: Skeleton) -> Tensor:
    """[2, E] int64, the layout's edges in both directions, each once, without self-loops."""
    return to_undirected(torch.from_numpy(skeleton.graph_edges), num_nodes=skeleton.num_joints)


def mix_joints(adjacency_MV: Tensor, x_NVC: Tensor) -> Tensor:
    """One dense product over all frames: [M, V] x [N, V, C] -> [N, M, C]."""
    return torch.bmm(adjacency_MV.expand(x_NVC.shape[0], -1, -1), x_NVC)


def mix_channels(x_NVC: Tensor, weight_DC: Tensor, bias_D: Tensor) -> Tensor:
    """`F.linear`, on the CPU as a 1x1 convolution over N images of V points.

    The two are the same sum; on processors that MKL does not favour, oneDNN, which does torch's convolutions, is
    faster than the BLAS behind `F.linear` (benchmarks/README.md). Frames are the images because torch leaves a 1x1
    convolution of fewer than 16 of them to a slower routine when it has one thread.
    """
    if x_NVC.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return F.linear(x_NVC, weight_DC, bias_D)
    return F.conv2d(x_NVC.transpose(1, 2).unsqueeze(2), weight_DC[:, :, None, None], bias_D).squeeze(2).transpose(1, 2)


class FixedGraphConv(nn.Module):
    """Kipf and Welling's graph convolution (arXiv:1609.02907) with the normalised adjacency of the skeleton.

    The same as `torch_geometric.nn.GCNConv`, linear map and neighbourhood sum exchanged: the sum then runs over the
    narrower channels, needs no gradient in the first layer, and the bias comes free with the linear map.
    A graph of more than `sparse_above` joints (a face mesh) takes a sparse product instead of the dense one.
    The adjacency is derived from the layout, so it is not in the state dict.
    """

    def __init__(self, skeleton: Skeleton, width_in: int, width: int, sparse_above: int):
        super().__init__()
        self.linear = _linear(width_in, width)
        self.sparse = skeleton.num_joints > sparse_above
        edges, weight = gcn_norm(undirected_edges(skeleton), num_nodes=skeleton.num_joints)
        if self.sparse:
            with warnings.catch_warnings():  # torch says once a process that CSR is in beta
                warnings.simplefilter("ignore", UserWarning)
                adjacency = torch.sparse_coo_tensor(edges, weight, [skeleton.num_joints] * 2).to_sparse_csr()
            self.register_buffer("row_start", adjacency.crow_indices(), persistent=False)
            self.register_buffer("column", adjacency.col_indices(), persistent=False)
            self.register_buffer("edge_weight", adjacency.values(), persistent=False)
        else:
            adjacency_VV = to_dense_adj(edges, edge_attr=weight, max_num_nodes=skeleton.num_joints)[0]
            self.register_buffer("adjacency_VV", adjacency_VV, persistent=False)

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]."""
        mixed_NVC = self._mix_sparsely(x_NVC) if self.sparse else mix_joints(self.adjacency_VV.to(x_NVC.dtype), x_NVC)
        return mix_channels(mixed_NVC, self.linear.weight, self.linear.bias)

    def _mix_sparsely(self, x_NVC: Tensor) -> Tensor:
        N, V, C = x_NVC.shape
        # torch has no sparse product in half precision on every device, so this one is in single precision
        adjacency = torch.sparse_csr_tensor(self.row_start, self.column, self.edge_weight, (V, V))
        with torch.autocast(x_NVC.device.type, enabled=False):
            mixed = torch.sparse.mm(adjacency, x_NVC.transpose(0, 1).reshape(V, N * C).to(self.edge_weight.dtype))
        return mixed.view(V, N, C).transpose(0, 1).to(x_NVC.dtype).contiguous()


class LearnedGraphConv(nn.Module):
    """A spatial graph convolution whose graph starts as the skeleton and is then learned freely.

    Edges fall into three subsets, each with a linear map of its own: a joint itself, inward (from children to their
    parent) and outward (from the parent to its children), as in ST-GCN (arXiv:1801.07455); that the weights of the
    edges, absent ones included, are parameters follows 2s-AGCN (arXiv:1805.07694).
    """

    def __init__(self, skeleton: Skeleton, width_in: int, width: int):
        super().__init__()
        self.linear = _linear(len(SUBSETS) * width_in, width)
        self.adjacency_SVV = nn.Parameter(subset_adjacency(skeleton))

    def forward(self, x_NVC: Tensor) -> Tensor:
        """[N, V, C] -> [N, V, D]; the three subsets' channels stand side by side before one linear map."""
        N, V, C = x_NVC.shape
        stacked_MV = self.adjacency_SVV.transpose(0, 1).reshape(V * len(SUBSETS), V)
        mixed = mix_joints(stacked_MV.to(x_NVC.dtype), x_NVC).view(N, V, len(SUBSETS) * C)
        return mix_channels(mixed, self.linear.weight, self.linear.bias)


def subset_adjacency(skeleton: Skeleton) -> Tensor:
    """[3, V, V] for self, inward and outward edges; every row that has an edge sums to 1 (a mean)."""
    V = skeleton.num_joints
    child, parent = torch.from_numpy(skeleton.graph_edges)
    adjacency_SVV = torch.zeros(len(SUBSETS), V, V)
    adjacency_SVV[0] = torch.eye(V)
    adjacency_SVV[1, parent, child] = 1
    adjacency_SVV[2, child, parent] = 1
    return adjacency_SVV / adjacency_SVV.sum(2, keepdim=True).clamp(min=1)


def _linear(width_in: int, width: int) -> nn.Linear:
    linear = nn.Linear(width_in, width)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
