"""What the pickle inside a checkpoint asks for, read off its instructions before anything follows them.

`torch.load(weights_only=True)` calls a few dozen functions that a file may name, and takes the file's word for how
large a storage is. A checkpoint of ours asks for tensors and nothing else, so here the list is short, and every storage
must be as large as its record.
"""

import pickletools
from pathlib import Path

from schemas.errors import CheckpointError

ITEM_SIZES = {
    "torch BoolStorage": 1,
    "torch ByteStorage": 1,
    "torch CharStorage": 1,
    "torch ShortStorage": 2,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch IntStorage": 4,
    "torch FloatStorage": 4,
    "torch LongStorage": 8,
    "torch DoubleStorage": 8,
    "torch ComplexFloatStorage": 8,
    "torch ComplexDoubleStorage": 16,
    "torch.storage UntypedStorage": 1,
}
"""Bytes of an element of a storage, by the name in the pickle."""
TENSORS = {"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter"}
TYPES = {f"torch {name}" for name in ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")}
"""Types of numbers that torch writes by their own name, since they have no storage of that name."""
ALLOWED = {"collections OrderedDict", *ITEM_SIZES, *TENSORS, *TYPES}
OPAQUE = object()
"""A value that is not needed here, or not known."""
SIMPLE = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "GLOBAL"}
PUT, GET = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}


def check_pickle(content: bytes, sizes: dict[str, int], path: Path) -> None:
    """Refuses a pickle that asks for more than tensors, or for storages that are not what their records hold.

    Only what stands in the file is read; nothing is imported or built.

    Args:
        content: the record data.pkl.
        sizes: record name (`data/0`) -> bytes.

    Raises:
        CheckpointError: naming what is asked for.
    """
    memo: dict[int, object] = {}
    top, since_mark = OPAQUE, [OPAQUE]
    # `top` is the value on top of the stack and `since_mark` what was pushed since the last mark: each either as it
    # will be, or opaque. A storage is then known for certain, or refused.
    try:
        for opcode, argument, _ in pickletools.genops(content):
            name = opcode.name
            if name in ("STACK_GLOBAL", "INST") or (name == "GLOBAL" and argument not in ALLOWED):
                raise _asks_for(argument, path)
            if name in PUT:
                memo[argument] = top
                continue
            if name == "MARK":
                top, since_mark = OPAQUE, []
            elif name in SIMPLE or name in GET:
                top = argument if name in SIMPLE else memo.get(argument, OPAQUE)
                since_mark.append(top)
            elif name == "TUPLE":
                top, since_mark = tuple(since_mark), [OPAQUE]
            else:
                if name == "BINPERSID":
                    _check_storage(top, sizes, path)
                top = OPAQUE
                since_mark.append(top)
    except (ValueError, UnicodeDecodeError, IndexError) as error:
        raise CheckpointError("the record data.pkl is no pickle", where=path) from error


def _check_storage(claim: object, sizes: dict[str, int], path: Path) -> None:
    """Of ("storage", type, key, device, elements)."""
    if not isinstance(claim, tuple) or len(claim) != 5 or claim[0] != "storage":
        raise CheckpointError("the record data.pkl asks for a storage as torch does not", where=path)
    _, kind, key, _, elements = claim
    if not isinstance(kind, str) or kind not in ITEM_SIZES or not isinstance(key, str) or type(elements) is not int:
        raise CheckpointError("the record data.pkl asks for a storage as torch does not", where=path)
    has = sizes.get(f"data/{key}")
    if has != elements * ITEM_SIZES[kind]:
        there = "which is not there" if has is None else f"which has {has:,} bytes"
        raise CheckpointError(f"a tensor claims {elements:,} elements of the record data/{key}, {there}", where=path)


def _asks_for(name: str | None, path: Path) -> CheckpointError:
    name = f"asks for {name.replace(' ', '.')}" if name else "names a class or function"
    return CheckpointError(
        f"the file {name}, which is more than tensors and plain values; it was not loaded",
        where=path,
        remedy="Where you trust its origin, load it there and save its state_dict alone.",
    )
