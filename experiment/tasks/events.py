"""Predicting the next event of a sequence."""

from collections.abc import Mapping, Sequence

import lightning as L
import numpy as np
from omegaconf import DictConfig
from rich import get_console
from rich.markup import escape

from callbacks.predictions import KeepEventScores
from datamodules.events.datamodule import EventDataModule
from datamodules.events.table import SPLITS, EventTable
from experiment.baselines import count_baselines
from experiment.build import build_net, build_optimisation
from experiment.results import TestResult, grouped_interval
from lightning_modules.event_prediction import EventPrediction
from schemas.errors import ConfigError
from storage import fingerprint

SHOWN_BASELINES = ("unigram", "counts (best on val)", "counts, chained")
FIGURES = {"accuracy": "accuracy", "top5": "top-5"}


class EventTask:
    """See `experiment.tasks.task.Task`."""

    unit, drawn = "events", "sequences"
    nothing_to_train = "No sequence has two events there: is datamodule.sequence the right column?"

    def shown(self, config: DictConfig) -> dict[str, str]:
        chained = config.model.heads == "chained"
        given = ", given earlier" if chained else ""
        return {
            "loss": "joint NLL / fields (nats)" if chained else "mean cross-entropy (nats)",
            "joint_nll": "joint NLL an event (nats)",
            "accuracy": f"accuracy{given}",
            "top5": f"top-5{given}",
            "calibration_error": f"calibration{given}",
        }

    def by_field_title(self, config: DictConfig) -> str:
        given = ", each given the event's earlier fields" if config.model.heads == "chained" else ""
        return f"test, by field{given}"

    def count(self, datamodule: EventDataModule, split: str) -> int:
        return len(datamodule.table.targets(split))

    def facts(self, datamodule: EventDataModule) -> dict:
        table = datamodule.table
        return {
            "data_fingerprint": table.fingerprint,
            "split_fingerprint": fingerprint.of_json([table.fingerprint, table.split.tobytes().hex()]),
            "events": {split: self.count(datamodule, split) for split in ("train", "val", "test")},
            "notes": list(table.notes),
        }

    def describe(self, datamodule: EventDataModule) -> str:
        table, schema = datamodule.table, datamodule.schema
        counts = [self.count(datamodule, split) for split in ("train", "val", "test")]
        streams = escape(", ".join(stream.name for stream in schema.streams)) or "none"
        notes = "".join(f"\n  {escape(note)}" for note in table.notes)
        return (
            f"[bold]{escape(datamodule.name)}[/]: {counts[0]:,} / {counts[1]:,} / {counts[2]:,} events to predict "
            f"(train / val / test), {len(table.starts) - 1:,} sequences, {len(schema.dynamic)} of {len(schema.fields)} "
            f"fields predicted, streams: {streams}{notes}"
        )

    def build_module(self, config: DictConfig, datamodule: EventDataModule) -> EventPrediction:
        optimizer, schedule = build_optimisation(config)
        schema = datamodule.schema
        net = build_net(config, schema)
        _refuse_impossible_targets(config.model.impossible, datamodule.table)
        return EventPrediction(
            net=net,
            field_names=schema.dynamic_names,
            chained=config.model.heads == "chained",
            loss_weights=config.model.loss.weights,
            optimizer=optimizer,
            schedule=schedule,
        )

    def keeper(self) -> L.Callback:
        return KeepEventScores()

    def conclude(
        self, datamodule: EventDataModule, module: EventPrediction, keeper: KeepEventScores, metrics: dict
    ) -> TestResult:
        schema, table = datamodule.schema, datamodule.table
        chained = module.metrics["test"].chained
        given, label_given = ("_given_earlier", " given earlier") if chained else ("", "")
        order = [schema.dynamic_names[place] for place in module.net.heads.order] if chained else None
        tested = len(keeper.test.nll), self.count(datamodule, "test")
        with get_console().status("Counting: what a model has to beat ..."):
            # Only on the very same targets: where a limit left some out there is nothing to compare with.
            baselines = count_baselines(table, "test", order) if tested[0] == tested[1] else {}
        floors = table.facts.get("floors", {})
        by_field = {}
        for place, name in enumerate(schema.dynamic_names):
            row = {f"cross-entropy{label_given}": metrics[f"test/ce{given}/{name}"]}
            row |= {label: float(nll_D[place]) for label, nll_D in baselines.items() if label in SHOWN_BASELINES}
            if name in floors:
                row["floor"] = floors[name]["chained" if chained else "independent"]
            for figure, label in FIGURES.items():
                row[label + label_given] = metrics[f"test/{figure}{given}/{name}"]
            by_field[name] = row
        return TestResult(
            metrics=metrics,
            interval=grouped_interval(keeper.test.nll.mean(dim=1).numpy(), keeper.test.sequence_id.numpy()),
            tested=tested,
            by_field=by_field,
            baselines={label: float(nll_D.mean()) for label, nll_D in baselines.items()},
        )


def _refuse_impossible_targets(impossible: Mapping[str, Sequence[str]], table: EventTable) -> None:
    """A target whose value is masked would cost infinitely many nats."""
    targets = np.concatenate([table.targets(split) for split in SPLITS])
    for place, field in enumerate(table.fields):
        counts = np.bincount(table.values[targets, place], minlength=field.size)
        for name in impossible.get(field.name, []):
            if count := counts[field.value_of(str(name))]:
                raise ConfigError(
                    f"{name!r} is masked as impossible and is the value of {count:,} events to predict",
                    where=f"model.impossible.{field.name}",
                    remedy="Leave it out.",
                )
