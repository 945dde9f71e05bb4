"""A temperature a field of an event model, fitted batch by batch: no distribution is kept.

As `temperature`, whose whole table of logits does not fit into the memory for fields of thousands of values: here the
slope of the cross-entropy is summed at a grid of temperatures, and its zero read off between two of them.
Legend: G grid, N targets, V values of a field.
"""

import numpy as np
import torch
from torch import Tensor

from experiment.evaluation.temperature import HIGHEST, LOWEST

STEPS = 41
"""Of the grid, each 16 % above the last; between two of them the zero is known to a few parts in a thousand."""
LEAST = -1e4
"""Stands for the log p of an impossible value: a product of 0 and infinity is no number."""


class FieldTemperature:
    """The temperature of one field with the lowest mean cross-entropy, between LOWEST and HIGHEST.

    Attributes:
        events: targets that it was fitted on.
    """

    def __init__(self):
        self.inverse_G = np.geomspace(1 / HIGHEST, 1 / LOWEST, STEPS)
        self.slope_G = np.zeros(STEPS)
        self.events = 0
        self.known = True

    def update(self, log_p_NV: Tensor, target_N: Tensor) -> None:
        """Adds the targets of a batch with the log p of every value."""
        logit_NV = (log_p_NV - log_p_NV.max(dim=1, keepdim=True).values).clamp(min=LEAST)
        true = float(logit_NV.gather(1, target_N[:, None]).sum(dtype=torch.float64))
        for place, inverse in enumerate(self.inverse_G):
            expected_N = ((inverse * logit_NV).softmax(dim=1) * logit_NV).sum(dim=1)
            self.slope_G[place] += float(expected_N.sum(dtype=torch.float64)) - true
        self.events += len(target_N)
        # Of a value that was held to be impossible, and of what is no number, there is no best temperature.
        self.known &= bool(log_p_NV.gather(1, target_N[:, None]).isfinite().all())

    @property
    def value(self) -> float | None:
        """None where there is no target, or one to which the model gave no probability."""
        if not self.events or not self.known or not np.isfinite(self.slope_G).all():
            return None
        if self.slope_G[0] >= 0:
            return HIGHEST
        if self.slope_G[-1] <= 0:
            return LOWEST
        above = int(np.argmax(self.slope_G >= 0))
        pair = slice(above - 1, above + 1)
        return float(1 / np.exp(np.interp(0, self.slope_G[pair], np.log(self.inverse_G[pair]))))
