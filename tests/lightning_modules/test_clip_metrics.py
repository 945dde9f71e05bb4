"""Against torchmetrics' own, and across batches."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from lightning_modules.clip_metrics import ClipMetrics


@pytest.mark.parametrize("classes", [3, 12])
def test_figures_are_those_of_torchmetrics(classes):
    generator = torch.Generator().manual_seed(0)
    metrics = ClipMetrics(classes, objective=False)
    theirs = {
        "accuracy": MulticlassAccuracy(classes, average="micro"),
        "top5": MulticlassAccuracy(classes, average="micro", top_k=min(5, classes)),
        "macro_f1": MulticlassF1Score(classes, average="macro"),
    }
    seen = []
    for size in (1, 40, 7):
        label = torch.randint(classes - 1, (size,), generator=generator)  # the last class has no clip
        logits = torch.randn(size, classes, generator=generator)
        metrics.update(logits, label)
        for metric in theirs.values():
            metric.update(logits, label)
        seen.append((logits, label))
    logits, label = (torch.cat(part) for part in zip(*seen, strict=True))
    figures = {name: float(value) for name, value in metrics.compute().items()}
    expected = {name: float(metric.compute()) for name, metric in theirs.items()}
    assert figures == pytest.approx(expected | {"loss": float(cross_entropy(logits, label))}, rel=1e-6)


def test_the_objective_is_a_mean_over_clips():
    metrics = ClipMetrics(4, objective=True)
    for size, objective in ((3, 2.0), (1, 6.0)):
        metrics.update(torch.zeros(size, 4), torch.zeros(size, dtype=torch.long), torch.tensor(objective))
    assert float(metrics.compute()["objective"]) == 3.0
    metrics.reset()
    assert metrics.compute()["objective"].isnan()
