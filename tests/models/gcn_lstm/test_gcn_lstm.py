from itertools import product

import pytest
import torch
import torch.nn.functional as F

SMALL = ("model.spatial_dim=16", "model.temporal_dim=16")
OPTIONS = {
    "adjacency": ("fixed", "learned"),
    "block": ("plain", "residual"),
    "pooling": ("mean_max", "parts", "flatten"),
    "readout": ("last", "attention_max"),
}
COMBINATIONS = [
    tuple(f"model/{group}={option}" for group, option in zip(OPTIONS, combination, strict=True))
    for combination in product(*OPTIONS.values())
]
VARIANTS = [("gcn_lstm", overrides) for overrides in COMBINATIONS] + [
    ("gcn_lstm", (*COMBINATIONS[-1], "model/motion=convolutions", "model.input_norm=true")),
    ("gcn_lstm_fusion", ()),
    ("gcn_lstm_fusion", (*COMBINATIONS[-1], "model.attention.positions=true")),
    ("gcn_lstm", ("model.unused_norm=true", "model.adjacency.sparse_above=4")),
]
LENGTH = torch.tensor([4, 7, 1, 5])
each_variant = pytest.mark.parametrize(
    ("model", "overrides"), VARIANTS, ids=lambda v: v if isinstance(v, str) else "-".join(o.split("=")[1] for o in v)
)


def clips(joints=8, channels=3, frames=7):
    torch.manual_seed(0)
    return torch.randn(len(LENGTH), frames, joints, channels)


def padded(x, frames, rubbish):
    """The clips in a batch of `frames` frames, with rubbish behind every clip's end."""
    x = F.pad(x, (0, 0, 0, 0, 0, frames - x.shape[1]))
    for clip, length in enumerate(LENGTH):
        x[clip, length:] = rubbish
    return x


@each_variant
@pytest.mark.parametrize("rubbish", [torch.nan, 1e6])
def test_padding_never_changes_a_logit(build, model, overrides, rubbish):
    # in train mode, with dropout off, the batch statistics must be of real frames only
    net = build(model, *SMALL, "model.dropout=0", *overrides)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    trimmed = net(padded(clips(), 7, 0.0), LENGTH)
    statistics = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.load_state_dict(state)
    more = net(padded(clips(), 10, rubbish), LENGTH)
    torch.testing.assert_close(more, trimmed, atol=1e-5, rtol=1e-5)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, statistics[name], atol=1e-5, rtol=1e-5, msg=name)

    net.eval()
    with torch.no_grad():
        together = net(padded(clips(), 10, rubbish), LENGTH)
        alone = torch.cat([net(clips()[i : i + 1, :n], n[None]) for i, n in enumerate(LENGTH)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@each_variant
def test_every_parameter_learns_but_the_known_unused(build, model, overrides):
    torch.manual_seed(0)
    net = build(model, *SMALL, *overrides)
    F.cross_entropy(net(clips(), LENGTH), torch.tensor([0, 1, 2, 3])).backward()
    unused = {name for name, p in net.named_parameters() if name.startswith(net.known_unused)}
    assert {name for name, p in net.named_parameters() if p.grad is None} == unused
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)
    assert bool(unused) is ("model.unused_norm=true" in overrides)


def test_padding_gets_no_gradient(build):
    x = clips().requires_grad_()
    build("gcn_lstm_fusion", *SMALL)(x, LENGTH).sum().backward()
    for clip, length in enumerate(LENGTH):
        assert (x.grad[clip, length:] == 0).all() and (x.grad[clip, :length] != 0).any()


def test_lengths_may_be_left_out_when_every_clip_is_full(build):
    net = build("gcn_lstm", *SMALL).eval()
    assert torch.equal(net(clips(), None), net(clips(), torch.full((4,), 7)))


def test_the_same_seed_trains_the_same(build):
    net = build("gcn_lstm_fusion", *SMALL)
    logits = []
    for _ in range(2):
        torch.manual_seed(5)
        logits.append(net(clips(), LENGTH))
    assert torch.equal(*logits)


@pytest.mark.parametrize("sparse_above", [4, 200])
def test_bfloat16_autocast_stays_near_single_precision(build, sparse_above):
    net = build("gcn_lstm_fusion", *SMALL, f"model.adjacency.sparse_above={sparse_above}").eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = net(clips(), LENGTH)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), net(clips(), LENGTH), atol=0.05, rtol=0)


DOCUMENTED = {"layout": "face62", "channels": 31, "classes": 100}


def count(net):
    """(all numbers in the state dict, trainable ones)"""
    return sum(t.numel() for t in net.state_dict().values()), sum(
        p.numel() for p in net.parameters() if p.requires_grad
    )


def test_documented_final_has_the_documented_size(build):
    net = build("gcn_lstm", "model.unused_norm=true", **DOCUMENTED)
    assert count(net) == (11_223_143, 11_221_604)
    assert [block.conv.linear.weight.shape for block in net.spatial.blocks] == [(256, 31), (256, 256), (256, 256)]
    assert (net.temporal.lstm.input_size, net.temporal.lstm.hidden_size, net.temporal.lstm.num_layers) == (512, 512, 2)
    assert [layer.weight.shape for layer in net.classifier if hasattr(layer, "weight")] == [(512, 1024), (100, 512)]
    assert net.known_unused == ("temporal.unused_norm.",)


def test_documented_best_has_the_documented_size(build):
    overrides = ("model.spatial_dim=512", "model.spatial_layers=5", "model.temporal_layers=3", "model.unused_norm=true")
    net = build("gcn_lstm_fusion", *overrides, **DOCUMENTED)
    assert count(net) == (33_219_694, 33_212_519)
    recurrent, attention, convolution = net.temporal.branches
    assert [block.conv.linear.weight.shape for block in net.spatial.blocks] == [(512, 31)] + 4 * [(512, 512)]
    assert (recurrent.lstm.input_size, recurrent.lstm.hidden_size, recurrent.lstm.num_layers) == (1024, 512, 3)
    assert recurrent.lstm.bidirectional and recurrent.width == 1024
    layer = attention.encoder.layers[0]
    assert (len(attention.encoder.layers), layer.self_attn.num_heads, layer.linear1.out_features) == (2, 8, 2048)
    assert [conv.weight.shape for conv in convolution.convs] == [(512, 1024, 3), (512, 512, 3)]
    assert [layer.weight.shape for layer in net.classifier if hasattr(layer, "weight")] == [(1024, 2048), (100, 1024)]
    assert net.known_unused == ("temporal.branches.0.unused_norm.",)


def test_without_the_unused_norm_the_count_is_smaller_by_it(build):
    assert count(build("gcn_lstm", **DOCUMENTED)) == (11_223_143 - 2 * 1024, 11_221_604 - 2 * 1024)
