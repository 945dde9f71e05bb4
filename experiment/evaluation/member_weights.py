"""How much each member of an ensemble counts, learned on validation.

Legend: M members, N clips.
"""

import torch
from torch import Tensor

TOLERANCE = 1e-6
"""Nats a clip that the weights may cost beside the best ones."""
PASSES = 10_000
"""At most, which very similar members may need; by then what they cost is far below what can be measured."""


def fit_weights(log_p_MN: Tensor) -> Tensor:
    """[M] float64, not below 0 and adding up to 1: the mixture of the lowest mean cross-entropy.

    Expectation maximisation of a mixture's proportions (Dempster, Laird and Rubin 1977): from equal ones on, each
    weight is multiplied by the mean of its member's probability over the mixture's. The cross-entropy is convex in
    the weights, so that the largest of these means, less 1, bounds what is still to be gained.

    Args:
        log_p_MN: each member's log probability of each clip's class.

    Raises:
        ValueError: there is no clip, or a log probability is not a finite number.
    """
    if log_p_MN.shape[1] == 0 or not log_p_MN.isfinite().all():
        raise ValueError("weights need clips and finite log probabilities")
    log_p_MN = log_p_MN.double()
    # Beside the surest member, so that no clip's probabilities are all too small for a float.
    p_MN = (log_p_MN - log_p_MN.max(dim=0).values).exp()
    weight_M = torch.full((len(p_MN),), 1 / len(p_MN), dtype=torch.float64)
    for _ in range(PASSES):
        share_M = (p_MN / (weight_M @ p_MN)).mean(dim=1)
        if share_M.max() - 1 < TOLERANCE:
            break
        weight_M = weight_M * share_M
    return weight_M / weight_M.sum()
