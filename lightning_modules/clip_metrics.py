"""The figures of clips in one metric object: one a figure costs milliseconds a step, as much as a small net.

Legend: B clips, K classes.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import Metric

from lightning_modules.field_metrics import WIDE

TOP = 5


class ClipMetrics(Metric):
    """Cross-entropy in nats, accuracy, top-5 accuracy and macro-F1 over the clips of a split.

    Macro-F1 is the mean over the classes that occur, as a label or as a prediction.

    Args:
        objective: whether the mean of a training objective is kept besides.
    """

    full_state_update = False

    def __init__(self, num_classes: int, objective: bool):
        super().__init__()
        self.num_classes = num_classes
        self.names = ("loss", "accuracy", "top5", "macro_f1", *(["objective"] if objective else []))
        # Of cross-entropy, objective, top-5 hits and clips.
        self.add_state("sums", torch.zeros(4, dtype=WIDE), dist_reduce_fx="sum")
        # [3, K] clips by label, by prediction, and where both are one.
        self.add_state("counts", torch.zeros(3, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits_BK: Tensor, label_B: Tensor, objective: Tensor | None = None) -> None:
        """Adds a batch; `objective` [] is its mean."""
        within = (logits_BK.topk(min(TOP, self.num_classes)).indices == label_B[:, None]).sum()
        loss, size = cross_entropy(logits_BK, label_B, reduction="sum"), len(label_B)
        own = torch.zeros_like(loss) if objective is None else objective * size
        self.sums = self.sums + torch.stack([loss, own, within, torch.full_like(loss, size)]).to(WIDE)
        predicted_B = logits_BK.argmax(dim=1)
        # Misses fall into a column of their own, which is cut off.
        kinds_3B = torch.stack([label_B, predicted_B, torch.where(predicted_B == label_B, label_B, self.num_classes)])
        columns = kinds_3B.new_zeros(3, self.num_classes + 1)
        self.counts = self.counts + columns.scatter_add_(1, kinds_3B, torch.ones_like(kinds_3B))[:, :-1]

    def compute(self) -> dict[str, Tensor]:
        """Scalars on the CPU under their `names`; NaN where there was no clip."""
        loss, objective, within, clips = self.sums.cpu()
        labelled, predicted, both = self.counts.cpu().to(loss.dtype)
        occurs = labelled + predicted > 0
        f1 = 2 * both[occurs] / (labelled + predicted)[occurs]
        figures = {
            "loss": loss / clips,
            "accuracy": both.sum() / clips,
            "top5": within / clips,
            "macro_f1": f1.mean(),
            "objective": objective / clips,
        }
        return {name: figures[name] for name in self.names}
