"""Stand-ins for the few harmless classes that training scripts often leave in checkpoints.

`torch.load(weights_only=True)` refuses numpy's numbers and argparse's namespaces, which hold metrics and settings.
Here they become plain values by code of our own: no class or function that a file names is ever called.
"""

import struct

FORMATS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "b1": "?"} | {
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
}
"""numpy's codes of numbers to those of `struct`."""


class NumberType:
    """Stands for numpy.dtype; knows its code and byte order."""

    def __init__(self, code: str = "", *_):
        self.code, self.order = str(code).lstrip("<>=|"), "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.order = ">"


def number(kind: NumberType, content: bytes = b"") -> float | int | bool | None:
    """Stands for numpy's scalar: the number itself, None for what is not one."""
    code = FORMATS.get(kind.code) if isinstance(kind, NumberType) else None
    try:
        return struct.unpack(kind.order + code, content)[0] if code else None
    except (struct.error, TypeError):
        return None


class Settings(dict):
    """Stands for argparse.Namespace: a dict of its attributes."""

    def __new__(cls, *_):
        return super().__new__(cls)

    def __init__(self, *_):
        super().__init__()

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.update(state)


STAND_INS = [
    (NumberType, "numpy.dtype"),
    (number, "numpy._core.multiarray.scalar"),
    (number, "numpy.core.multiarray.scalar"),
    (Settings, "argparse.Namespace"),
]
"""What `torch.serialization.safe_globals` takes: our object, and the name that a file asks for."""
