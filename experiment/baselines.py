"""What counting alone reaches on a data set's targets: the figures that a model has to beat."""

from collections.abc import Sequence

import numpy as np

from datamodules.events.table import EventTable
from models.baselines.chained import fit_chained
from models.baselines.event_counts import fit_count_models
from models.baselines.event_history import EventHistory


def count_baselines(table: EventTable, split: str, order: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Count models fitted on the training targets, scored on every target of a split (which has some).

    Args:
        order: a chain's order of the dynamic fields: then each field is given the earlier ones of its event, and the
            only model is the chained one; None: each field by itself.

    Returns:
        Model -> [D] mean nats of each dynamic field. The best count model is chosen on validation, a field.
    """
    history = history_of(table)
    targets = table.targets(split)
    if order is not None:
        return {"counts, chained": fit_chained(history, order).score(targets)["chained"].nll.mean(axis=0)}
    models = fit_count_models(history)
    mean = {name: score.nll.mean(axis=0) for name, score in models.score(targets).items() if score.nll is not None}
    best = np.array([mean[name][place] for place, name in enumerate(models.best())])
    return {name: mean[name] for name in ("uniform", "unigram", "bigram")} | {"counts (best on val)": best}


def history_of(table: EventTable) -> EventHistory:
    """What the count models read of a table."""
    return EventHistory(
        values=table.values,
        rank=table.rank,
        cardinalities=[field.cardinality for field in table.fields],
        names=[field.name for field in table.fields],
        dynamic=[number for number, field in enumerate(table.fields) if field.role == "dynamic"],
        train=table.targets("train"),
        val=table.targets("val"),
    )
