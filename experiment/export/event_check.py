"""An exported event predictor beside the model that it came from, at sizes with which it was not traced."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnxruntime
import torch

from experiment.export.event_graph import Inputs
from experiment.prediction.inference import chain_of
from models.event_predictor.generation import generate
from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from schemas.events import EventSchema

RUBBISH = 10**6
"""Stands at padding, far beyond every table."""


def traced_size(schema: EventSchema) -> tuple[int, int, int]:
    """Windows, events and past events a source row of the batch that is traced."""
    return 3, min(4, schema.tgt_seq_len), min(3, schema.src_seq_len)


def checked_sizes(schema: EventSchema) -> list[tuple[int, int, int]]:
    """The same of the batches that are tried, up to the longest that the run reads."""
    most, past = schema.tgt_seq_len, schema.src_seq_len
    return list(dict.fromkeys([(1, 1, 1), (4, min(2, most), past), (1, most, 1), (2, most, past)]))


def differences(
    session: onnxruntime.InferenceSession, net: EventPredictor, temperature_D: Sequence[float]
) -> dict[tuple[int, int, int], float]:
    """(windows, events, past events) -> the largest difference of a probability."""
    return {size: difference(session, net, temperature_D, size) for size in checked_sizes(net.schema)}


def difference(
    session: onnxruntime.InferenceSession,
    net: EventPredictor,
    temperature_D: Sequence[float],
    size: tuple[int, int, int],
) -> float:
    """Between the file and what `generate` takes the next event from.

    Infinite where the file cannot be run, NaN where either of them gives one.
    """
    batch = random_windows(net.schema, *size)
    # Not drawn: NaN is no distribution to draw from, and it is the comparison that must find it.
    drawn = generate(net, batch, 1, greedy=True)
    chosen_BD = drawn.values[:, 0][:, list(net.schema.dynamic)] if chain_of(net) else None
    given = inputs_of(_with_rubbish(batch), chosen_BD)
    try:
        found = session.run(None, {name: tensor.numpy() for name, tensor in given.given.items()})
    except Exception:  # onnxruntime's errors have no class of their own above them
        return float("inf")
    pairs = zip(drawn.first, temperature_D, strict=True)
    expected = [(p_BV.log() / temperature).softmax(dim=1).numpy() for p_BV, temperature in pairs]
    if any(a.shape != b.shape for a, b in zip(found, expected, strict=True)):
        return float("inf")
    # Not `max`, which may pass over NaN.
    return float(np.max([np.abs(a - b).max() for a, b in zip(found, expected, strict=True)]))


def inputs_of(batch: EventBatch, chosen: torch.Tensor | None = None) -> Inputs:
    """The graph's inputs for windows without an event after them."""
    sources = {name: getattr(batch, name) for name in ("source", "source_age", "source_length")}
    known = sources if len(batch.stream) else {}
    return Inputs(batch.target, batch.target_gap, batch.target_length, chosen=chosen, **known)


def random_windows(schema: EventSchema, windows: int, events: int, past: int) -> EventBatch:
    """Windows of uneven lengths, the first of all events, each with a source at every cut-off."""
    rng = torch.Generator().manual_seed(windows * 1000 + events)
    sizes_F = torch.tensor([field.size for field in schema.fields])

    def some_events(*shape: int) -> torch.Tensor:
        return 1 + (torch.rand(*shape, len(sizes_F), generator=rng) * (sizes_F - 1)).long()

    length = torch.randint(1, events + 1, (windows,), generator=rng)
    length[0] = events
    real_BT = torch.arange(events) < length[:, None]
    cut_offs, rows = 1 if schema.context_at == "window" else events, len(schema.row_streams)
    source_length = torch.randint(0, past + 1, (windows, cut_offs, rows), generator=rng)
    source_length[..., :1].clamp_(min=1)
    real = torch.arange(past, 0, -1) <= source_length[..., None]
    return EventBatch(
        source=(some_events(windows, cut_offs, rows, past) * real[..., None]).int(),
        source_age=15 * torch.rand(real.shape, generator=rng) * real,
        source_length=source_length,
        stream=torch.tensor(schema.row_streams, dtype=torch.int64),
        target=some_events(windows, events) * real_BT[..., None],
        target_gap=15 * torch.rand(windows, events, generator=rng) * real_BT,
        target_length=length,
        scored=torch.zeros_like(real_BT),
        sequence_id=torch.arange(windows),
    )


def _with_rubbish(batch: EventBatch) -> EventBatch:
    padding_BT = torch.arange(batch.target.shape[1]) >= batch.target_length[:, None]
    padding = torch.arange(batch.source.shape[3], 0, -1) > batch.source_length[..., None]
    return replace(
        batch,
        target=batch.target.masked_fill(padding_BT[..., None], RUBBISH),
        target_gap=batch.target_gap.masked_fill(padding_BT, torch.nan),
        source=batch.source.masked_fill(padding[..., None], RUBBISH),
        source_age=batch.source_age.masked_fill(padding, torch.nan),
    )
