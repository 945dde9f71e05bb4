"""From a trained run of clips to one ONNX file that needs no code of ours.

Nothing of the exporter is taken on trust: the file is run beside the model at sizes it was not traced with, and is not
written where the two differ. What the graph holds stands in `onnx_graph.py`.
Legend: B clips, T frames, V joints, C coordinates, E extra channels, K classes.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import onnx

from datamodules.skeletons.features import count_channels
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.evaluation.own_temperature import own_temperature, own_temperatures
from experiment.export.event_file import export_events
from experiment.export.exported import Exported, origin_of, write_checked
from experiment.export.onnx_check import differences, random_clips
from experiment.export.onnx_graph import RawClips, traced
from experiment.export.request import OF_CLIPS, Request
from experiment.prediction.inference import ClipInference
from models.gcn_lstm.classifier import GCNLSTM
from schemas.errors import ConfigError
from schemas.events import EventSchema

TRACED = (3, 7)
"""Clips and frames of the batch that is traced, of uneven lengths."""


def export_run(request: Request) -> Exported:
    """Opens a run and exports it, at the temperature that is asked for or its own evaluation has fitted.

    Raises:
        ConfigError: it cannot be exported, or an option has no meaning for it.
    """
    run = load_run(request.run, request.trust, request.checkpoint)
    of_events = isinstance(run.schema, EventSchema)
    if of_events:
        request.refuse(OF_CLIPS, "events")
    temperature, origin = request.temperature, "as asked for"
    if temperature is None:
        origin = "no evaluation of this checkpoint on its own data, so that the probabilities are uncalibrated"
        if (fitted := own_temperatures(run) if of_events else own_temperature(run)) is not None:
            temperature, origin = fitted[0], f"evaluation {fitted[1].name}"
    facts = {"temperature_from": origin}
    if of_events:
        return export_events(run, request.output, temperature, facts)
    return export_onnx(run, request.output, request.coordinates, temperature, facts)


def export_onnx(
    run: LoadedRun,
    path: Path,
    coordinates: int | None = None,
    temperature: float | None = None,
    facts: Mapping[str, str] | None = None,
) -> Exported:
    """Writes a run's classifier to one ONNX file, checked; an older file stays unless the new one is right.

    The graph reads joints [B, T, V, C] float32 in raw coordinates (NaN: not seen), visible [B, T, V] bool, length [B]
    int64 and, where the run has them, extra [B, T, E] float32, and gives logits and probabilities [B, K] float32.
    B and T are free; clips may be of uneven lengths, and what stands behind a clip's length is never read.

    Args:
        run: a run of clips.
        coordinates: C; None: 3 or 2, whichever makes the run's channels without extra ones.
        temperature: what the logits are divided by before the softmax; None: 1, and the metadata call it unknown.
        facts: more lines of the metadata.

    Raises:
        ConfigError: its net cannot be exported, or the file differs from the model.
    """
    inference = inference_of(run)
    coordinates, extra = count_inputs(run, inference.channels, coordinates)
    graph = RawClips(run.model, inference.preprocess, inference.frames, temperature or 1.0).eval()
    shapes = (run.schema.skeleton.num_joints, coordinates, extra)
    model = onnx.load_from_string(traced(graph, random_clips(*TRACED, *shapes), run.path))
    metadata = describe(run, inference, coordinates, extra, temperature) | dict(facts or {})
    return write_checked(
        model,
        metadata,
        lambda session: differences(session, inference, shapes, temperature or 1.0),
        path,
        run.path,
        holds=f"{run.schema.num_classes} classes",
        sizes="{} clips of up to {} frames",
    )


def inference_of(run: LoadedRun) -> ClipInference:
    """What the file is held against, in float32 as the graph; raises ConfigError for a net that has no graph."""
    if type(run.model) is not GCNLSTM:
        kind = f"{type(run.model).__module__}.{type(run.model).__qualname__}"
        raise ConfigError(f"a net of the class {kind} cannot be exported", where=run.path, remedy="A GCNLSTM can.")
    inference = ClipInference(run, "cpu")
    inference.precision = None
    return inference


def count_inputs(run: LoadedRun, channels: list[str], asked: int | None) -> tuple[int, int]:
    """Coordinates and extra channels, of which a checkpoint stores only what they make together.

    Raises:
        ConfigError: they cannot be told, or those that are asked for do not make the run's channels.
    """
    total = run.schema.channels
    extra = {c: total - count_channels(channels, c, 0) for c in ((3, 2) if asked is None else (asked,))}
    fitting = [(c, e) for c, e in extra.items() if e >= 0]
    if not fitting:
        what = f"no {asked or '3 or 2'} coordinates make the run's {total} channels ({', '.join(channels)})"
        raise ConfigError(what, where="coordinates", remedy="Give the number of coordinates that its data had.")
    plain = [(c, e) for c, e in fitting if e == 0]
    if len(fitting) == 1 or len(plain) == 1:
        return (plain or fitting)[0]
    cases = " or ".join(f"{c} coordinates and {e} extra" for c, e in fitting)
    raise ConfigError(f"its {total} channels are {cases}", where="coordinates", remedy="Say coordinates=3, or 2.")


def describe(
    run: LoadedRun, inference: ClipInference, coordinates: int, extra: int, temperature: float | None
) -> dict[str, str]:
    """What whoever runs the file must know of it."""
    skeleton, frames = run.schema.skeleton, inference.frames
    steps = ["in the graph: moves each clip's centre to the origin and makes its scale 1"]
    steps += [f"reads it at {frames} even moments"] if frames is not None else []
    steps += [f"derives the channels {', '.join(inference.channels)}"]
    return {
        "classes": json.dumps(list(run.schema.classes)),
        "joints": json.dumps(list(skeleton.joints)),
        "layout": skeleton.name,
        "up": skeleton.up,
        "coordinates": str(coordinates),
        "extra_channels": str(extra),
        "channels": json.dumps(inference.channels),
        "frames": "null" if frames is None else str(frames),
        "preprocessing": f"{', '.join(steps)}; a joint that is NaN or not visible was not seen",
        "temperature": "unknown" if temperature is None else repr(temperature),
    } | origin_of(run)
