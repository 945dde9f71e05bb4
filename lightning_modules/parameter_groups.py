"""Learning rates by part of the net: factors on the optimizer's own rate, by the beginnings of parameters' names.

A beginning is of whole words: `spatial.blocks.1` means `spatial.blocks.1.weight`, not `spatial.blocks.10.weight`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from torch import nn
from torch.optim import Optimizer


def under(name: str, prefix: str) -> bool:
    """Whether a dotted name is the prefix or goes on from it."""
    return name == prefix or name.startswith(f"{prefix}.")


def longest_prefix(name: str, prefixes: Collection[str]) -> str | None:
    """The longest prefix that a name is under."""
    return max((prefix for prefix in prefixes if under(name, prefix)), key=len, default=None)


def build_optimizer(
    optimizer: Callable[[Iterable], Optimizer], net: nn.Module, lr_scale: Mapping[str, float]
) -> Optimizer:
    """The optimizer of a net's parameters, with a group for each factor.

    The first group is that of the optimizer's own rate, and is there even if it is empty: its rate is the one that is
    logged. Rates are set before a schedule is made, which then moves each group from its own.

    Args:
        optimizer: from parameters, or groups of them, to an optimizer.
        lr_scale: prefix of parameters' names -> factor; the longest prefix counts. Empty: one group of all.
    """
    if not lr_scale:
        return _not_unscaling(optimizer(net.parameters()))
    groups: dict[str | None, list[nn.Parameter]] = {None: [], **{prefix: [] for prefix in lr_scale}}
    for name, parameter in net.named_parameters():
        groups[longest_prefix(name, lr_scale)].append(parameter)
    built = optimizer([{"params": parameters} for parameters in groups.values()])
    for group, prefix in zip(built.param_groups, groups, strict=True):
        group["lr"] *= lr_scale.get(prefix, 1.0)
    return _not_unscaling(built)


def _not_unscaling(optimizer: Optimizer) -> Optimizer:
    """A fused one offers to divide by a GradScaler's factor as it steps: too late to clip, so Lightning refuses to.

    Without the offer the gradients are unscaled before they are clipped, as for any other optimizer.
    """
    optimizer._step_supports_amp_scaling = False
    return optimizer
