"""Generation against the model's own likelihoods. Legend: B windows, n generated events, D dynamic fields."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import random_batch, schema

from models.event_predictor.generation import generate
from schemas.batches import EventBatch
from schemas.events import EventField, EventSchema

NO_UNK = {name: ("(unknown)",) for name in schema().dynamic_names}
OPTIONS = {
    "independent": {},
    "chained": {"heads": "chained", "head_width": 8},
    "copying": {"copy": ("place", "gap")},
    "chained, tied, copying": {"heads": "chained", "head_width": 8, "tied": True, "copy": ("place",)},
    "deep": {"decoder_layers": 3, "memory": "full"},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
each_context = pytest.mark.parametrize("context_at", ["window", "event"])


def noisy(net):
    """Weights large enough that predictions differ from event to event."""
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return net.eval()


def continued(batch: EventBatch, generated, data: EventSchema) -> EventBatch:
    """The histories and what was generated after them, as one batch to be read from scratch."""
    n = generated.values.shape[1]
    target, gap = F.pad(batch.target, (0, 0, 0, n)), F.pad(batch.target_gap, (0, n))
    scored = torch.zeros(target.shape[0], target.shape[1] - 1, dtype=torch.bool)
    typical = torch.tensor(data.typical_gaps)
    for window, length in enumerate(batch.target_length.tolist()):
        target[window, length : length + n] = generated.values[window]
        gap[window, length : length + n] = typical[generated.values[window, :, data.number("gap")]]
        scored[window, length - 1 : length - 1 + n] = True
    sources = {name: getattr(batch, name) for name in ("source", "source_age", "source_length")}
    if data.context_at == "event":  # every event after the history keeps the memory of the last
        cut = torch.arange(target.shape[1] - 1).minimum(batch.target_length[:, None] - 1)
        cut = cut.clamp(max=batch.source.shape[1] - 1)
        sources = {name: value[torch.arange(len(cut))[:, None], cut] for name, value in sources.items()}
    return replace(
        batch, target=target, target_gap=gap, scored=scored, target_length=batch.target_length + n, **sources
    )


def histories(data: EventSchema, lengths: tuple[int, ...], seed: int = 0) -> EventBatch:
    """Windows whose last event has sources, one of which has none anywhere."""
    batch = random_batch(data, lengths, seed)
    if data.context_at == "event":
        cut = (batch.target_length - 1).clamp(max=batch.source.shape[1] - 1)
        batch.source_length[torch.arange(len(lengths)), cut, 0] = 1
        batch.source_length[1] = 0
    return batch


@each_option
@each_context
@pytest.mark.parametrize("greedy", [True, False], ids=["greedy", "sampled"])
def test_cached_steps_equal_reading_everything_anew(make, context_at, options, greedy):
    data = schema(context_at=context_at, tgt=12)
    net = noisy(make(data, impossible=NO_UNK, **options))
    batch = histories(data, (7, 4, 1, 6))
    generated = generate(net, batch, 5, greedy, torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = net.evaluate(continued(batch, generated, data))
    for window, length in enumerate(batch.target_length.tolist()):
        expected = (-output.nll[window, length - 1 : length + 4]).exp()
        torch.testing.assert_close(generated.probability[window], expected, atol=1e-5, rtol=1e-4)
        if greedy:
            confidence = output.confidence[window, length - 1 : length + 4]
            torch.testing.assert_close(generated.probability[window], confidence, atol=1e-5, rtol=1e-4)


@each_context
def test_a_full_window_keeps_its_newest_half(make, context_at):
    data = schema(context_at=context_at, tgt=6)
    net = noisy(make(data, impossible=NO_UNK, heads="chained", head_width=8, copy=("place",)))
    batch = histories(data, (6, 3, 7))
    generated = generate(net, batch, 12, False, torch.Generator().manual_seed(0))
    whole = continued(batch, generated, data)
    for window, length in enumerate(batch.target_length.tolist()):
        start = max(0, length - 6)
        for step in range(12):
            if length + step - start > 6:
                start = length + step - 3
            seen = slice(start, length + step + 1)  # what is read and, last, what is predicted
            cuts = slice(None) if context_at == "window" else slice(seen.start, seen.stop - 1)
            alone = EventBatch(
                source=whole.source[[window], cuts],
                source_age=whole.source_age[[window], cuts],
                source_length=whole.source_length[[window], cuts],
                stream=whole.stream,
                target=whole.target[[window], seen],
                target_gap=whole.target_gap[[window], seen],
                target_length=torch.tensor([seen.stop - seen.start]),
                scored=torch.ones(1, seen.stop - seen.start - 1, dtype=torch.bool),
                sequence_id=torch.tensor([window]),
            )
            with torch.no_grad():
                expected = (-net(alone)[0, -1]).exp()
            torch.testing.assert_close(generated.probability[window, step], expected, atol=1e-5, rtol=1e-4)


def test_the_same_seed_gives_the_same_events(make):
    net = noisy(make(schema(), heads="chained", head_width=8))
    batch = histories(schema(), (5, 3))
    runs = [generate(net, batch, 20, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(runs[0].values, runs[1].values)
    assert torch.equal(runs[0].probability, runs[1].probability)
    assert not torch.equal(runs[0].values, runs[2].values)
    greedy = [generate(net, batch, 20, greedy=True, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    assert torch.equal(greedy[0].values, greedy[1].values)


@each_option
def test_nothing_impossible_is_ever_generated(make, options):
    impossible = {"place": tuple(f"place{n}" for n in range(17)), "kind": ("kind1",)}
    net = noisy(make(schema(), impossible=impossible, **options))
    batch = histories(schema(), (5, 3, 7) * 10)
    values = generate(net, batch, 30, generator=torch.Generator().manual_seed(0)).values
    assert (values[..., list(schema().dynamic)] > 1).all(), "neither PAD nor UNK"
    assert (values[..., 3] >= 19).all()
    assert (values[..., 0] != 3).all()
    assert (values < torch.tensor([field.size for field in schema().fields])).all()


def test_drawn_as_often_as_said(make):
    net = noisy(make(schema(())))
    batch = random_batch(schema(()), (4,))
    many = EventBatch(
        **{k: v if k == "stream" else v.expand(4000, *v.shape[1:]).contiguous() for k, v in vars(batch).items()}
    )
    generated = generate(net, many, 1, generator=torch.Generator().manual_seed(0))
    for field, number in enumerate(schema().dynamic):
        for value in generated.values[:, 0, number].unique():
            drawn = generated.values[:, 0, number] == value
            said = generated.probability[drawn, 0, field]
            assert said.std() < 1e-5 or len(said) == 1
            assert drawn.float().mean().item() == pytest.approx(said[0].item(), abs=0.04)


def test_static_fields_and_dropout_stay_as_they_are(make):
    net = noisy(make(schema(), dropout=0.5)).train()
    batch = histories(schema(), (5, 3))
    first, second = (generate(net, batch, 9, greedy=True) for _ in range(2))
    assert net.training
    torch.testing.assert_close(first.probability, second.probability)
    last = batch.target[torch.arange(2), batch.target_length - 1, 2]
    assert (first.values[..., 2] == last[:, None]).all()


def test_a_cut_off_without_sources_falls_back_to_the_one_before(make):
    data = schema(context_at="event")
    net = noisy(make(data))
    batch = random_batch(data, (4, 7))  # a loader has no sources for cut-offs at which nothing is predicted
    batch.source_length[0, 2], batch.source_length[0, 3:] = 3, 0
    given = replace(batch, source=batch.source.clone(), source_age=batch.source_age.clone())
    given.source[0, 3], given.source_age[0, 3] = batch.source[0, 2], batch.source_age[0, 2]
    given.source_length = batch.source_length.clone()
    given.source_length[0, 3] = 3
    p, expected = (generate(net, each, 3, greedy=True).probability[0] for each in (batch, given))
    torch.testing.assert_close(p, expected)


def test_a_field_that_knows_nothing_is_generated_as_unknown(make):
    fields = (EventField("a", ("x", "y"), "category", "dynamic"), EventField("b", (), "id", "dynamic"))
    data = EventSchema(fields, (), 4, 4, "window", None, ())
    generated = generate(make(data), random_batch(data, (3, 2)), 6, generator=torch.Generator().manual_seed(0))
    assert (generated.values[..., 1] == 1).all()
    assert (generated.values[..., 0] > 1).all()
    assert generate(make(data), random_batch(data, (3, 2)), 0).values.shape == (2, 0, 2)
