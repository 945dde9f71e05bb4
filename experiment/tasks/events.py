"""Predicting the next event of a sequence."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import lightning as L
import numpy as np
from omegaconf import DictConfig
from rich import get_console
from rich.markup import escape

from callbacks.judging import judge_events
from callbacks.predictions import EventScores, KeepEventScores
from datamodules.events.datamodule import EventDataModule
from datamodules.events.table import SPLITS, EventTable
from experiment.baselines.fitting import event_baselines
from experiment.build import build_net, build_optimisation
from experiment.evaluation.numbers import evaluate_events
from experiment.final_table import TestResult, grouped_interval
from lightning_modules.event_prediction import EventPrediction
from models.baselines.scores import EventBaselines
from models.baselines.verdict import DRAWS, Verdict
from schemas.errors import ConfigError
from storage import fingerprint

SHOWN_BASELINES = ("unigram", "counts (best on val)", "counts, chained")
PROVISIONAL_DRAWS = 200
FIGURES = {"accuracy": "accuracy", "top5": "top-5"}


class EventTask:
    """See `experiment.tasks.task.Task`."""

    unit, drawn = "events", "sequences"
    headline = "loss"
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
            lr_scale=dict(config.model.get("lr_scale") or {}),
        )

    def keeper(self, monitor: str, lower_is_better: bool) -> L.Callback:
        return KeepEventScores(monitor, lower_is_better)

    def uniform(self, datamodule: EventDataModule, module: EventPrediction) -> dict[str, float]:
        given = "_given_earlier" if module.metrics["val"].chained else ""
        nats = {field.name: math.log(field.cardinality) for field in datamodule.table.fields if field.role == "dynamic"}
        return {"loss": sum(nats.values()) / len(nats)} | {f"ce{given}/{name}": value for name, value in nats.items()}

    def baselines(self, datamodule: EventDataModule, module: EventPrediction, cache: Path) -> dict[str, EventBaselines]:
        names = datamodule.schema.dynamic_names
        order = [names[place] for place in module.net.heads.order] if module.metrics["val"].chained else None
        with get_console().status("Counting: what a model has to beat ..."):
            return event_baselines(datamodule.table, order, cache)

    def blind(self, validation: EventBaselines) -> dict[str, float]:
        mean = validation.blind.sum(axis=0) / validation.count.sum()
        return dict(zip(validation.fields, mean.tolist(), strict=True))

    def judge(
        self,
        datamodule: EventDataModule,
        output: EventScores,
        baselines: EventBaselines,
        split: str,
        looks: int,
        final: bool,
    ) -> Verdict | None:
        draws = DRAWS if final else PROVISIONAL_DRAWS
        return judge_events(output, baselines, split, looks, final, draws)

    def conclude(
        self,
        datamodule: EventDataModule,
        module: EventPrediction,
        output: EventScores,
        metrics: dict,
        baselines: EventBaselines | None,
    ) -> TestResult:
        tested = len(output.nll), self.count(datamodule, "test")
        # Only on the very same targets: where a limit left some out there is nothing to compare with.
        levels = baselines.levels if baselines and tested[0] == tested[1] else {}
        chained = module.metrics["test"].chained
        given, label_given = ("_given_earlier", " given earlier") if chained else ("", "")
        floors, by_field = self._floors(datamodule, module), {}
        for name in datamodule.schema.dynamic_names:
            row = {f"cross-entropy{label_given}": metrics[f"test/ce{given}/{name}"]}
            known = levels.get(f"ce{given}/{name}", {})
            row |= {label: value for label, value in known.items() if label in SHOWN_BASELINES}
            if name in floors:
                row["floor"] = floors[name]
            for figure, label in FIGURES.items():
                row[label + label_given] = metrics[f"test/{figure}{given}/{name}"]
            by_field[name] = row
        return TestResult(
            metrics=metrics,
            interval=grouped_interval(output.nll.mean(dim=1).numpy(), output.sequence_id.numpy()),
            tested=tested,
            by_field=by_field,
            baselines=levels.get(self.headline, {}),
        )

    def evaluate(
        self,
        datamodule: EventDataModule,
        module: EventPrediction,
        output: EventScores,
        baselines: EventBaselines | None,
        verdict: Verdict | None,
    ) -> dict:
        names = list(datamodule.schema.dynamic_names)
        # Baselines stand beside the same targets only, and so they do where there is a verdict.
        beside = baselines if verdict else None
        return evaluate_events(output, beside, verdict, names, self._floors(datamodule, module))

    @staticmethod
    def _floors(datamodule: EventDataModule, module: EventPrediction) -> dict[str, float]:
        """Field -> its entropy in nats, where the data know it."""
        kind = "chained" if module.metrics["val"].chained else "independent"
        return {name: floor[kind] for name, floor in datamodule.table.facts.get("floors", {}).items()}


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
