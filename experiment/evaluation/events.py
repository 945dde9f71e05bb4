"""What a run says of the events of a split: figures, and a row an event.

An event model tells what its targets cost and how sure it was of its first choice, not whole distributions: so there
is no temperature, and no average of several runs.
"""

from collections.abc import Sequence

import pyarrow as pa

from callbacks.predictions import EventScores
from experiment.evaluation.answers import Evaluated, collect
from experiment.evaluation.figures import event_figures
from experiment.evaluation.opened_runs import OpenedRun
from experiment.evaluation.request import Request
from experiment.prediction.inference import EventInference
from lightning_modules.field_metrics import FieldMetrics
from schemas.batches import EventBatch, EventOutput


def evaluate(members: Sequence[OpenedRun], request: Request) -> Evaluated:
    """The one run's answers."""
    (member,) = members
    module = member.task.build_module(member.config, member.datamodule)
    module.net, inference = member.run.model, EventInference(member.run)
    metrics: FieldMetrics = module.metrics[request.on]

    def answer(batch: EventBatch) -> EventOutput:
        output = inference.evaluate(batch)
        metrics.update(output)
        return output

    scores = collect(member, request.on, answer)
    known = {name: float(value) for name, value in metrics.compute().items()}
    return Evaluated(scores, event_figures(scores, known), {"metrics": known}, _table(member, scores), module)


def _table(member: OpenedRun, scores: EventScores) -> pa.Table:
    """A row an event: its sequence, and for each field the nats of what came, whether it was hit, and how surely."""
    names = member.datamodule.table.sequence_names
    columns = {"sequence": pa.array(names[scores.sequence_id.numpy()].astype(str))}
    for place, field in enumerate(member.run.schema.dynamic_names):
        for what in ("nll", "hit", "confidence"):
            columns[f"{field} {what}"] = pa.array(getattr(scores, what)[:, place].numpy())
    return pa.table(columns)
