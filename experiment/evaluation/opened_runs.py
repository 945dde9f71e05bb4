"""Trained runs with the data that they are evaluated on, and whether the two go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
from omegaconf import DictConfig, OmegaConf

from experiment.build import build_datamodule
from experiment.checkpoints.loading import LoadedRun, load_run
from experiment.evaluation.config import evaluated_config
from experiment.evaluation.request import SPLITS, Request
from experiment.prediction.inference import chain_of
from experiment.tasks.task import Task, task_of
from models.event_predictor.predictor import EventPredictor
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError, ExperimentError
from schemas.events import EventSchema

FINGERPRINTS = {"data_fingerprint": "data", "split_fingerprint": "split"}


@dataclass(frozen=True)
class OpenedRun:
    """A trained run and opened data that it can read."""

    folder: Path
    run: LoadedRun
    config: DictConfig
    """The model's part is the checkpoint's own, which was judged as a stranger's is; the data are those asked for."""
    task: Task
    datamodule: L.LightningDataModule
    facts: dict
    """Fingerprints of data and split, counts."""

    @property
    def same_data(self) -> bool:
        """Whether data and split are those that the run was trained and tested on."""
        return all(self.facts[key] == self.run.provenance.get(key) for key in FINGERPRINTS)


def open_run(folder: Path, config: DictConfig, request: Request) -> OpenedRun:
    """Loads the checkpoint and opens the data.

    Args:
        config: the run's, with the data that are asked for (`evaluated_config`).

    Raises:
        ExperimentError: either cannot be opened, the data is not what the model reads, or its split is empty.
    """
    run = load_run(folder, request.trust, request.checkpoint)
    own = run.config.copy()
    own.datamodule = config.datamodule
    task, datamodule = task_of(own), build_datamodule(own)
    datamodule.prepare_data()
    _refuse_other_schema(run.schema, datamodule.schema, datamodule.name)
    if task.count(datamodule, request.on) == 0:
        what = f"there are no {SPLITS[request.on]} {task.unit}"
        raise DataError(what, where=datamodule.name, remedy="Evaluate another split with on=, or change the split.")
    return OpenedRun(folder, run, own, task, datamodule, task.facts(datamodule))


def _refuse_other_schema(own: ClipSchema | EventSchema, given: ClipSchema | EventSchema, data: str) -> None:
    """Raises DataError with the first difference that the model cannot bridge."""
    if type(own) is not type(given):
        raise DataError("these are no data of the run's task", where=data)
    pairs = _parts_of_clips if isinstance(own, ClipSchema) else _parts_of_events
    for what, mine, theirs in pairs(own, given):
        if mine != theirs:
            raise DataError(f"{_differing(what, mine, theirs)}: the run's model cannot read it", where=data)


def _parts_of_clips(own: ClipSchema, given: ClipSchema) -> list[tuple[str, object, object]]:
    return [
        ("joints", own.skeleton.joints, given.skeleton.joints),
        ("classes", own.classes, given.classes),
        ("number of channels", own.channels, given.channels),
    ]


def _parts_of_events(own: EventSchema, given: EventSchema) -> list[tuple[str, object, object]]:
    parts: list[tuple[str, object, object]] = [
        ("fields", tuple(field.name for field in own.fields), tuple(field.name for field in given.fields))
    ]
    for mine, theirs in zip(own.fields, given.fields, strict=False):
        parts += [(f"values of {mine.name}", mine.values, theirs.values)]
        parts += [(f"kind and role of {mine.name}", (mine.kind, mine.role), (theirs.kind, theirs.role))]
    for name in ("streams", "src_seq_len", "tgt_seq_len", "context_at", "gap_field"):
        parts.append((name, getattr(own, name), getattr(given, name)))
    return parts


def _differing(what: str, mine: object, theirs: object) -> str:
    if not (isinstance(mine, tuple) and isinstance(theirs, tuple)):
        return f"its {what} is {theirs}, the run's is {mine}"
    if len(mine) != len(theirs):
        return f"it has {len(theirs)} {what}, the run {len(mine)}"
    place = next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
    return f"of its {what}, number {place} is {theirs[place]!r} and the run's {mine[place]!r}"


