"""The arrays of a `.npz` file as streams; headers are checked before anything is read, and nothing is unpickled."""

import math
import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from datamodules.skeletons.importers import UNREADABLE
from schemas.errors import DataError

COLUMN_LIMIT = 2**28
"""Bytes of an array that is read whole: one number each of 30 million clips."""
KINDS = {"f": "floats", "i": "whole numbers", "u": "unsigned numbers", "U": "text", "b": "bools"}
BAD_HEADER = (SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError)
"""What numpy raises beside ValueError for a header that is no Python literal."""


class Header(NamedTuple):
    """What an array says of itself in the npy format (numpy/lib/format.py)."""

    dtype: np.dtype
    shape: tuple[int, ...]
    is_fortran: bool


def read_header(file: BinaryIO) -> Header:
    """The header at the start of an npy file; raises ValueError where there is none of version 1 or 2."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the npy format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, is_fortran, dtype = read(file)
    except BAD_HEADER as error:
        raise ValueError(f"no header of the npy format ({type(error).__name__})") from error
    return Header(dtype, shape, is_fortran)


class Stream:
    """One array, read row by row from its start."""

    def __init__(self, file: BinaryIO, header: Header, where: str, remedy: str):
        self.header = header
        self._file, self._where, self._remedy = file, where, remedy

    def fail(self, what: str) -> DataError:
        """An error of this array, to be raised."""
        return DataError(what, where=self._where, remedy=self._remedy)

    def take(self, rows: int, last: bool) -> np.ndarray:
        """The next `rows` rows; raises DataError where they are not there, or where more come after the last."""
        dtype, (_, *shape), _ = self.header
        size = dtype.itemsize * rows * math.prod(shape)
        try:
            content = self._file.read(size)
            if len(content) != size or (last and self._file.read(1)):
                raise ValueError(f"it has not the {self.header.shape[0]:,} rows that its header claims")
        except UNREADABLE as error:
            raise self.fail(f"it is damaged ({_one_line(error)})") from error
        return np.frombuffer(content, dtype).reshape(rows, *shape)


class Arrays:
    """The arrays in an open file."""

    def __init__(self, source: Path, archive: zipfile.ZipFile, remedy: str):
        self._source, self._archive, self._remedy = source, archive, remedy
        self.names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}

    def fail(self, name: str, what: str) -> DataError:
        """An error in an array, to be raised."""
        return DataError(what, where=f"{self._source}, array {name}", remedy=self._remedy)

    @contextmanager
    def open(self, name: str, kinds: str, dimensions: int) -> Iterator[Stream]:
        """An array in C order of one of the KINDS, no dimension of which is empty; raises DataError for any other."""
        if name not in self.names:
            raise self.fail(name, "it is not there")
        try:
            file = self._archive.open(f"{name}.npy")
            header = read_header(file)
        except UNREADABLE as error:
            raise self.fail(name, f"it cannot be read ({_one_line(error)})") from error
        dtype, shape, is_fortran = header
        if dtype.kind not in kinds or dtype.itemsize == 0:
            raise self.fail(name, f"it holds {dtype}, it must hold {' or '.join(KINDS[kind] for kind in kinds)}")
        if len(shape) != dimensions or min(shape) < 1:
            raise self.fail(
                name, f"its shape is {list(shape)[:8]}, it must have {dimensions} dimensions, none of them 0"
            )
        if is_fortran and dimensions > 1:
            raise self.fail(name, "it is in Fortran order, in which clips do not lie end to end; write C order")
        with file:
            yield Stream(file, header, f"{self._source}, array {name}", self._remedy)

    def column(self, name: str, kinds: str) -> np.ndarray:
        """[N] a whole array of one dimension."""
        with self.open(name, kinds, dimensions=1) as stream:
            dtype, (rows,), _ = stream.header
            if dtype.itemsize * rows > COLUMN_LIMIT:
                raise self.fail(name, f"it claims {dtype.itemsize * rows:,} bytes, {COLUMN_LIMIT:,} at most")
            column = stream.take(rows, last=True)
        if dtype.kind == "U" and not _is_text(column):
            raise self.fail(name, "it holds characters that are no text")
        return column


def _is_text(column: np.ndarray) -> bool:
    """Whether numpy's 4 bytes a character are characters that can be printed in a line; 0 fills up."""
    points = column.view(column.dtype.byteorder + "u4")
    return not ((points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000)) | ((points > 0) & (points < 32))).any()


@contextmanager
def open_arrays(source: Path, remedy: str) -> Iterator[Arrays]:
    """The arrays of a file; raises DataError where it is no zip file."""
    try:
        archive = zipfile.ZipFile(source)
    except UNREADABLE as error:
        raise DataError(
            f"it is no npz file, or is damaged ({_one_line(error)})", where=source, remedy=remedy
        ) from error
    with archive:
        yield Arrays(source, archive, remedy)


def _one_line(error: Exception) -> str:
    return ascii(str(error))[1:-1][:200]
