"""The event embedding against its definition. Legend: L events a row."""

import pytest
import torch
from conftest import random_batch, schema

from models.event_predictor.embedding import LOG_SECONDS, EventEmbedding, sum_of_rows


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_the_gradient_of_summed_rows(dtype):
    torch.manual_seed(0)
    table = torch.randn(11, 4, requires_grad=True)
    index = torch.randint(0, 9, (20, 3), dtype=dtype)  # rows 9 and 10 are never read
    ours = sum_of_rows(table, index)
    torch.testing.assert_close(ours, table[index].sum(1))
    weight = torch.randn_like(ours)
    (gradient,) = torch.autograd.grad((ours * weight).sum(), table)
    (expected,) = torch.autograd.grad((table[index].sum(1) * weight).sum(), table)
    torch.testing.assert_close(gradient, expected)
    assert not gradient[9:].any()


@pytest.fixture
def embedding() -> EventEmbedding:
    torch.manual_seed(0)
    return EventEmbedding(schema(context_at="event"), 8)


def values(embedding: EventEmbedding, event: torch.Tensor) -> torch.Tensor:
    """The sum of the event's rows, field by field."""
    tables = embedding.value_Vd.split(embedding.sizes)
    return sum(table[event[..., field].long()] for field, table in enumerate(tables))


def test_source_positions_count_back_from_the_newest(embedding):
    batch = random_batch(schema(context_at="event"))
    L = batch.source.shape[3]
    position = embedding.source_position_Ld[torch.arange(L - 1, -1, -1)]
    age = batch.source_age[..., None] / LOG_SECONDS * embedding.source_age_1d
    expected = (values(embedding, batch.source) + position + age).flatten(0, 1).transpose(0, 1)
    ours = embedding.sources(batch.source.flatten(0, 1), batch.source_age.flatten(0, 1))
    torch.testing.assert_close(ours, expected)


def test_target_positions_count_from_the_start(embedding):
    batch = random_batch(schema(context_at="event"))
    event, gap = batch.target[:, :-1], batch.target_gap[:, :-1]
    x = embedding.targets(event, gap)
    expected = values(embedding, event) + gap[..., None] / LOG_SECONDS * embedding.target_gap_1d
    torch.testing.assert_close(x, expected + embedding.target_position_Td[: event.shape[1]])
    later = embedding.targets(event[:, 2:3], gap[:, 2:3], torch.full((len(event), 1), 2))
    torch.testing.assert_close(later, x[:, 2:3])
