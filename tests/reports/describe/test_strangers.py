"""Files of any origin: what may be claimed of their layers, and under which names their parts are found."""

import argparse
import io

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from reports.describe.facts import Known, Page
from reports.describe.page import describe
from reports.describe.rendering import as_markdown, print_page


def layer(page: Page, name: str):
    return next(row for row in page.layers if row.name == name)


WRAPPED = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "epoch": 3},
    "nested": lambda state: {"checkpoint": {"state_dict": state}},
    "a name of their own": lambda state: {"actor": state, "epoch": 3},
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled in DataParallel": lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED)
def test_weights_are_found_under_common_names(wrap, save):
    net = nn.ModuleDict({"body": nn.Linear(5, 7), "head": nn.Linear(7, 3)})
    page = describe(save(WRAPPED[wrap](net.state_dict())))
    assert page.fact("Numbers", "numbers in the state dict").value == 5 * 7 + 7 + 7 * 3 + 3
    assert page.fact("Classifier", "classes").value == 3
    assert layer(page, "body").sizes == "5 -> 7"


def test_a_map_is_called_a_graph_convolution_only_by_its_name(save):
    maps = ("gcn.0", "conv1", "gc2", "layers.0", "fc1", "graph_encoder.fc", "gcn.shortcut", "classifier")
    state = {}
    for name in maps:
        state |= {f"{name}.weight": torch.zeros(6, 4), f"{name}.bias": torch.zeros(6)}
    page = describe(save(state))
    kinds = {name: (layer(page, name).kind, layer(page, name).known) for name in maps}
    graph = ("graph convolution", Known.NAMES)
    assert kinds["gcn.0"] == kinds["conv1"] == kinds["gc2"] == graph
    assert kinds["layers.0"] == ("linear or graph convolution (shapes cannot tell)", Known.SHAPES)
    for name in ("fc1", "gcn.shortcut", "classifier"):
        assert kinds[name][0] == "linear map", name


def test_a_map_kept_as_in_by_out_is_turned(save):
    # as in Kipf's own code and in torch_geometric before 2.0
    page = describe(save({"gc1.weight": torch.zeros(31, 256), "gc1.bias": torch.zeros(256)}))
    assert page.fact("Graph part", "widths").value == "31 -> 256"


def test_torch_geometrics_layers_are_known_by_where_their_bias_is(save):
    gcn = pytest.importorskip("torch_geometric.nn").GCNConv
    net = nn.ModuleDict({"a": gcn(9, 16), "b": gcn(16, 16)})
    page = describe(save(net.state_dict()))
    assert [row.kind for row in page.layers] == ["graph convolution"] * 2
    assert page.fact("Numbers", "trainable parameters").value == 9 * 16 + 16 + 16 * 16 + 16


@pytest.mark.parametrize(
    ("module", "kind", "hidden", "layers", "both_ways"),
    [
        (nn.LSTM(7, 5, 3, bidirectional=True), "LSTM", 5, 3, True),
        (nn.LSTM(7, 5, 2, proj_size=2), "LSTM", 5, 2, False),
        (nn.GRU(7, 5, 2), "GRU", 5, 2, False),
        (nn.RNN(7, 5), "RNN", 5, 1, False),
        (nn.LSTMCell(7, 5), "LSTM", 5, 1, False),
    ],
)
def test_recurrent_layers_are_told_by_their_shapes(module, kind, hidden, layers, both_ways, save):
    page = describe(save(nn.ModuleDict({"rnn": module}).state_dict()))
    title = f"Temporal part: {kind}"
    assert page.fact(title, "input dimension").value == 7
    assert page.fact(title, "hidden dimension").value == hidden
    assert page.fact(title, "layers").value == layers
    assert page.fact(title, "bidirectional").value is both_ways


@pytest.mark.parametrize(
    ("module", "title"),
    [
        (nn.TransformerEncoder(nn.TransformerEncoderLayer(48, 4, 96), 3, enable_nested_tensor=False), "encoder"),
        (nn.TransformerDecoder(nn.TransformerDecoderLayer(48, 4, 96), 3), "decoder"),
    ],
)
def test_torchs_transformers_are_seen_and_their_heads_are_not(module, title, save):
    page = describe(save({f"{title}.{name}": tensor for name, tensor in module.state_dict().items()}))
    title = f"Transformer {title}: {title}.layers"
    values = [page.fact(title, what).value for what in ("layers", "width", "feed-forward")]
    assert values == [3, 48, 96]
    assert page.fact(title, "heads").known is Known.NOT  # 48 is no multiple of 64


def test_heads_that_the_settings_name_are_stored(save):
    module = nn.TransformerEncoder(nn.TransformerEncoderLayer(48, 4, 96), 3, enable_nested_tensor=False)
    page = describe(save({"state_dict": module.state_dict(), "hparams": {"nhead": 4}}))
    fact = page.fact("Transformer: layers", "heads")
    assert (fact.value, fact.known) == (4, Known.STORED)


