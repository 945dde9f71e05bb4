"""Small schemas, batches of random events and models built on them.

Legend: B windows, T input events, C cut-offs, R source rows, L events a row, F fields.
"""

import math
from collections.abc import Callable

import pytest
import torch

from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from schemas.events import EventField, EventSchema, Stream

DEFAULTS = {
    "d_model": 16,
    "num_heads": 4,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "feed_forward": 32,
    "memory": "last",
    "heads": "independent",
    "order": None,
    "head_width": 0,
    "tied": False,
    "copy": (),
    "impossible": {},
    "stream_attention": 0,
    "dropout": 0.0,
}
STREAMS = (Stream("own", None), Stream("kind", "kind", groups="all"), Stream("place", "place"))


def schema(streams: tuple[Stream, ...] = STREAMS, context_at: str = "window", src: int = 5, tgt: int = 6):
    """Five fields: two small ones, a static one, one of 20 values and the gap's bins."""
    fields = tuple(
        EventField(name, tuple(f"{name}{n}" for n in range(values)), kind, role)
        for name, values, kind, role in (
            ("kind", 3, "category", "dynamic"),
            ("colour", 2, "category", "dynamic"),
            ("maker", 4, "id", "static"),
            ("place", 20, "id", "dynamic"),
            ("gap", 6, "gap", "dynamic"),
        )
    )
    gaps = tuple(0.5 * value for value in range(fields[-1].size))
    return EventSchema(fields, streams, src, tgt, context_at, "gap", gaps)


def events(schema: EventSchema, *shape: int, least: int = 1) -> torch.Tensor:
    """[..., F] random values, never PAD."""
    return torch.stack([torch.randint(least, field.size, shape) for field in schema.fields], dim=-1)


def random_batch(schema: EventSchema, lengths: tuple[int, ...] = (7, 4, 2, 6), seed: int = 0, least: int = 1):
    """Windows of these lengths with ragged sources, one of them with none at all; every target is scored."""
    torch.manual_seed(seed)
    B, T, L, R = len(lengths), max(lengths) - 1, schema.src_seq_len, len(schema.row_streams)
    C = 1 if schema.context_at == "window" else T
    length = torch.tensor(lengths)
    source_length = torch.randint(0, L + 1, (B, C, R))
    if R:
        source_length[0, :, 0], source_length[1] = L, 0
    known = torch.arange(L, 0, -1) <= source_length[..., None]
    real = torch.arange(T + 1) < length[:, None]
    return EventBatch(
        source=(events(schema, B, C, R, L) * known[..., None]).int(),
        source_age=torch.rand(B, C, R, L) * 10 * known,
        source_length=source_length,
        stream=torch.tensor(schema.row_streams, dtype=torch.int64),
        target=events(schema, B, T + 1, least=least) * real[..., None],
        target_gap=torch.rand(B, T + 1) * 10 * real,
        target_length=length,
        scored=real[:, 1:].clone(),
        sequence_id=torch.arange(B),
    )


@pytest.fixture
def make() -> Callable[..., EventPredictor]:
    """make(schema, **options): a small model with the same weights each time."""

    def make(schema: EventSchema, **options) -> EventPredictor:
        torch.manual_seed(1)
        return EventPredictor(schema, **{**DEFAULTS, **options})

    return make


def mean_log_cardinality(schema: EventSchema) -> float:
    """Nats a field of a uniform guess."""
    return sum(math.log(schema.fields[n].cardinality) for n in schema.dynamic) / len(schema.dynamic)
