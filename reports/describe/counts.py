"""How many numbers a file holds, counted in both ways, and whether they are numbers at all."""

from collections.abc import Mapping

import torch
from torch import Tensor

from reports.describe.facts import Fact, Known

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
CHUNK = 2**22


def is_trainable(name: str, tensor: Tensor) -> bool:
    """Whether a tensor may be a parameter: no buffer of a batch norm, and of a type that can have a gradient."""
    return name.rpartition(".")[2] not in BUFFERS and (tensor.is_floating_point() or tensor.is_complex())


def describe_counts(tensors: Mapping[str, Tensor]) -> list[Fact]:
    """Both counts by their names, types, tensors that share memory, and what is not finite.

    Sizes are read off the shapes: a tensor that claims more numbers than the file holds is never filled in.
    """
    trainable = {name: tensor for name, tensor in tensors.items() if is_trainable(name, tensor)}
    shared = len(trainable) - len(distinct(trainable))
    facts = [
        Fact("numbers in the state dict", sum(t.numel() for t in tensors.values()), Known.SHAPES),
        Fact("trainable parameters", sum(t.numel() for t in distinct(trainable).values()), Known.NAMES),
        Fact("tensors", len(tensors), Known.STORED),
        Fact("types", sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()}), Known.STORED),
    ]
    if shared:
        facts.append(Fact("shared tensors", f"{shared}, counted once among the trainable", Known.STORED))
    if claims := [name for name, tensor in tensors.items() if claims_more(tensor)]:
        facts.append(Fact("larger than what is stored", claims, Known.STORED))
    sick = [name for name, tensor in tensors.items() if not claims_more(tensor) and not is_finite(tensor)]
    if sick:
        facts.append(Fact("not finite (NaN or infinity)", f"{len(sick)} tensors: {', '.join(sick)}", Known.STORED))
    else:
        facts.append(Fact("not finite (NaN or infinity)", "none", Known.STORED))
    return facts


def distinct(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor once: tied weights are saved under two names with one memory."""
    found: dict[tuple, str] = {}
    for name, tensor in tensors.items():
        if _lies_in_memory(tensor) and tensor.numel():
            found.setdefault((tensor.data_ptr(), tuple(tensor.shape), tensor.stride()), name)
        else:
            found[(name,)] = name
    return {name: tensors[name] for name in found.values()}


def claims_more(tensor: Tensor) -> bool:
    """Whether a tensor's shape claims more numbers than the file holds of it."""
    if not _lies_in_memory(tensor):
        return tensor.is_meta
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is finite; looked at a piece at a time, as it lies in the file."""
    if not _lies_in_memory(tensor) or not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    if tensor.element_size() < 2:  # torch has no isfinite for numbers of eight bits
        return True
    return all(bool(torch.isfinite(piece).all()) for piece in tensor.detach().reshape(-1).split(CHUNK))


def _lies_in_memory(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_quantized
