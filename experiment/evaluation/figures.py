"""The figures of an evaluation with their 95 % bootstrap intervals, clips or whole sequences drawn with replacement.

Legend: N clips or events, K classes, D fields.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from callbacks.predictions import EventScores
from experiment.final_table import bootstrap_interval, grouped_interval
from schemas.batches import ClipOutput

DRAWS = 1_000


@dataclass(frozen=True)
class Figure:
    """A figure and where it may lie; None where no interval is known."""

    value: float
    interval: tuple[float, float] | None = None

    def to_dict(self) -> dict:
        return asdict(self)


def clip_figures(output: ClipOutput) -> dict[str, Figure]:
    """accuracy, macro_f1, top5 and loss (nats), named and defined as the LightningModule's."""
    label_N, predicted_N = output.label.numpy(), output.predicted.numpy()
    correct_N, nll_N = predicted_N == label_N, nats(output)
    best_N5 = output.logits.topk(min(5, output.logits.shape[1]), dim=1).indices
    top5_N = (best_N5 == output.label[:, None]).any(dim=1).numpy()
    return {
        "accuracy": Figure(float(correct_N.mean()), bootstrap_interval(correct_N)),
        "macro_f1": _macro_f1(label_N, predicted_N),
        "top5": Figure(float(top5_N.mean()), bootstrap_interval(top5_N)),
        "loss": Figure(float(nll_N.mean()), grouped_interval(nll_N, np.arange(len(nll_N)))),
    }


def nats(output: ClipOutput) -> np.ndarray:
    """[N] float64, -log p of each clip's class."""
    return torch.nn.functional.cross_entropy(output.logits.double(), output.label, reduction="none").numpy()


def _macro_f1(label_N: np.ndarray, predicted_N: np.ndarray, seed: int = 0) -> Figure:
    """The mean F1 of the classes that occur or are predicted; which clips are alike is counted once for all draws."""
    cells, count = np.unique(np.stack([label_N, predicted_N]), axis=1, return_counts=True)
    # -1, which is none, is not a class.
    true, said, hit = cells[0], cells[1] + 1, cells[0] == cells[1]
    size = max(true.max() + 1, said.max())

    def score(weight: np.ndarray) -> float:
        found = np.bincount(true[hit], weight[hit], size)
        both = np.bincount(true, weight, size) + np.bincount(said, weight, size + 1)[1:]
        return float((2 * found[both > 0] / both[both > 0]).mean())

    drawn = np.random.default_rng(seed).multinomial(len(label_N), count / len(label_N), size=DRAWS)
    low, high = np.quantile([score(weight) for weight in drawn], [0.025, 0.975])
    return Figure(score(count), (float(low), float(high)))


def event_figures(scores: EventScores, metrics: Mapping[str, float]) -> dict[str, Figure]:
    """The split's own metrics without those of single fields; intervals of the means over fields and events."""
    sequence_N = scores.sequence_id.numpy()
    each = {"loss": scores.nll.mean(1), "joint_nll": scores.nll.sum(1), "accuracy": scores.hit.double().mean(1)}
    spans = {name: grouped_interval(values_N.numpy(), sequence_N) for name, values_N in each.items()}
    return {name: Figure(value, spans.get(name)) for name, value in metrics.items() if "/" not in name}


def paired_lead(lead_N: np.ndarray) -> Figure:
    """The mean of [N] differences between two answers to the same clips, clips drawn in pairs."""
    return Figure(float(lead_N.mean()), grouped_interval(lead_N, np.arange(len(lead_N))))


def event_values(scores: EventScores) -> dict[str, Tensor]:
    """[N] float64 of each event: the accuracy, a mean over the fields, and the nats of all of them together."""
    return {"accuracy": scores.hit.double().mean(1), "joint_nll": scores.nll.double().sum(1)}


def event_means(values: Mapping[str, Tensor], sequence_N: Tensor) -> dict[str, Figure]:
    """The means of [N] values each."""
    group_N = sequence_N.numpy()
    return {
        name: Figure(float(value_N.mean()), grouped_interval(value_N.numpy(), group_N))
        for name, value_N in values.items()
    }


def event_lead(ahead: Mapping[str, Tensor], behind: Mapping[str, Tensor], sequence_N: Tensor) -> dict[str, Figure]:
    """How far one answer is ahead of another to the same events, both as `event_values` gives them."""
    leads = {
        "accuracy": ahead["accuracy"] - behind["accuracy"],
        "joint_nll": behind["joint_nll"] - ahead["joint_nll"],
    }
    return event_means(leads, sequence_N)
