"""From a trained run of clips to one ONNX file that needs no code of ours.

Nothing of the exporter is taken on trust: the file is run beside the model at sizes it was not traced with, and is not
written where the two differ. What the graph holds stands in `onnx_graph.py`.
Legend: B clips, T frames, V joints, C coordinates, E extra channels, K classes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from datamodules.skeletons.features import count_channels
from experiment.export_request import Request
from experiment.inference import ClipInference
from experiment.loading import LoadedRun, load_run
from experiment.onnx_check import differences, open_session, random_clips
from experiment.onnx_graph import RawClips, traced
from experiment.own_temperature import own_temperature
from models.gcn_lstm.classifier import GCNLSTM
from schemas.clips import ClipSchema
from schemas.errors import ConfigError
from storage import atomic

TRACED = (3, 7)
"""Clips and frames of the batch that is traced, of uneven lengths."""
TOLERANCE = 1e-4
"""The largest difference of a logit or a probability."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    inputs: tuple[str, ...]
    """Each with its type and shape."""
    differences: dict[tuple[int, int], float]
    """(clips, frames) -> the largest difference from the model."""
    metadata: dict[str, str]
    """As it stands in the file; lists are JSON."""
    size: int
    """Bytes."""

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.size:,} bytes, {len(json.loads(self.metadata['classes']))} classes", "reads"]
        lines += [f"  {each}" for each in self.inputs]
        lines += [f"preprocessing: {self.metadata['preprocessing']}", "largest difference from the model"]
        lines += [
            f"  {clips} clips of up to {frames} frames: {d:.1e}" for (clips, frames), d in self.differences.items()
        ]
        origin = self.metadata.get("temperature_from", "as asked for")
        return "\n".join([*lines, f"temperature: {self.metadata['temperature']} ({origin})"])


def export_run(request: Request) -> Exported:
    """Opens a run and exports it, at the temperature that is asked for or that its own evaluation has fitted."""
    run = load_run(request.run, request.trust, request.checkpoint)
    temperature, origin = request.temperature, "as asked for"
    if temperature is None:
        origin = "no evaluation of this checkpoint on its own data, so that the probabilities are uncalibrated"
        if (fitted := own_temperature(run)) is not None:
            temperature, origin = fitted[0], f"evaluation {fitted[1].name}"
    return export_onnx(run, request.output, request.coordinates, temperature, {"temperature_from": origin})


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
        ConfigError: the run is of events, its net cannot be exported, or the file differs from the model.
    """
    inference = inference_of(run)
    coordinates, extra = count_inputs(run, inference.channels, coordinates)
    graph = RawClips(run.model, inference.preprocess, inference.frames, temperature or 1.0).eval()
    shapes = (run.schema.skeleton.num_joints, coordinates, extra)
    model = onnx.load_from_string(traced(graph, random_clips(*TRACED, *shapes), run.path))
    metadata = describe(run, inference, coordinates, extra, temperature) | dict(facts or {})
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    session = open_session(content)
    found = differences(session, inference, shapes, temperature or 1.0)
    # Not `max(...) >= TOLERANCE`: NaN is no agreement.
    if not all(each < TOLERANCE for each in found.values()):
        said = ", ".join(f"{clips} x {frames}: {each:.1e}" for (clips, frames), each in found.items())
        what = f"the exported graph differs from the model by {TOLERANCE:g} or more (clips x frames: {said})"
        raise ConfigError(what, where=run.path, remedy="Nothing was written. Use predict.py for this run.")
    atomic.write_bytes(path, content)
    inputs = tuple(f"{each.name} {each.type} {each.shape}" for each in session.get_inputs())
    return Exported(path, inputs, found, metadata, len(content))


def inference_of(run: LoadedRun) -> ClipInference:
    """What the file is held against, in float32 as the graph; raises ConfigError for a run that has no graph."""
    if not isinstance(run.schema, ClipSchema):
        remedy = "What its net reads are windows that our own code gathers from a log; `predict.py` does both."
        raise ConfigError("a run of events cannot be exported", where=run.path, remedy=remedy)
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
    git = run.provenance.get("git")
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
        "run": run.path.parent.parent.name if run.path.parent.name == "checkpoints" else run.path.stem,
        "checkpoint": run.path.name,
        "epochs": str(run.epoch),
        "commit": str(git.get("commit")) if isinstance(git, dict) else "unknown",
    }
