"""A model that a checkpoint describes may not be larger than what the checkpoint stores.

A file of a few kilobytes can claim a width of 10^9. The weights would not fit, but by then the memory is full; so the
claim is compared with the file before, and what is built is counted while it is built.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from schemas.errors import CheckpointError

FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
SLACK, SHARE = 1 << 24, 32
"""Elements that any model may fill while it is built, and how often it may fill those it has: initial values are
drawn, scaled and copied, and graphs are no weights."""
JOINTS = 4096
"""A graph is a square matrix of its joints; the largest face meshes have a few hundred."""


class LimitedSize(TorchFunctionMode):
    """Within it, tensors may be made up to some multiple of `stored` elements; raises CheckpointError beyond."""

    def __init__(self, stored: int, path: Path):
        super().__init__()
        self.left, self.path = SHARE * stored + SLACK, path

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in FACTORIES:
            self._refuse_beyond(_asked(args, kwargs))
        made = function(*args, **kwargs)
        if isinstance(made, torch.Tensor):
            self.left -= made.numel()
            self._refuse_beyond(0)
        return made

    def _refuse_beyond(self, elements: int) -> None:
        if elements > self.left:
            raise CheckpointError("the model of its config is far larger than the weights it stores", where=self.path)


def _asked(args: tuple, kwargs: Mapping) -> int:
    """Elements of `torch.zeros(2, 3)`, `torch.zeros((2, 3))` or `torch.zeros(size=(2, 3))`."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], (tuple, list)) else args)
    return math.prod(abs(number) for number in size if isinstance(number, int))


def check_claims(record: Mapping, stored: int, path: Path) -> None:
    """Refuses a width, a number of layers or a length beyond the count of all numbers that the file stores.

    Args:
        record: with `config` and `schema`, the config judged before (`registry.check_config`).
        stored: elements of the weights.
    """
    waiting = [(record["config"]["model"].get("net"), "model.net"), (record["schema"], "assay.schema")]
    while waiting:
        value, where = waiting.pop()
        if isinstance(value, dict):
            waiting += [(inner, f"{where}.{name}") for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(inner, where) for inner in value if isinstance(inner, (dict, list, int))]
        elif type(value) is int and abs(value) > stored:
            raise CheckpointError(
                f"{value:,} is more than the {stored:,} numbers that the file stores", where=f"{path}: {where}"
            )
    skeleton = record["schema"].get("skeleton")
    joints = skeleton.get("joints") if isinstance(skeleton, dict) else None
    if isinstance(joints, (list, str)) and len(joints) > JOINTS:
        raise CheckpointError(f"a skeleton of more than {JOINTS:,} joints", where=f"{path}: assay.schema")
