"""What the decoder reads, told by hooks that live for one batch: the shares are those of torch's own attention."""

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from matplotlib.image import imread
from torch import nn

from callbacks import stream_attention
from callbacks.field_bars import FieldBars
from callbacks.stream_attention import StreamAttention, attention_picture
from tests.callbacks.small_event_run import Board, Windows, module_of, train
from tests.models.event_predictor.conftest import schema

SOURCES = ("nothing known", "own", "kind", "place")


def shares_by_hand(net, batch, context_at: str, each: int) -> tuple[np.ndarray, np.ndarray]:
    """[layers, H, S] of torch's own attention, and [S] of reading alike: event after event, vector after vector."""
    inputs, hooks = [], []
    for layer in net.decoder.layers:
        hooks.append(layer.cross_attention.register_forward_pre_hook(lambda _, given: inputs.append(given)))
    with torch.no_grad():
        net.eval().decode(batch)
    for hook in hooks:
        hook.remove()
    # the value of `kind` has a row each: its three values and UNK
    owner = [0] + [1] * each + [2] * 4 * each + [3] * each
    events = batch.scored.nonzero().tolist()
    found, evenly = np.zeros((len(inputs), net.num_heads, len(SOURCES))), np.zeros(len(SOURCES))
    for number, (x, memory) in enumerate(inputs):
        ours = net.decoder.layers[number].cross_attention
        theirs = nn.MultiheadAttention(x.shape[2], net.num_heads, batch_first=True)
        theirs.in_proj_weight.data, theirs.in_proj_bias.data = (p.data for p in ours.query_key_value.parameters())
        for b, t in events:
            cut_off = t if context_at == "event" else 0
            vector, known = memory.vector[b, cut_off], memory.known[b, cut_off]
            _, weight = theirs(x[b, [t]], vector, vector, ~known, average_attn_weights=False)
            assert len(owner) == len(vector)
            for place, source in enumerate(owner):
                found[number, :, source] += weight[:, 0, place].detach().numpy() / len(events)
                evenly[source] += float(known[place] / known.sum()) / len(events) / len(inputs)
    return found, evenly


@pytest.fixture
def drawn(monkeypatch) -> list[tuple]:
    """What was drawn."""
    drawn = []

    def remember(*arguments):
        drawn.append(arguments)
        return attention_picture(*arguments)

    monkeypatch.setattr(stream_attention, "attention_picture", remember)
    return drawn


@pytest.mark.parametrize("memory", ["last", "full"])
@pytest.mark.parametrize("context_at", ["window", "event"])
def test_shares_are_the_mean_over_the_scored_events(memory, context_at, tmp_path, drawn):
    data = Windows(schema(context_at=context_at))
    module = module_of(data.schema, memory=memory, decoder_layers=2)
    train(tmp_path, module, data, StreamAttention(2))
    layers, evenly = shares_by_hand(module.net, data.batches[0], context_at, 1 if memory == "last" else 5)
    assert [split for *_, split in drawn] == ["val", "val", "test"]
    for its_layers, its_evenly, sources, _ in drawn:
        assert sources == SOURCES
        np.testing.assert_allclose(its_layers, layers, atol=1e-5)
        np.testing.assert_allclose(its_evenly, evenly, atol=1e-5)
        np.testing.assert_allclose(its_layers.sum(2), 1, atol=1e-5)
    board = Board(tmp_path)
    for name, share in zip(SOURCES, layers.mean((0, 1)), strict=True):
        points = board.Scalars(f"attention/{name}")
        assert [point.step for point in points] == [1, 3, 5]  # two steps an epoch
        np.testing.assert_allclose([point.value for point in points], share, atol=1e-5)
    assert board.pictures("attention") == {"attention/val": [3, 5], "attention/test": [5]}


def test_half_precision_is_looked_at_in_half_precision(tmp_path, drawn):
    data = Windows(schema())
    module = module_of(data.schema, decoder_layers=2)
    train(tmp_path, module, data, StreamAttention(3), precision="bf16-mixed")
    layers, _ = shares_by_hand(module.net, data.batches[0], "window", 1)
    np.testing.assert_allclose(drawn[0][0], layers, atol=0.02)
    np.testing.assert_allclose(drawn[0][0].sum(2), 1, atol=1e-5)


def test_a_hook_lives_for_one_batch(tmp_path, monkeypatch):
    data = Windows(schema())
    module = module_of(data.schema)
    attention = module.net.decoder.layers[0].cross_attention
    hooked, calls = [], []
    before, weights = attention.forward, attention.weights
    attention.forward = lambda *a: hooked.append(len(attention._forward_pre_hooks)) or before(*a)
    attention.weights = lambda *a: calls.append(1) or weights(*a)
    train(tmp_path, module, data, StreamAttention(1), max_epochs=2)
    # sanity check, then twice: two batches of training, two of validation; two of the test
    assert hooked == [0, 0] + 2 * [0, 0, 1, 0] + [1, 0]
    assert len(calls) == 3 and not attention._forward_pre_hooks


def test_a_run_that_stops_early_shows_its_last_validation(tmp_path, drawn):
    data = Windows(schema())
    stop = LambdaCallback(on_train_epoch_end=lambda trainer, _: setattr(trainer, "should_stop", True))
    train(tmp_path, module_of(data.schema), data, StreamAttention(5), FieldBars(5), stop, max_epochs=9)
    assert [split for *_, split in drawn] == ["val", "test"]
    board = Board(tmp_path)
    for group in ("attention", "fields"):
        assert board.pictures(group) == {f"{group}/val": [1], f"{group}/test": [1]}


def test_a_run_that_breaks_off_leaves_no_hook(tmp_path):
    data = Windows(schema())
    module = module_of(data.schema)
    module.net.heads.evaluate = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, module, data, StreamAttention(1), num_sanity_val_steps=0)
    assert not module.net.decoder.layers[0].cross_attention._forward_pre_hooks


@pytest.mark.parametrize(
    ("streams", "settings"),
    [((), {}), (None, {"logger": False}), (None, {"fast_dev_run": True})],
    ids=["no streams", "no board", "fast_dev_run"],
)
def test_where_there_is_nothing_to_show_nothing_is_done(streams, settings, tmp_path, drawn):
    data = Windows(schema() if streams is None else schema(streams))
    train(tmp_path, module_of(data.schema), data, StreamAttention(1), **settings)
    assert drawn == []


def test_where_no_event_is_scored_nothing_is_drawn(tmp_path, drawn):
    data = Windows(schema())
    data.batches[0].scored[:] = False
    train(tmp_path, module_of(data.schema), data, StreamAttention(1))
    assert drawn == []


def test_the_picture_names_every_head_and_every_stream(tmp_path):
    layers = np.random.default_rng(0).dirichlet(np.ones(3), (2, 4))
    figure = attention_picture(layers, np.array([0.2, 0.2, 0.6]), ("nothing known", "a$b", "c$d"), "val")
    heads, sums = figure.axes
    assert [text.get_text() for text in heads.get_yticklabels()][4] == "layer 2, head 1"
    assert [text.get_text() for text in sums.get_xticklabels()] == ["nothing known", "a$b", "c$d"]
    assert [text.get_text() for text in sums.texts[3:]] == ["20", "20", "60"]
    assert [text.get_text() for text in heads.texts[:3]] == [f"{100 * share:.0f}" for share in layers[0, 0]]
    figure.savefig(tmp_path / "attention.png")
    assert imread(tmp_path / "attention.png").shape[1] > 300
