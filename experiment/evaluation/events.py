"""What runs say of the events of a split: figures, temperatures, and a row an event.

A run's own figures are those of its test, without a temperature; beside them stands what its temperatures change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import torch

from callbacks.predictions import EventScores
from experiment.evaluation.answers import Evaluated, batches_of
from experiment.evaluation.event_ensemble import CALIBRATED, WHOLE, EventEnsemble
from experiment.evaluation.figures import Figure, event_figures, event_lead, event_means, event_values
from experiment.evaluation.numbers import reliability
from experiment.evaluation.opened_runs import OpenedRun
from experiment.evaluation.request import Request
from experiment.prediction.inference import EventInference
from lightning_modules.field_metrics import FieldMetrics
from schemas.batches import EventBatch, EventOutput


@dataclass(frozen=True)
class Measured:
    """What one answer comes to over a split."""

    scores: EventScores
    metrics: dict[str, float]

    @property
    def figures(self) -> dict[str, Figure]:
        return event_figures(self.scores, self.metrics)


def evaluate(members: Sequence[OpenedRun], request: Request) -> Evaluated:
    """One run's answers, or those of the ensemble of several."""
    first, voices = members[0], [EventInference(member.run) for member in members]
    module = first.task.build_module(first.config, first.datamodule)
    module.net = first.run.model
    own: FieldMetrics = module.metrics[request.on]
    if not voices[0].tells_distributions:
        whole = _measure(first, request.on, lambda batch: {WHOLE: voices[0].evaluate(batch)}, own)[WHOLE]
        return Evaluated(whole.scores, whole.figures, {"metrics": whole.metrics}, _table(first, whole.scores), module)

    ensemble = EventEnsemble(voices)
    if first.task.count(first.datamodule, "val"):
        ensemble.fit(lambda: batches_of(first, "val"))
    found = _measure(first, request.on, ensemble.answers, own)
    whole = found[WHOLE]
    numbers, notes = {"metrics": whole.metrics, "temperature": None}, ["No temperature could be fitted on validation."]
    if ensemble.of_whole is not None:
        numbers |= _calibration(ensemble, found, own)
        notes = [temperature_words(numbers["temperature"], request.on)]
    if len(members) > 1:
        numbers |= _beside_members(members, ensemble, found, own.fields)
    return Evaluated(whole.scores, whole.figures, numbers, _table(first, whole.scores), module, tuple(notes))


def _measure(
    member: OpenedRun, on: str, answer: Callable[[EventBatch], Mapping[str, EventOutput]], like: FieldMetrics
) -> dict[str, Measured]:
    """Every answer to every batch of a split, by the answer's name."""
    keepers, metrics = {}, {}
    for number, batch in enumerate(batches_of(member, on)):
        for name, output in answer(batch).items():
            keeper = keepers.setdefault(name, member.task.keeper("", lower_is_better=False))
            keeper.on_test_batch_end(None, None, output, batch, number)
            metrics.setdefault(name, FieldMetrics(like.fields, like.chained)).update(output)
    for keeper in keepers.values():
        keeper.on_test_epoch_end(None, None)
    known = {name: {key: float(value) for key, value in each.compute().items()} for name, each in metrics.items()}
    return {name: Measured(keeper.test, known[name]) for name, keeper in keepers.items()}


def _calibration(ensemble: EventEnsemble, found: Mapping[str, Measured], like: FieldMetrics) -> dict:
    """The temperatures, and cross-entropy and calibration error without and with them.

    Args:
        like: tells how the metrics are named: chained heads of a single field have no chain, but the names of one.
    """
    pair = [found[WHOLE].metrics, found[CALIBRATED].metrics]
    given = "_given_earlier" if like.chained else ""

    def both(name: str) -> list[float]:
        return [metrics[name] for metrics in pair]

    by_field = {
        field: {
            "value": value,
            "loss": both(f"ce{given}/{field}"),
            "calibration_error": both(f"calibration_error{given}/{field}"),
        }
        for field, value in zip(like.fields, ensemble.of_whole, strict=True)
    }
    scores = found[CALIBRATED].scores
    return {
        "temperature": {
            "events": ensemble.events,
            "fields": by_field,
            "loss": both("loss"),
            "calibration_error": both("calibration_error"),
        },
        "calibrated": reliability(scores.confidence.numpy().ravel(), scores.hit.numpy().ravel()),
    }


def _beside_members(
    members: Sequence[OpenedRun], ensemble: EventEnsemble, found: Mapping[str, Measured], fields: Sequence[str]
) -> dict[str, object]:
    """Every member by itself, at its temperatures, and the lead over the best of them and over their mean."""
    alone = [found[str(number)] for number in range(len(members))]
    best = min(range(len(members)), key=lambda number: alone[number].metrics["joint_nll"])
    sequence_N = found[WHOLE].scores.sequence_id
    whole, *each = (event_values(one.scores) for one in (found[WHOLE], *alone))
    mean = {name: torch.stack([values[name] for values in each]).mean(0) for name in whole}
    return {
        "of_members": [
            {
                "run": str(member.folder),
                "temperature": temperature_D and dict(zip(fields, temperature_D, strict=True)),
                "figures": _plain(one.figures),
            }
            for member, temperature_D, one in zip(members, ensemble.of_members, alone, strict=True)
        ],
        "beside_its_best": {
            "best": str(members[best].folder),
            **_plain(event_lead(whole, each[best], sequence_N)),
        },
        "beside_their_mean": {
            "figures": _plain(event_means(mean, sequence_N)),
            "lead": _plain(event_lead(whole, mean, sequence_N)),
        },
    }


def _plain(figures: Mapping[str, Figure]) -> dict[str, dict]:
    return {name: figure.to_dict() for name, figure in figures.items()}


def temperature_words(known: Mapping, on: str) -> str:
    """What calibration by a temperature a field changes, in words."""
    values = ", ".join(f"{field} {row['value']:.3f}" for field, row in known["fields"].items())
    (raw, scaled), (before, after) = known["loss"], known["calibration_error"]
    same = " These are the events that they were fitted on." if on == "val" else ""
    return (
        f"Temperatures fitted on {known['events']:,} validation events: {values}; means over the fields: calibration "
        f"error {before:.3f} -> {after:.3f}, cross-entropy {raw:.4f} -> {scaled:.4f} nats.{same}"
    )


def _table(member: OpenedRun, scores: EventScores) -> pa.Table:
    """A row an event: its sequence, and for each field the nats of what came, whether it was hit, and how surely."""
    names = member.datamodule.table.sequence_names
    columns = {"sequence": pa.array(names[scores.sequence_id.numpy()].astype(str))}
    for place, field in enumerate(member.run.schema.dynamic_names):
        for what in ("nll", "hit", "confidence"):
            columns[f"{field} {what}"] = pa.array(getattr(scores, what)[:, place].numpy())
    return pa.table(columns)
