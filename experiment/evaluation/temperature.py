"""One number that makes a classifier's confidence believable: its logits are divided by a temperature.

Temperature scaling after Guo et al. 2017, fitted on validation. It changes no prediction.
Legend: N clips, K classes.
"""

from torch import Tensor

LOWEST, HIGHEST = 0.05, 20.0
"""Where every clip is right the best temperature is 0, and where none is better than guessing it is infinite."""
HALVINGS = 60


def fit_temperature(logits_NK: Tensor, label_N: Tensor) -> float:
    """The temperature of the lowest mean cross-entropy, between LOWEST and HIGHEST.

    The cross-entropy is convex in the inverse temperature, so that its slope is brought to zero by halving.

    Raises:
        ValueError: there is no clip, or a logit is not a finite number.
    """
    if len(label_N) == 0 or not logits_NK.isfinite().all():
        raise ValueError("a temperature needs clips and finite logits")
    # float64, and the largest logit 0: shifting all of a clip's logits changes nothing.
    logits_NK = logits_NK.double()
    logits_NK = logits_NK - logits_NK.max(dim=1, keepdim=True).values
    true_N = logits_NK.gather(1, label_N[:, None])[:, 0]

    def slope(inverse: float) -> float:
        expected_N = ((inverse * logits_NK).softmax(dim=1) * logits_NK).sum(dim=1)
        return float((expected_N - true_N).mean())

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float((low * high) ** -0.5)
