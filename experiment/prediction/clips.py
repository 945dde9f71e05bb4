"""The likeliest classes of clips, a row a clip, as a job that `file` carries out.

Legend: B clips, K classes.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from datamodules.skeletons.features import count_channels
from experiment.checkpoints.loading import LoadedRun
from experiment.evaluation.own_temperature import own_temperature
from experiment.prediction.file import Job
from experiment.prediction.in_memory import Predictions
from experiment.prediction.inference import ClipInference
from experiment.prediction.input import ClipInput, open_clips
from experiment.prediction.request import OF_EVENTS, Request
from schemas.batches import ClipBatch
from schemas.errors import DataError
from storage import fingerprint


def clip_job(run: LoadedRun, request: Request) -> Job:
    """What `predict.py` does with a run of clips.

    Raises:
        ConfigError, DataError: the clips are not what the run reads, or an option has no meaning.
    """
    request.refuse(OF_EVENTS, "clips")
    inference, clips = ClipInference(run), open_clips(request, run.schema.skeleton)
    _refuse_other_channels(inference, clips, request)
    temperature, said = _temperature(run, request)
    top = min(request.top, run.schema.num_classes)
    facts = {
        "task": "clips",
        "checkpoint": fingerprint.of_file(run.path),
        "input": clips.fingerprint,
        "options": repr((request.format, request.options)),
        "temperature": temperature,
        "top": top,
    }

    def tables(first: int) -> Iterator[pa.Table]:
        for names, batch in clips.batches(first * request.batch_size, request.batch_size):
            probabilities = (inference.logits(batch) / (temperature or 1.0)).softmax(dim=1)
            yield _rows(names, batch, Predictions(probabilities.numpy(), run.schema.classes), top)

    schema = _columns(top, {"run": str(request.run), **facts})
    return Job(facts, schema, clips.total, request.batch_size, tables, [said, *clips.notes])


def _refuse_other_channels(inference: ClipInference, clips: ClipInput, request: Request) -> None:
    given = count_channels(inference.channels, clips.coordinates, clips.extra)
    if given != inference.schema.channels:
        what = f"its {clips.coordinates} coordinates a joint and {clips.extra} extra channels make {given} channels"
        raise DataError(f"{what}, the run was trained on {inference.schema.channels}", where=request.input)


def _temperature(run: LoadedRun, request: Request) -> tuple[float | None, str]:
    """What the logits are divided by, and how a person is told."""
    if request.temperature is not None:
        return request.temperature, f"probabilities at temperature {request.temperature:g}, as asked for"
    found = own_temperature(run)
    if found is None:
        return None, (
            "probabilities are not calibrated: no evaluation of this checkpoint on its own data has fitted a "
            f"temperature (`python evaluate.py run={request.run}` does)"
        )
    return found[0], f"probabilities are calibrated: temperature {found[0]:.3f} of the evaluation {found[1].name}"


def _columns(top: int, facts: dict) -> pa.Schema:
    likeliest = [
        column
        for place in range(1, top + 1)
        for column in (pa.field(f"class {place}", pa.string()), pa.field(f"probability {place}", pa.float32()))
    ]
    columns = [
        pa.field("clip", pa.string()),
        *likeliest,
        pa.field("frames", pa.int32()),
        pa.field("missing", pa.float32()),
    ]
    return pa.schema(columns, {key: str(value) for key, value in facts.items()})


def _rows(names: list[str], batch: ClipBatch, predictions: Predictions, top: int) -> pa.Table:
    """A clip of which nothing was seen has no prediction, whatever the net says of it."""
    real_BT = torch.arange(batch.visible.shape[1]) < batch.length[:, None]
    seen_B = (batch.visible & real_BT[..., None]).sum(dim=(1, 2)).numpy()
    predictions.probabilities[seen_B == 0] = np.nan
    joints_B = batch.length.numpy() * batch.visible.shape[2]
    frame = predictions.to_pandas(top)
    frame.insert(0, "clip", pd.Series(list(names), dtype=object))
    frame["frames"], frame["missing"] = batch.length.numpy(), 1 - seen_B / joints_B
    return pa.Table.from_pandas(frame, _columns(top, {}), preserve_index=False)
