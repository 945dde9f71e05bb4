"""The next events of each sequence of a log, as a job that `file` carries out.

The log is read as the run's own was, with the run's vocabulary: a value that it does not know is UNK. All of it lies in
memory, since every sequence may read the past of all others; the predictions do not.
Legend: S sequences, N events, B sequences of a batch, P events that the decoder reads, F fields, V values of one.
"""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from omegaconf import OmegaConf
from torch import Tensor

from datamodules.events.moments import NEVER
from datamodules.events.sources import FileSource
from datamodules.events.table import EventTable
from datamodules.events.vocabulary import FieldSpec, TableSpec, build_table
from datamodules.events.windows import EventWindows
from experiment.checkpoints.loading import LoadedRun
from experiment.evaluation.own_temperature import own_temperatures
from experiment.prediction.file import Job
from experiment.prediction.inference import EventInference
from experiment.prediction.request import OF_CLIPS, Request
from models.event_predictor.generation import Generated, generate
from schemas.batches import EventBatch
from schemas.errors import CheckpointError, ConfigError
from schemas.events import UNK, EventSchema
from storage import fingerprint

COLUMNS = pa.schema(
    [
        pa.field("sequence", pa.string()),
        pa.field("step", pa.int32()),
        pa.field("field", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("value", pa.string()),
        pa.field("probability", pa.float32()),
        pa.field("chosen", pa.bool_()),
    ]
)
"""Step 1 is the next event. Its likeliest values have their rank from 1; of later steps only the chosen value stands
here, without a rank. `chosen` is the value that the continuation goes on with."""

ABOUT_ROWS = re.compile(r"[\d,]+ (of [\d,]+ )?rows ")
"""What is noted of a log and not of training: rows left out, sorted or repeated."""


def event_job(run: LoadedRun, request: Request) -> Job:
    """What `predict.py` does with a run of events.

    Each next event takes the likeliest value of every field, or with a seed draws it; the same seed draws the same.
    The probabilities of the next event are at the temperatures that the run's own evaluation fitted: on true
    histories, so that they say nothing of the steps after it, whose past is made up, and nothing is drawn by them.

    Raises:
        ConfigError, DataError: the log is not what the run reads, or an option has no meaning.
        CheckpointError: the run's weights are NaN or infinite.
    """
    request.refuse(OF_CLIPS, "events")
    _refuse_lost_weights(run)
    inference = EventInference(run)
    source = FileSource(str(request.input), _data_settings(run)[1])
    table = read_log(run, source)
    histories = Histories(table, run.schema)
    temperature_D, said = _temperatures(run, request)
    facts = {
        "task": "events",
        "checkpoint": fingerprint.of_file(run.path),
        "input": source.fingerprint,
        "n": request.n,
        "seed": request.seed,
        "top": request.top,
        "temperature": temperature_D,
    }

    def tables(first: int) -> Iterator[pa.Table]:
        for number in range(first, -(-len(histories) // request.batch_size)):
            rows = np.arange(number * request.batch_size, min((number + 1) * request.batch_size, len(histories)))
            batch = histories.gather(rows).to(inference.device)
            generated = generate(
                inference.net, batch, request.n, request.seed is None, _generator(request.seed, number, batch)
            )
            if temperature_D is not None:
                generated = calibrated(generated, run.schema, temperature_D)
            yield _rows(table.sequence_names[rows], generated, run.schema, request.top)

    schema = COLUMNS.with_metadata({key: str(value) for key, value in {"run": request.run, **facts}.items()})
    return Job(facts, schema, len(histories), request.batch_size, tables, [said, *_notes(table, request)])


def _refuse_lost_weights(run: LoadedRun) -> None:
    """The likeliest of NaN would be a value like any other, and nothing can be drawn from it."""
    for name, parameter in run.model.named_parameters():
        if not parameter.isfinite().all():
            what = f"its weights are not finite numbers ({name})"
            raise CheckpointError(what, where=run.path, remedy="Name an earlier checkpoint of the run.")


def _temperatures(run: LoadedRun, request: Request) -> tuple[list[float] | None, str]:
    """Of each dynamic field what its log p is divided by, and how a person is told."""
    if request.seed is not None:
        return None, "probabilities are the run's own, without a temperature: events are drawn by them"
    found = own_temperatures(run)
    if found is None:
        return None, (
            "probabilities are not calibrated: no evaluation of this checkpoint on its own data has fitted "
            f"temperatures (`python evaluate.py run={request.run}` does)"
        )
    later = "" if request.n == 1 else "; those of later steps are not"
    named = ", ".join(f"{name} {value:.3f}" for name, value in found[0].items())
    said = f"probabilities of the next event are calibrated: temperatures of the evaluation {found[1].name}"
    return list(found[0].values()), f"{said} ({named}){later}"


def calibrated(generated: Generated, schema: EventSchema, temperature_D: Sequence[float]) -> Generated:
    """The same continuations with the first event's distributions at these temperatures; the likeliest stays so."""
    first, probability = [], generated.probability.clone()
    for place, (p_BV, temperature) in enumerate(zip(generated.first, temperature_D, strict=True)):
        first.append((p_BV.log() / temperature).softmax(dim=1))
        chosen_B1 = generated.values[:, 0, schema.dynamic[place], None]
        probability[:, 0, place] = first[-1].gather(1, chosen_B1).squeeze(1)
    return replace(generated, first=first, probability=probability)


def read_log(run: LoadedRun, source: FileSource) -> EventTable:
    """The log with the run's columns and vocabulary; its fields are the run's own."""
    spec, schema = _spec(run), run.schema
    frame = source.frame(list(spec.columns))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of splits, which this log has not, and fields from which nothing is learned
        table = build_table(frame, spec, _NoSplit(), source.path, "")
    # A field of which the run knows no value has a stand-in, which is none.
    known_F = np.array([field.size for field in schema.fields])
    return replace(table, fields=schema.fields, values=np.where(table.values < known_F, table.values, UNK))


class _NoSplit:
    """No event of a log is held back; vocabularies are not fitted."""

    columns = ()

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        return np.zeros(len(frame), np.int8)


def _data_settings(run: LoadedRun) -> tuple[Mapping, str | None]:
    """The plain values of the run's datamodule, unresolved as a stranger may have written them; the encoding."""
    settings = OmegaConf.to_container(run.config, resolve=False).get("datamodule")
    settings = settings if isinstance(settings, Mapping) else {}
    source = settings.get("source")
    encoding = source.get("encoding") if isinstance(source, Mapping) else None
    return settings, encoding if isinstance(encoding, str) else None


def _spec(run: LoadedRun) -> TableSpec:
    settings, _ = _data_settings(run)
    try:
        fields = {}
        for field in run.schema.fields:
            said = dict(settings["fields"].get(field.name) or {})
            said |= {"kind": field.kind, "role": field.role, "values": list(field.values) or ["\0"]}
            fields[field.name] = FieldSpec.read(field.name, said)
        return TableSpec(
            str(settings["sequence"]),
            str(settings["time"]),
            fields,
            [str(column) for column in settings["order_by"]],
            settings["time_format"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"its data settings do not say how a log is read ({type(error).__name__}: {error})"
        raise ConfigError(what, where=f"{run.path}: datamodule") from error


class Histories:
    """The newest events of every sequence, up to the end of the log, as the decoder reads them."""

    def __init__(self, table: EventTable, schema: EventSchema):
        self.length = np.diff(table.starts)
        self.most = schema.tgt_seq_len
        self.windows = EventWindows(_open_ended(table), schema.streams, schema.src_seq_len, schema.context_at)

    def __len__(self) -> int:
        return len(self.length)

    def gather(self, rows: np.ndarray) -> EventBatch:
        """Of these sequences the newest P events, with the sources of every cut-off up to the last event."""
        real = np.minimum(self.length[rows], self.most)
        first = self.windows.table.starts[rows] + self.length[rows] - real
        batch = self.windows.gather(first, real, np.zeros((len(rows), int(real.max())), bool))
        return replace(batch, target_length=torch.from_numpy(real))


def _open_ended(table: EventTable) -> EventTable:
    """With an event of padding after each sequence: the place of its next event, so that its last one is an input.

    It is of no group of any stream, and its own sequence's stream ends before it.
    """
    ends, sequences = table.starts[1:], len(table.starts) - 1
    return replace(
        table,
        values=np.insert(table.values, ends, 0, axis=0),
        time=np.insert(table.time, ends, table.time[ends - 1]),
        sequence=np.insert(table.sequence, ends, np.arange(sequences)),
        starts=table.starts + np.arange(sequences + 1),
        split=np.insert(table.split, ends, 0),
        known_at={field: np.insert(moments, ends, NEVER) for field, moments in table.known_at.items()},
    )


def _generator(seed: int | None, number: int, batch: EventBatch) -> torch.Generator | None:
    """Of each batch its own, so that a call which begins later draws the same."""
    if seed is None:
        return None
    state = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(batch.target.device).manual_seed(state)


def _rows(names: np.ndarray, generated: Generated, schema: EventSchema, top: int) -> pa.Table:
    values_BnF, probability_BnD = generated.values.cpu().numpy(), generated.probability.cpu().numpy()
    ranked = [_ranked(p_BV, top) for p_BV in generated.first]
    rows: list[tuple] = []
    for b, name in enumerate(names):
        for step, (values_F, probability_D) in enumerate(zip(values_BnF[b], probability_BnD[b], strict=True), start=1):
            for d, number in enumerate(schema.dynamic):
                field, chosen = schema.fields[number], int(values_F[number])
                likeliest = ranked[d][b] if step == 1 else []
                for rank, (value, p) in enumerate(likeliest, start=1):
                    rows.append((name, step, field.name, rank, field.name_of(value), p, value == chosen))
                if chosen not in (value for value, _ in likeliest):
                    p = float(probability_D[d])
                    rows.append((name, step, field.name, None, field.name_of(chosen), p, True))
    return pa.Table.from_pylist([dict(zip(COLUMNS.names, row, strict=True)) for row in rows], COLUMNS)


def _ranked(p_BV: Tensor, top: int) -> list[list[tuple[int, float]]]:
    """Of each sequence the likeliest values with their probabilities; impossible ones are left out."""
    order_BV = p_BV.sort(dim=1, descending=True, stable=True)
    pairs = zip(order_BV.indices[:, :top].tolist(), order_BV.values[:, :top].tolist(), strict=True)
    return [[(value, p) for value, p in zip(*row, strict=True) if p > 0] for row in pairs]


def _notes(table: EventTable, request: Request) -> list[str]:
    notes = [note for note in table.notes if ABOUT_ROWS.match(note)]
    unknown_F = (table.values == UNK).sum(axis=0)
    for field, unknown in zip(table.fields, unknown_F, strict=True):
        if unknown:
            notes.append(f"{field.name}: {unknown:,} of {len(table.values):,} values are unknown to the run")
    how = "the likeliest value of every field" if request.seed is None else f"drawn with seed {request.seed}"
    return [f"next events: {how}", *notes]
