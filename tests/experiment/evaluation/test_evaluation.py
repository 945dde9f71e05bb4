"""evaluation.json's figures against counts made by hand."""

import numpy as np
import pytest
import torch

from callbacks.judging import judge_clips
from experiment.architecture import describe_architecture
from experiment.evaluation.numbers import evaluate_clips, reliability
from models.baselines.scores import ClipBaselines
from schemas.batches import ClipOutput
from schemas.clips import ClipSchema
from schemas.skeleton import load_layout

LABEL, PREDICTED, RIDGE = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]), np.array([0, 1, 1, 1, 0, 2])


@pytest.fixture
def evaluated() -> dict:
    schema = ClipSchema(load_layout("kinect20"), ("a", "b", "c", "d"), 3)
    output = ClipOutput(torch.eye(4)[PREDICTED] * 5, torch.from_numpy(LABEL), torch.arange(6))
    baselines = ClipBaselines(np.arange(6), LABEL, {"linear ridge": RIDGE}, {}, "linear ridge")
    return evaluate_clips(output, schema, baselines, judge_clips(output, baselines, schema.classes, "test", 1, True))


def test_every_class_that_is_there_has_its_figures_beside_the_baseline(evaluated):
    assert list(evaluated["table"]) == ["a", "b", "c"]
    found = {name: (row["clips"], row["accuracy"], row["linear ridge"]) for name, row in evaluated["table"].items()}
    assert found == {"a": (3, pytest.approx(2 / 3), pytest.approx(1 / 3)), "b": (2, 1.0, 0.5), "c": (1, 0.0, 1.0)}


def test_rows_of_the_confusion_are_true_classes(evaluated):
    assert evaluated["confusion"] == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_reliability_sorts_by_confidence():
    bins = reliability(np.array([0.99, 0.97, 0.5, 0.51, 1.0]), np.array([True, False, True, False, True]))
    assert [b["count"] for b in bins] == [2, 3]
    assert bins[0] == {"confidence": pytest.approx(0.505), "accuracy": 0.5, "count": 2}
    assert bins[1]["accuracy"] == pytest.approx(2 / 3)


def test_the_architecture_counts_every_number_once():
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 5, 2, bidirectional=True)
    )
    table = describe_architecture("net", net)
    assert table["state_dict"] == sum(v.numel() for v in net.state_dict().values())
    assert table["trainable"] == 16 + 8 + 2 * (4 * 5 * (4 + 5) + 40) + 2 * (4 * 5 * (10 + 5) + 40)
    assert sum(m["numbers"] for m in table["modules"] if m["depth"] == 1) == table["state_dict"]
    assert [m["widths"] for m in table["modules"]] == ["3 -> 4", "4", "4 -> 5 x 2 directions, 2 layers"]
