"""From a trained run of events to one ONNX file that needs no code of ours, compared before it is kept.

Legend: B windows, D dynamic fields, V values of one field.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch

from experiment.checkpoints.loading import LoadedRun
from experiment.export.event_check import differences, inputs_of, random_windows, traced_size
from experiment.export.event_graph import Inputs, NextEvent, simple_functions
from experiment.export.exported import Exported, origin_of, write_checked
from experiment.export.onnx_graph import OPSET, as_the_exporter_needs_it, without_its_warnings
from experiment.prediction.inference import chain_of
from models.event_predictor.predictor import EventPredictor
from schemas.errors import ConfigError
from schemas.events import UNK, EventSchema


def export_events(
    run: LoadedRun, path: Path, temperatures: Mapping[str, float] | None = None, facts: Mapping[str, str] | None = None
) -> Exported:
    """Writes a run's event predictor to one ONNX file, checked; an older file stays unless the new one is right.

    The graph reads what `event_graph.Inputs` says and gives `probability_FIELD` [B, V] float32 for every dynamic
    field, of the event after each window, as `predict.py` does.

    Args:
        run: a run of events.
        temperatures: of every dynamic field, in their order; None: 1, and the metadata call them unknown.
        facts: more lines of the metadata.

    Raises:
        ConfigError: its net cannot be exported, or the file differs from the model.
    """
    if type(run.model) is not EventPredictor:
        kind = f"{type(run.model).__module__}.{type(run.model).__qualname__}"
        raise ConfigError(
            f"a net of the class {kind} cannot be exported", where=run.path, remedy="An EventPredictor can."
        )
    batch = random_windows(run.schema, *traced_size(run.schema))
    chosen_BD = torch.ones(batch.size, len(run.schema.dynamic), dtype=torch.int64) if chain_of(run.model) else None
    temperature_D = [1.0] * len(run.schema.dynamic) if temperatures is None else list(temperatures.values())
    return write_checked(
        onnx.load_from_string(traced(run, inputs_of(batch, chosen_BD), temperature_D)),
        describe(run, temperatures) | dict(facts or {}),
        lambda session: differences(session, run.model, temperature_D),
        path,
        run.path,
        holds=f"the next event's {len(run.schema.dynamic)} fields",
        sizes="{} windows of up to {} events, source rows of up to {}",
    )


def traced(run: LoadedRun, inputs: Inputs, temperature_D: Sequence[float]) -> bytes:
    """The graph as ONNX, its sizes free; raises ConfigError for a part that has no ONNX form."""
    given, schema, written = inputs.given, run.schema, io.BytesIO()
    outputs = [f"probability_{name}" for name in schema.dynamic_names]
    axes = inputs.axes(schema) | {name: {0: "windows"} for name in outputs}
    names = {"input_names": list(given), "output_names": outputs, "dynamic_axes": axes}
    graph = NextEvent(run.model, tuple(given), temperature_D).eval()
    try:
        with as_the_exporter_needs_it(), simple_functions(), without_its_warnings():
            torch.onnx.export(graph, tuple(given.values()), written, dynamo=False, opset_version=OPSET, **names)
    except torch.onnx.errors.OnnxExporterError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"a part of its net has no ONNX form ({said})", where=run.path) from error
    return written.getvalue()


def describe(run: LoadedRun, temperatures: Mapping[str, float] | None) -> dict[str, str]:
    """What whoever runs the file must know of it."""
    schema, heads = run.schema, run.model.heads
    fields = [
        {"name": field.name, "kind": field.kind, "role": field.role, "known_later": field.known_later}
        | {"values": [field.name_of(value) for value in range(field.size)]}
        for field in schema.fields
    ]
    cut_off = "the window's first event" if schema.context_at == "window" else "each event of the window"
    later = ", ".join(field.name for field in schema.fields if field.known_later)
    hidden = f", of other sequences' events {later} only where it was known by then (else {UNK})" if later else ""
    return {
        "fields": json.dumps(fields),
        "source_rows": json.dumps(source_rows(schema)),
        "src_seq_len": str(schema.src_seq_len),
        "tgt_seq_len": str(schema.tgt_seq_len),
        "context_at": schema.context_at,
        "heads": "chained" if chain_of(run.model) else "independent",
        "order": json.dumps([schema.dynamic_names[number] for number in heads.order]),
        "temperature": "unknown" if temperatures is None else json.dumps(dict(temperatures)),
        "preprocessing": "none in the graph: an event is the numbers of its fields' values; a window is a sequence's "
        f"newest events, {schema.tgt_seq_len} at most; a source row holds the newest events, {schema.src_seq_len} at "
        f"most, with an earlier time than its cut-off, {cut_off}{hidden}; gaps and ages are log(1 + seconds)",
    } | origin_of(run)


def source_rows(schema: EventSchema) -> list[dict]:
    """Of each source row its stream, the field by which that groups events (None: the own sequence), and the field's
    value whose events the row holds (None: the value of the cut-off event).
    """
    rows, place = [], 0
    for row, number in enumerate(schema.row_streams):
        stream = schema.streams[number]
        place = place + 1 if row and schema.row_streams[row - 1] == number else 0
        value = UNK + place if stream.groups == "all" else None
        rows.append({"stream": stream.name, "key": stream.key, "value": value})
    return rows
