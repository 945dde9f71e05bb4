"""What the heads promise of their distributions. Legend: N events, D dynamic fields, V values of a field."""

from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from conftest import random_batch, schema

from schemas.batches import EventBatch
from schemas.events import EventField, EventSchema

FIELDS = list(schema().dynamic)


def small_schema() -> EventSchema:
    """Three fields, of which all events can be listed: 4 x 3 x 4."""
    fields = tuple(
        EventField(name, tuple(f"{name}{n}" for n in range(values)), "category", "dynamic")
        for name, values in (("a", 3), ("b", 2), ("c", 3))
    )
    return EventSchema(fields, (), 4, 4, "window", None, (1.0,))


def test_independent_heads_are_cross_entropies(make):
    net = make(schema())
    batch = random_batch(schema())
    logits = F.linear(net.decode(batch), net.heads.weight_Ud, net.heads.bias_U)
    for field, of_field in enumerate(logits.split([schema().fields[n].size for n in FIELDS], dim=2)):
        target = batch.target[:, 1:, FIELDS[field]]
        expected = F.cross_entropy(
            of_field[..., 1:].flatten(0, 1), (target - 1).clamp(min=0).flatten(), reduction="none"
        )
        torch.testing.assert_close(net(batch)[..., field], expected.view_as(target) * batch.scored)


@pytest.mark.parametrize("order", [None, ("c", "a", "b")])
@pytest.mark.parametrize("options", [{}, {"copy": ("a", "c")}, {"tied": True}, {"impossible": {"a": ("a1",)}}], ids=str)
def test_the_probabilities_of_all_events_sum_to_one(make, order, options):
    data = small_schema()
    net = make(data, heads="chained", head_width=8, order=order, **options).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
        every = torch.tensor(list(product(range(1, 5), range(1, 4), range(1, 5))))
        one = random_batch(data, (4,))
        B = len(every)
        batch = EventBatch(
            **{
                name: value if name == "stream" else value.expand(B, *value.shape[1:]).clone()
                for name, value in vars(one).items()
            }
        )
        batch.target[:, 3] = every
        log_p = -net(batch)[:, 2].sum(1)
    assert log_p.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    if "impossible" in options:
        assert (log_p[every[:, 0] == 3] == -torch.inf).all()


@pytest.mark.parametrize("order", [None, ("place", "colour", "gap", "kind")])
def test_a_field_sees_the_fields_before_it_alone(make, order):
    net = make(schema(), heads="chained", head_width=8, order=order)
    names = order or ("gap", "kind", "colour", "place")
    event = random_batch(schema(), (7, 7)).target[:, 1:, FIELDS].flatten(0, 1)
    rank = [names.index(name) for name in schema().dynamic_names]
    offset = torch.tensor([0, *(schema().fields[n].size for n in FIELDS[:-1])]).cumsum(0)
    for field, its_rank in enumerate(rank):
        net.zero_grad()
        net.heads.states(torch.randn(len(event), 16), event)[field].square().sum().backward()
        for other, other_rank in enumerate(rank):
            read = net.heads.states.earlier_Vd.grad[event[:, other] + offset[other]].any().item()
            assert read == (other_rank < its_rank), (field, other)


def test_one_field_at_a_time_equals_all_at_once(make):
    net = make(schema(), heads="chained", head_width=8)
    states = net.heads.states
    event = random_batch(schema(), (7, 7)).target[:, 1:, FIELDS].flatten(0, 1)
    h = torch.randn(len(event), 16)
    expected, prefix = states(h, event), torch.zeros_like(h)
    for field in net.heads.order:
        torch.testing.assert_close(states.one(field, h, prefix), expected[field])
        prefix = prefix + states.embed(field, event[:, field])


def test_tied_heads_share_the_embeddings_storage(make):
    net = make(schema(), tied=True)
    weights = [weight for weight, _ in net.heads._output_map(net.embedding)]
    tables = net.embedding.value_Vd.split(net.embedding.sizes)
    for weight, field in zip(weights, FIELDS, strict=True):
        assert weight.data_ptr() == tables[field].data_ptr()
        assert weight.shape == tables[field].shape
    assert not [name for name, _ in net.heads.named_parameters() if "weight" in name]


@pytest.mark.parametrize("heads", [{}, {"heads": "chained", "head_width": 8}], ids=["independent", "chained"])
def test_an_impossible_target_costs_infinitely_much(make, heads):
    impossible = {"place": ("place3",), "colour": ("(unknown)",)}
    net = make(schema(), impossible=impossible, copy=("place", "colour"), **heads).eval()
    batch = random_batch(schema(), (7, 7, 7))
    batch.target[0, 3, 3], batch.target[1, 2, 1] = 5, 1
    batch.target[..., 1].clamp_(min=2)
    batch.target[1, 2, 1] = 1
    batch.target[..., 3] = torch.where(batch.target[..., 3] == 5, 6, batch.target[..., 3])
    batch.target[0, 3, 3] = 5
    for nll in (net(batch), net.evaluate(batch).nll):
        infinite = nll.isinf()
        assert infinite[0, 2, 2]
        assert infinite[1, 1, 1]
        assert infinite.sum() == 2
        assert nll[~infinite].isfinite().all()
    assert not net.evaluate(batch).top5[infinite].any()
    batch.scored[0, 2] = batch.scored[1, 1] = False
    net(batch).mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_a_copied_value_gains_and_the_mixture_is_a_distribution(make):
    data = small_schema()
    net = make(data, copy=("a",), impossible={"a": ("a2",)}).eval()
    pointer = net.heads.pointers[0]
    batch = random_batch(data, (5,))
    batch.target[..., 0] = torch.tensor([2, 2, 4, 2, 3])  # a2 is value 4: seen, but impossible
    batch.scored[:, 1] = False
    with torch.no_grad():
        p = []
        for value in (1, 2, 3):
            target = batch.target.clone()
            target[0, 4, 0] = value
            p.append((-net(replace(batch, target=target))[0, 3, 0]).exp())
        assert sum(p).item() == pytest.approx(1.0, abs=1e-5)
        pointer.gate.bias.fill_(30.0)  # nothing but copying: the window's possible values are all 2
        assert net(batch)[0, 2, 0].item() == pytest.approx(0.0, abs=1e-5)
        assert net(batch)[0, 3, 0].item() > 10


def test_copying_has_no_share_where_nothing_can_be_copied(make):
    data = small_schema()
    net = make(data, copy=("a",), impossible={"a": ("a2",)}).eval()
    batch = random_batch(data, (3,))
    batch.target[..., 0] = torch.tensor([4, 2, 3])
    with torch.no_grad():
        net.heads.pointers[0].gate.bias.fill_(30.0)
        with_copy = net(batch)[0, 0, 0]
        net.heads.pointers = net.heads.pointers[:0]
        torch.testing.assert_close(with_copy, net(batch)[0, 0, 0])


def test_chained_with_one_field_is_that_field_alone(make):
    fields = (EventField("a", ("x", "y"), "category", "dynamic"),)
    data = EventSchema(fields, (), 4, 4, "window", None, (1.0,))
    net = make(data, heads="chained", head_width=8)
    net(random_batch(data, (5, 5))).mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
