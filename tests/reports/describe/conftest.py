"""Checkpoints of strangers: the two documented nets rebuilt of plain torch layers under names of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

DOCUMENTED_RATE = 0.0009973422519357583


class GraphLayer(nn.Module):
    """The parameters of torch_geometric's GCNConv: a map without a bias, and a bias beside it."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.lin = nn.Linear(width_in, width, bias=False)


class Spatial(nn.Module):
    def __init__(self, width: int, layers: int):
        super().__init__()
        self.gcn_layers = nn.ModuleList(GraphLayer(width if n else 31, width) for n in range(layers))
        self.batch_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(layers))


class Final(nn.Module):
    """One branch: graph convolutions, a bidirectional LSTM with its unread norm, a classifier."""

    def __init__(self):
        super().__init__()
        self.spatial = Spatial(256, 3)
        self.temporal = nn.Module()
        self.temporal.lstm = nn.LSTM(512, 512, 2, bidirectional=True)
        self.temporal.layer_norm = nn.LayerNorm(1024)
        self.classifier = nn.Sequential(nn.Linear(1024, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 100))


class Fusion(nn.Module):
    """Three branches and their gate."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1024, 512, 3, bidirectional=True)
        self.layer_norm = nn.LayerNorm(1024)
        self.input_proj = nn.Linear(1024, 512)
        layer = nn.TransformerEncoderLayer(512, 8, 2048)
        self.transformer = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.conv_layers = nn.Sequential(
            nn.Conv1d(1024, 512, 3), nn.BatchNorm1d(512), nn.ReLU(), nn.Conv1d(512, 512, 3), nn.BatchNorm1d(512)
        )
        widths = (1024, 512, 512)
        self.branch_proj = nn.ModuleList(nn.Sequential(nn.LayerNorm(w), nn.Linear(w, 512)) for w in widths)
        self.gate = nn.Sequential(nn.Linear(1536, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 3))
        self.fusion_norm = nn.LayerNorm(2048)


class Best(nn.Module):
    """The three-branch net."""

    def __init__(self):
        super().__init__()
        self.spatial = Spatial(512, 5)
        self.temporal = Fusion()
        self.classifier = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, 100))


def optimizer_state(net: nn.Module, rate: float, unread: str = "layer_norm") -> dict:
    """AdamW's after 33 epochs of 61 steps; the norm that nothing reads has no state. Its moments are left small:
    zeros of one number's storage."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-4)
    state = optimizer.state_dict()
    for place, (name, parameter) in enumerate(net.named_parameters()):
        if unread not in name:
            moment = torch.zeros(1).expand(parameter.shape)
            state["state"][place] = {"step": torch.tensor(2013.0), "exp_avg": moment, "exp_avg_sq": moment}
    state["param_groups"][0] |= {"lr": rate, "initial_lr": 1e-3}
    return state


@pytest.fixture(scope="session")
def stranger_best(tmp_path_factory) -> Path:
    """best_model.pth as documented: weights, optimizer, epoch 33 and two metrics."""
    torch.manual_seed(0)
    net = Best()
    content = {
        "epoch": 33,
        "model_state_dict": {f"module.{name}": tensor for name, tensor in net.state_dict().items()},
        "optimizer_state_dict": optimizer_state(net, DOCUMENTED_RATE),
        "val_acc": 0.112179,
        "val_f1": 0.064831,
    }
    path = tmp_path_factory.mktemp("best") / "best_model.pth"
    torch.save(content, path)
    return path


@pytest.fixture(scope="session")
def stranger_final(tmp_path_factory) -> Path:
    """final_model.pth as documented: weights, epoch 100 and the history of all epochs, no optimizer."""
    torch.manual_seed(0)
    accuracy = [0.15 + 0.0001 * epoch for epoch in range(100)]
    accuracy[32], accuracy[99] = 0.196783, 0.173700
    loss = [3.85 + (2.414095 - 3.85) * epoch / 99 for epoch in range(100)]
    content = {
        "epoch": 100,
        "model_state_dict": Final().state_dict(),
        "best_val_acc": 0.196783,
        "history": {"train_loss": loss, "val_acc": accuracy},
    }
    path = tmp_path_factory.mktemp("final") / "final_model.pth"
    torch.save(content, path)
    return path


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """save(content, name): the path of a file of this content."""

    def save(content: object, name: str = "model.pth", **options) -> Path:
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save
