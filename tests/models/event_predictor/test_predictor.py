"""The event predictor as a whole. Legend: B windows, T positions, C cut-offs, R source rows, D dynamic fields."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from conftest import STREAMS, events, mean_log_cardinality, random_batch, schema

from schemas.batches import EventBatch
from schemas.errors import ConfigError
from schemas.events import Stream

OPTIONS = {
    "independent": {},
    "independent with networks": {"head_width": 8},
    "chained": {"heads": "chained", "head_width": 8},
    "tied": {"tied": True},
    "chained, tied, copying": {"heads": "chained", "head_width": 8, "tied": True, "copy": ("place", "gap")},
    "copying": {"copy": ("place",)},
    "full memory": {"memory": "full", "encoder_layers": 2},
    "stream attention": {"stream_attention": 2, "decoder_layers": 2},
    "impossible values": {"impossible": {"place": ("place3", "place4"), "kind": ("(unknown)",)}},
}
SCHEMAS = {
    "window": schema(),
    "event": schema(context_at="event"),
    "even rows": schema((Stream("own", None), Stream("place", "place"))),
    "no streams": schema(()),
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
each_schema = pytest.mark.parametrize("data", SCHEMAS.values(), ids=SCHEMAS.keys())
each_context = pytest.mark.parametrize("context_at", ["window", "event"])


def possible(batch: EventBatch) -> EventBatch:
    """The batch without the targets that one of the options masks."""
    target = batch.target.clone()
    target[..., 3][(target[..., 3] == 5) | (target[..., 3] == 6)] = 7
    target[..., 0][target[..., 0] == 1] = 2
    return replace(batch, target=target)


@each_option
@each_schema
def test_every_parameter_learns(make, data, options):
    net = make(data, **options)
    batch = possible(random_batch(data))
    net(batch).mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert all(p.grad.isfinite().all() for p in net.parameters())


@each_option
@each_schema
def test_nll_starts_at_that_of_a_uniform_guess(make, data, options):
    net = make(data, **options)
    lengths = (7,) * 64
    batch = possible(random_batch(data, lengths))
    nll = net(batch)
    assert nll.shape == (64, 6, 4)
    assert nll.dtype == torch.float32
    assert nll.mean().item() == pytest.approx(mean_log_cardinality(data), rel=0.1)


@each_option
@each_schema
def test_what_is_measured(make, data, options):
    net = make(data, **options).eval()
    batch = possible(random_batch(data))
    batch.scored[0, 1] = batch.scored[3, 2] = False
    nll, output = net(batch), net.evaluate(batch)
    torch.testing.assert_close(output.nll, nll, atol=1e-5, rtol=1e-5)
    target = batch.target[:, 1:, list(data.dynamic)]
    p = (-nll).exp()
    for field in range(4):
        assert (output.confidence[..., field] >= p[..., field] - 1e-5)[batch.scored].all()
    hit = output.hit & batch.scored[..., None]
    torch.testing.assert_close(p[hit], output.confidence[hit])
    assert not (output.hit & (target == 1)).any()
    assert not (output.top5 & (target == 1)).any()
    assert (output.top5 | ~output.hit).all()
    few = (target != 1) & batch.scored[..., None]
    assert output.top5[..., 0][few[..., 0]].all(), "a field of four values has no sixth"
    for measured in (output.nll, output.hit, output.top5, output.confidence):
        assert not measured[~batch.scored].any()


def test_hits_and_ranks_by_hand(make):
    data = schema(())
    net = make(data)
    batch = random_batch(data)
    with torch.no_grad():
        net.heads.weight_Ud.zero_()
        bias = torch.arange(net.heads.bias_U.numel()).float()
        net.heads.bias_U.copy_(bias)
    output = net.evaluate(batch)
    rank = (
        torch.tensor([field.size for field in data.fields])[list(data.dynamic)] - 1 - batch.target[:, 1:, [0, 1, 3, 4]]
    )
    known = (batch.target[:, 1:, [0, 1, 3, 4]] > 1) & batch.scored[..., None]
    torch.testing.assert_close(output.hit, (rank == 0) & known)
    torch.testing.assert_close(output.top5, (rank < 5) & known)


@each_option
@each_context
def test_what_comes_later_changes_nothing(make, context_at, options):
    data = schema(context_at=context_at)
    net = make(data, **options).eval()
    batch = possible(random_batch(data, (7, 7, 7)))
    T = 6
    before = net(batch)
    for t in range(T):
        other = possible(random_batch(data, (7, 7, 7), seed=5))
        changed = replace(batch, target=batch.target.clone(), target_gap=batch.target_gap.clone())
        changed.target[:, t + 1 :], changed.target_gap[:, t + 1 :] = (
            other.target[:, t + 1 :],
            other.target_gap[:, t + 1 :],
        )
        if context_at == "event":
            changed.source, changed.source_length = batch.source.clone(), batch.source_length.clone()
            changed.source[:, t + 1 :] = other.source[:, t + 1 :]
            changed.source_length[:, t + 1 :] = other.source_length[:, t + 1 :]
        after = net(changed)
        torch.testing.assert_close(after[:, :t], before[:, :t], atol=1e-5, rtol=1e-5)
        # target t itself is another one now, and only its own likelihood may tell
        torch.testing.assert_close(net.decode(changed)[:, : t + 1], net.decode(batch)[:, : t + 1], atol=1e-5, rtol=1e-5)


@each_option
@each_context
def test_padding_changes_nothing(make, context_at, options):
    data = schema(context_at=context_at)
    net = make(data, **options).eval()
    batch = possible(random_batch(data, (4, 5, 2)))
    real = torch.arange(5) < batch.target_length[:, None]
    known = torch.arange(data.src_seq_len, 0, -1) <= batch.source_length[..., None]
    rubbish = replace(
        batch,
        source=torch.where(known[..., None], batch.source, events(data, *known.shape).int()),
        source_age=torch.where(known, batch.source_age, 7.0),
        target=torch.where(real[..., None], batch.target, events(data, *real.shape)),
        target_gap=torch.where(real, batch.target_gap, 7.0),
    )
    expected = net(batch)
    torch.testing.assert_close(net(rubbish), expected, atol=1e-5, rtol=1e-5)
    for number, length in enumerate((4, 5, 2)):  # alone, without any padding
        part = slice(number, number + 1)
        cuts = slice(None) if context_at == "window" else slice(length - 1)
        alone = EventBatch(
            source=batch.source[part, cuts],
            source_age=batch.source_age[part, cuts],
            source_length=batch.source_length[part, cuts],
            stream=batch.stream,
            target=batch.target[part, :length],
            target_gap=batch.target_gap[part, :length],
            target_length=batch.target_length[part],
            scored=batch.scored[part, : length - 1],
            sequence_id=batch.sequence_id[part],
        )
        torch.testing.assert_close(net(alone), expected[part, : length - 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("memory", ["last", "full"])
def test_a_context_at_every_event_is_the_context_at_its_own(make, memory):
    data = schema(context_at="event")
    net = make(data, memory=memory).eval()  # one decoder layer: a position reads its own memory only
    batch = random_batch(data, (7, 7))
    expected = net(batch)
    for t in range(6):
        cut = slice(t, t + 1)
        one = replace(
            batch,
            source=batch.source[:, cut],
            source_age=batch.source_age[:, cut],
            source_length=batch.source_length[:, cut],
        )
        torch.testing.assert_close(net(one)[:, t], expected[:, t], atol=1e-5, rtol=1e-5)


def test_sources_matter_and_so_does_their_stream(make):
    data = schema()
    net = make(data)
    batch = random_batch(data, (7, 7, 7))
    batch.source_length[:] = data.src_seq_len
    batch.source[:] = events(data, *batch.source.shape[:-1]).int()
    expected = net(batch)
    swapped = replace(batch, source=batch.source.flip(2), source_age=batch.source_age.flip(2))
    assert (net(swapped) - expected).abs().max() > 1e-4
    reordered = batch.source.clone()
    reordered[:, :, 1], reordered[:, :, 2] = batch.source[:, :, 2], batch.source[:, :, 1]  # two groups of one stream
    ages = batch.source_age.clone()
    ages[:, :, 1], ages[:, :, 2] = batch.source_age[:, :, 2], batch.source_age[:, :, 1]
    assert (net(replace(batch, source=reordered, source_age=ages)) - expected).abs().max() > 1e-5


def test_rows_other_than_the_schemas_own_follow_the_batch(make):
    # benchmarks give every stream two groups; the same row twice is the same vector twice
    data = schema((Stream("own", None), Stream("place", "place")))
    net = make(data)
    batch = random_batch(data)
    twice = replace(
        batch,
        source=batch.source.repeat_interleave(2, 2),
        source_age=batch.source_age.repeat_interleave(2, 2),
        source_length=batch.source_length.repeat_interleave(2, 2),
        stream=torch.tensor([0, 0, 1, 1]),
    )
    once, doubled = (net.remember(b).vector[:, :, 1:] for b in (batch, twice))
    torch.testing.assert_close(doubled, once.repeat_interleave(2, 2), atol=1e-5, rtol=1e-5)


@each_option
@each_context
def test_bfloat16_autocast(make, context_at, options):
    data = schema(context_at=context_at)
    net = make(data, **options)
    batch = possible(random_batch(data))
    expected = net(batch)
    with torch.autocast("cpu", torch.bfloat16):
        nll = net(batch)
        output = net.evaluate(batch)
    assert nll.dtype == output.nll.dtype == output.confidence.dtype == torch.float32
    torch.testing.assert_close(nll, expected, atol=0.1, rtol=0.05)
    nll.mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_nothing_scored_is_no_error(make):
    batch = random_batch(schema())
    batch.scored[:] = False
    for options in OPTIONS.values():
        net = make(schema(), **options)
        nll = net(batch)
        nll.mean().backward()
        assert not nll.any()
        assert not net.evaluate(batch).nll.any()


def test_the_same_seed_builds_the_same_model_and_names_are_stable(make):
    options = OPTIONS["chained, tied, copying"]
    first, second = make(schema(), **options).state_dict(), make(schema(), **options).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {"embedding.value_Vd", "memory.encoder.layers.0.query_key_value.weight", "heads.bias_U"} <= first.keys()
    assert not [name for name in first if "offset" in name or "barred" in name], "derived from the schema"


BAD = {
    "d_model": ({"d_model": 18}, "num_heads"),
    "encoder_layers": ({"encoder_layers": 0}, "model.encoder_layers"),
    "decoder_layers": ({"decoder_layers": 0}, "model.decoder_layers"),
    "memory": ({"memory": "first"}, "last, full"),
    "heads": ({"heads": "free"}, "chained"),
    "width": ({"heads": "chained"}, "model.head_width"),
    "stream attention": ({"memory": "full", "stream_attention": 1}, "model.stream_attention"),
    "copy": ({"copy": ("plaice",)}, "kind, colour, place, gap"),
    "copy static": ({"copy": ("maker",)}, "maker"),
    "impossible field": ({"impossible": {"plaice": ()}}, "kind, colour, place, gap"),
    "impossible value": ({"impossible": {"colour": ("red",)}}, "colour0, colour1"),
    "nothing possible": ({"impossible": {"colour": ("colour0", "colour1")}}, "model.impossible.colour"),
    "order": ({"heads": "chained", "head_width": 4, "order": ("gap", "kind", "size")}, "kind, colour, place, gap"),
    "short order": ({"heads": "chained", "head_width": 4, "order": ("gap", "kind")}, "colour, place"),
    "double order": (
        {"heads": "chained", "head_width": 4, "order": ("gap", "kind", "colour", "place", "gap")},
        "twice",
    ),
    "dropout": ({"dropout": 1.0}, "dropout"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD.keys())
def test_bad_options_are_named(make, options, said):
    with pytest.raises(ConfigError, match=said):
        make(schema(), **options)


def test_every_combination_runs(make):
    for streams, memory, heads, tied in product(((), STREAMS), ("last", "full"), ("independent", "chained"), (0, 1)):
        data = schema(streams)
        net = make(data, memory=memory, heads=heads, head_width=8 * (heads == "chained"), tied=bool(tied), dropout=0.1)
        assert net(random_batch(data)).isfinite().all()