def refuse_what_cannot_be_done(members: Sequence[OpenedRun], request: Request) -> None:
    """Raises ConfigError or DataError for views of events, and where several runs make no ensemble or cannot be
    weighed: whatever is known before the split is opened.
    """
    first = members[0]
    if first.task.unit != "clips" and (request.crops > 1 or request.flip):
        raise ConfigError("events have neither crops nor mirror images", where="crops, flip", remedy="Leave them out.")
    if first.task.unit != "clips" and request.weights == "learned":
        raise ConfigError("weights are learned of runs of clips", where="weights", remedy="Use weights=equal.")
    if request.weights == "learned" and first.task.count(first.datamodule, "val") == 0:
        what = "weights are learned on validation clips, of which there are none"
        raise DataError(what, where=first.datamodule.name, remedy="Use weights=equal.")
    for other in members[1:]:
        if other.task.unit != first.task.unit:
            raise ConfigError(f"it is of {other.task.unit}, {first.folder} of {first.task.unit}", where=other.folder)
        if first.task.unit == "clips" and other.run.schema.classes != first.run.schema.classes:
            raise DataError(f"its classes are not those of {first.folder}", where=other.folder)
        for key, what in FINGERPRINTS.items():
            if other.facts[key] != first.facts[key]:
                source = "one store and split" if first.task.unit == "clips" else "one log and split"
                remedy = f"An ensemble answers to the same {first.task.unit}: name runs of {source}."
                raise DataError(f"its {what} is not that of {first.folder}", where=other.folder, remedy=remedy)
    if first.task.unit == "events" and len(members) > 1:
        _refuse_other_events(members)


def _refuse_other_events(members: Sequence[OpenedRun]) -> None:
    """Raises ConfigError where runs of events have no common mixture."""
    for member in members:
        if not isinstance(member.run.model, EventPredictor):
            what = "its net tells what its targets cost, not whole distributions, which an ensemble averages"
            raise ConfigError(what, where=member.folder, remedy="Evaluate it by itself.")
    first = members[0]
    for other in members[1:]:
        for what, mine, theirs in _parts_of_events(first.run.schema, other.run.schema):
            if mine != theirs:
                remedy = f"Members read the same windows, here those of {first.folder}: use the same data settings."
                raise ConfigError(_differing(what, mine, theirs), where=other.folder, remedy=remedy)
        if chain_of(other.run.model) != chain_of(first.run.model):
            what = f"its fields are not predicted in the order of {first.folder}, or one of the two has no order"
            raise ConfigError(what, where=other.folder, remedy="Use runs of the same model.heads and model.order.")


def notes_on(members: Sequence[OpenedRun], request: Request) -> list[str]:
    """What a reader of the figures must know, a sentence each."""
    notes = []
    for member in members:
        name = member.folder.resolve().name
        if not member.same_data:
            notes.append(f"{name} was trained on other data or another split: {_seen(member, request)}.")
        elif request.on == "val" and request.checkpoint == "best":
            notes.append(f"{name}: this checkpoint was chosen on these very {member.task.unit}.")
        if request.flip and not OmegaConf.select(member.run.config, "datamodule.augment.joints.flip.probability"):
            notes.append(f"{name} was trained without mirror images: left and right may mean something in its classes.")
    return notes


def _seen(member: OpenedRun, request: Request) -> str:
    """How many of the evaluated clips the run was trained on, whatever they are called now."""
    if member.task.unit != "clips":
        return "whether it has seen some of these events in training is not known"
    try:
        own = build_datamodule(evaluated_config(member.folder, Request((member.folder,), trust=request.trust)))
        known = set(own.store.digests(own.rows["train"]))
    except ExperimentError as error:
        return f"which clips it has seen in training is not known ({str(error).rstrip('.')})"
    digests = member.datamodule.store.digests(member.datamodule.rows[request.on])
    seen = sum(digest in known for digest in digests)
    return f"it has seen {seen:,} of these {len(digests):,} clips in training"