def test_both_counts_leave_out_what_they_should(save):
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    net.register_buffer("positions", torch.arange(10))
    page = describe(save(net.state_dict()))
    assert page.fact("Numbers", "numbers in the state dict").value == 20 + (4 * 4 + 1) + 20 + 10
    assert page.fact("Numbers", "trainable parameters").value == sum(p.numel() for p in net.parameters()) == 32


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), "SGD"),
        (lambda p: torch.optim.Adam(p), "Adam"),
        (lambda p: torch.optim.AdamW(p), "AdamW"),
        (lambda p: torch.optim.NAdam(p), "NAdam"),
        (lambda p: torch.optim.Adamax(p), "Adamax"),
        (lambda p: torch.optim.RMSprop(p), "RMSprop"),
        (lambda p: torch.optim.Adagrad(p), "Adagrad"),
        (lambda p: torch.optim.Adadelta(p), "Adadelta"),
    ],
)
def test_the_kind_of_optimizer_shows_in_its_state(make, name, save):
    net = nn.Linear(3, 2)
    optimizer = make(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    fact = describe(save({"net": net.state_dict(), "optim": optimizer.state_dict()})).fact("Training", "optimizer")
    assert fact.text.split()[0] == name


def test_an_optimizer_that_never_stepped_says_so(save):
    net = nn.Linear(3, 2)
    content = {"model": net.state_dict(), "optimizer": torch.optim.Adam(net.parameters()).state_dict()}
    assert "never stepped" in describe(save(content)).fact("Training", "steps").text


def test_an_epoch_of_nan_is_dated(save):
    loss = [3.0 - 0.01 * epoch for epoch in range(599)] + [float("nan")] * 201
    accuracy = [0.05] * 300 + [0.112] + [0.074] * 499
    content = {"model": {"fc.weight": torch.full((2, 2), float("nan"))}, "train_losses": loss, "val_accs": accuracy}
    page = describe(save(content))
    assert page.fact("History", "train_losses is no number").text == "since epoch 600 of 800"
    assert page.fact("History", "best epoch").text.startswith("301 ")
    assert page.fact("Numbers", "not finite (NaN or infinity)").text == "1 tensors: fc.weight"


def test_numpys_numbers_and_namespaces_are_read_as_plain_values(save):
    numbers = {"val_acc": np.float64(0.25), "val_f1": np.float32(0.5), "seen": np.int64(-7)}
    content = {"model": {"fc.weight": torch.zeros(2, 2)}, "args": argparse.Namespace(epochs=9, name="x"), **numbers}
    page = describe(save(content))
    assert [page.fact("Metrics and notes", name).value for name in numbers] == [0.25, 0.5, -7]
    assert page.fact("Settings", "epochs").value == 9


def test_a_size_that_the_file_does_not_hold_is_counted_and_never_filled_in(save):
    path = save({"fc.weight": torch.zeros(1).expand(10**6, 10**6), "fc.bias": torch.zeros(3)})
    assert path.stat().st_size < 10_000
    page = describe(path)
    assert page.fact("Numbers", "numbers in the state dict").value == 10**12 + 3
    assert page.fact("Numbers", "larger than what is stored").value == ["fc.weight"]


def test_what_a_file_holds_is_printed_as_plain_text(save):
    name = "[red]x[/red]\x1b[31m|`<b>\n"
    page = describe(
        save({"model": {f"{name}.weight": torch.zeros(2, 2)}, name: "[link=file:///]", "note": "y" * 10**6})
    )
    console = Console(record=True, width=200, file=io.StringIO())
    print_page(page, console)
    text = console.export_text()
    assert "[red]x[/red]" in text and "\x1b" not in text and len(text) < 20_000
    (row,) = [line for line in as_markdown(page).splitlines() if "link=" in line]
    assert row.count("|") - row.count("\\|") == 4


@pytest.mark.parametrize(
    "state",
    [
        {"rnn.weight_ih_l0": torch.zeros(3), "rnn.weight_hh_l0": torch.zeros(())},
        {"rnn.weight_hh_l0": torch.zeros(0, 0)},
        {"bn.running_mean": torch.zeros(())},
        {"weight": torch.zeros(2, 3)},
        {"a.b.weight": torch.zeros(0, 3, 0)},
        {"x": torch.zeros(2, 3, 4, 5, 6)},
        {"layers.0.attn.in_proj_weight": torch.zeros(3)},
        {"layers.0.self_attn.in_proj_weight": torch.zeros(12, 4)},
        {"heads.a.weight": torch.zeros(0, 0), "heads.b.weight": torch.zeros(5, 0)},
        {"embedding.value_Vd": torch.zeros(2, 2), "heads.bias_U": torch.zeros(())},
        {"s": torch.eye(3).to_sparse(), "half.weight": torch.zeros(2, 2, dtype=torch.float16)},
        {"m.weight": torch.zeros(2, 2, device="meta")},
        {"c.weight": torch.zeros(2, 2, dtype=torch.complex64), "e8": torch.zeros(3).to(torch.float8_e4m3fn)},
    ],
    ids=lambda state: next(iter(state)),
)
def test_odd_shapes_are_described_without_a_crash(state, save):
    page = describe(save({"state_dict": state, "optimizer": {"param_groups": [3], "state": 4}, "epoch": "x"}))
    assert page.fact("Numbers", "tensors").value == len(state)
    as_markdown(page)
