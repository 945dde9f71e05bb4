"""A numpy array that still lies in a file: what it is, where its numbers are, and whether these two fit."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

ARRAY_LIMIT = 64 * 2**20
"""Bytes of one array; that of a clip of 10,000 frames of two persons has 6 MB."""
PLAIN_DTYPE = re.compile(r"[biufSU]\d{1,4}")


class RefusedError(ValueError):
    """What the file asks for and does not get."""


class Span(NamedTuple):
    """A long text or content, by its place in the file."""

    start: int
    end: int
    is_text: bool


@dataclass
class StoredArray:
    """An array by its place in the file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    order: str
    """C or F."""
    content: bytes | Span
    path: Path | None
    """None where the content is no Span."""

    def check(self) -> "StoredArray":
        """Itself; raises ValueError unless it is described as numpy does and its content is as large as it says."""
        if not isinstance(self.dtype, np.dtype) or self.order not in ("C", "F"):
            raise ValueError("it holds an array that is not described as numpy does")
        if not isinstance(self.content, bytes | bytearray | Span):
            raise ValueError("it holds an array without content")
        sizes = self.shape if isinstance(self.shape, tuple) else (None,)
        if len(sizes) > 8 or not all(type(size) is int and 0 <= size < 2**40 for size in sizes):
            raise ValueError("it holds an array of an impossible shape")
        needed = self.dtype.itemsize * int(np.prod(self.shape, dtype=object))
        if needed > ARRAY_LIMIT:
            raise RefusedError(f"it holds an array of {needed:,} bytes; a clip has {ARRAY_LIMIT:,} at most")
        least, most = self._size()
        if not least <= needed <= most:
            raise ValueError(f"it holds an array of shape {list(sizes)} in {most:,} bytes")
        return self

    def _size(self) -> tuple[int, int]:
        """Least and most bytes of the content; of bytes that were written as text, each takes one or two."""
        if not isinstance(self.content, Span):
            return len(self.content), len(self.content)
        size = self.content.end - self.content.start
        return (size + 1) // 2 if self.content.is_text else size, size

    def load(self) -> np.ndarray:
        """The array; raises ValueError where its content does not fit its shape."""
        content = self.content
        if isinstance(content, Span):
            with open(self.path, "rb") as file:
                file.seek(content.start)
                raw = file.read(content.end - content.start)
            # Protocols below 3 write bytes as the text of the same code points.
            content = raw.decode().encode("latin-1") if content.is_text else raw
        return np.frombuffer(content, self.dtype).reshape(self.shape, order=self.order)


def plain_dtype(name: object) -> np.dtype:
    """The dtype of numbers or texts that has this name; raises RefusedError for any other."""
    if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
        raise RefusedError(f"it holds an array of {shown(name)}, which is neither numbers nor texts")
    return np.dtype(name)


def shown(value: object) -> str:
    """A value in an error: a text in short, of anything else the type; it may be nested deeper than repr can go."""
    return ascii(value)[1:-1][:100] if isinstance(value, str) else f"a {type(value).__name__}"
