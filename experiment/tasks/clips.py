"""Classifying skeleton clips."""

import math
from pathlib import Path

import lightning as L
import numpy as np
import torch
from omegaconf import DictConfig

from callbacks.judging import judge_clips
from callbacks.predictions import KeepPredictions
from datamodules.skeletons.datamodule import SkeletonDataModule
from experiment.baselines.fitting import clip_baselines
from experiment.build import build_net, build_optimisation
from experiment.evaluation.numbers import evaluate_clips
from experiment.final_table import Part, TestResult, bootstrap_interval
from lightning_modules.classification import ClipClassifier
from models.baselines.scores import ClipBaselines
from models.baselines.verdict import Verdict
from schemas.batches import ClipOutput
from schemas.errors import DataError
from storage import fingerprint


class ClipTask:
    """See `experiment.tasks.task.Task`."""

    unit = drawn = "clips"
    nothing_to_train = "Change datamodule.split."
    headline = "accuracy"

    def shown(self, config: DictConfig) -> dict[str, str]:
        return {
            "accuracy": "accuracy",
            "macro_f1": "macro-F1",
            "top5": "top-5 accuracy",
            "loss": "cross-entropy (nats)",
        }

    def by_field_title(self, config: DictConfig) -> str:
        return ""

    def count(self, datamodule: SkeletonDataModule, split: str) -> int:
        return len(datamodule.rows[split])

    def facts(self, datamodule: SkeletonDataModule) -> dict:
        rows = {split: rows.tolist() for split, rows in datamodule.rows.items()}
        return {
            "data_fingerprint": datamodule.store.fingerprint,
            "split_fingerprint": fingerprint.of_json([datamodule.store.fingerprint, rows]),
            "clips": {split: len(members) for split, members in rows.items()},
        }

    def describe(self, datamodule: SkeletonDataModule) -> str:
        schema, counts = datamodule.schema, [self.count(datamodule, split) for split in ("train", "val", "test")]
        return (
            f"[bold]{datamodule.name}[/]: {counts[0]:,} / {counts[1]:,} / {counts[2]:,} clips "
            f"(train / val / test), {schema.num_classes} classes, {schema.skeleton.num_joints} joints "
            f"({schema.skeleton.name}), {schema.channels} channels"
        )

    def build_module(self, config: DictConfig, datamodule: SkeletonDataModule) -> ClipClassifier:
        schema, loss = datamodule.schema, config.model.loss
        if schema.num_classes < 2:
            raise DataError(
                f"all clips are of one class, {schema.classes[0]!r}",
                where=datamodule.root,
                remedy="There is nothing to tell apart: import clips of two classes at least.",
            )
        weights = None
        if loss.class_weights == "balanced":
            counts = torch.from_numpy(datamodule.class_counts).float()
            weights = counts.sum() / (len(counts) * counts.clamp(min=1))
        optimizer, schedule = build_optimisation(config)
        return ClipClassifier(
            net=build_net(config, schema),
            num_classes=schema.num_classes,
            train_transform=datamodule.train_transform(),
            eval_transform=datamodule.eval_transform(),
            optimizer=optimizer,
            schedule=schedule,
            label_smoothing=loss.label_smoothing,
            class_weights=weights,
            lr_scale=dict(config.model.get("lr_scale") or {}),
        )

    def keeper(self, monitor: str, lower_is_better: bool) -> L.Callback:
        return KeepPredictions(monitor, lower_is_better)

    def uniform(self, datamodule: SkeletonDataModule, module: ClipClassifier) -> dict[str, float]:
        return {"loss": math.log(datamodule.schema.num_classes)}

    def baselines(
        self, datamodule: SkeletonDataModule, module: ClipClassifier, cache: Path
    ) -> dict[str, ClipBaselines]:
        return clip_baselines(datamodule, cache)

    def blind(self, validation: ClipBaselines) -> dict[str, float]:
        return {}

    def judge(
        self,
        datamodule: SkeletonDataModule,
        output: ClipOutput,
        baselines: ClipBaselines,
        split: str,
        looks: int,
        final: bool,
    ) -> Verdict | None:
        return judge_clips(output, baselines, datamodule.schema.classes, split, looks, final)

    def conclude(
        self,
        datamodule: SkeletonDataModule,
        module: ClipClassifier,
        output: ClipOutput,
        metrics: dict,
        baselines: ClipBaselines | None,
    ) -> TestResult:
        correct = (output.predicted == output.label).numpy()
        tested = len(correct), self.count(datamodule, "test")
        return TestResult(
            metrics=metrics,
            interval=bootstrap_interval(correct),
            tested=tested,
            parts=_parts(datamodule, output, correct),
            # Only on the very same clips: where a limit left some out there is nothing to compare with.
            baselines=baselines.levels[self.headline] if baselines and tested[0] == tested[1] else {},
        )

    def evaluate(
        self,
        datamodule: SkeletonDataModule,
        module: ClipClassifier,
        output: ClipOutput,
        baselines: ClipBaselines | None,
        verdict: Verdict | None,
    ) -> dict:
        return evaluate_clips(output, datamodule.schema, baselines, verdict)


def _parts(datamodule: SkeletonDataModule, output: ClipOutput, correct: np.ndarray) -> dict[str, Part]:
    """Parts of the test clips that deserve a figure of their own.

    `twins_<parameter>`: classes that have a twin which differs in that parameter only (minimal pairs), where the data
    name such. `unseen`: clips that do not stand, byte for byte, in train as well, where some do.
    """
    store, members = datamodule.store, {}
    twins: dict[str, set[int]] = {}
    for first, second, parameter in store.header["source"].get("minimal_pairs", []):
        twins.setdefault(parameter, set()).update((first, second))
    for parameter, classes in twins.items():
        members[f"twins_{parameter}"] = np.isin(output.label.numpy(), list(classes))
    known = set(store.digests(datamodule.rows["train"]))
    unseen = np.array([digest not in known for digest in store.digests(output.clip_id.tolist())])
    if not unseen.all():
        members["unseen"] = unseen
    return {name: Part(float(correct[m].mean()), int(m.sum())) for name, m in members.items() if m.any()}
