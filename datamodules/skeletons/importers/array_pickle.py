"""Reads a pickle of numpy arrays in plain containers without unpickling: its instructions are followed here.

No module is imported and nothing that the file names is called: the few names that numpy writes stand in the table
below, for each of which a function of this file makes a plain value; any other name is refused. So is what a container
of arrays does not need (objects, sets, the text of protocol 0). Large contents are never held: an array is a place in
the file, and `load` reads it when its clip's turn comes. What takes memory is the containers, 1 to 3 KB a clip, however
long that is; the file is read to its end before the first clip. A hostile file of nothing but tiny containers takes
about 100 times its size.
"""

import io
import mmap
import pickletools
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from datamodules.skeletons.importers.stored_array import RefusedError, Span, StoredArray, plain_dtype, shown
from schemas.errors import DataError

HELD = 1024
"""Bytes up to which a text or a content is kept as it is; keys, ids and labels are."""
SMALL = 100_000
"""Instructions of a small pickle at most: empty containers take many times their bytes."""
PASSED_LIMIT = 32 * 2**20
"""Bytes of the map after which those that were read are given back."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
HEADS = {"SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8}
HEADS |= {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
"""Bytes between an instruction and the text or content that it brings: they say how long it is."""
PUTS, GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
IGNORED = {"PROTO", "FRAME"}


class Name(NamedTuple):
    """A class or function that the file names."""

    text: str


def read_pickle(path: Path, remedy: str) -> object:
    """The one value in a pickle file, its arrays as `StoredArray`.

    Raises:
        DataError: when it is no pickle, is cut short, or holds more than arrays, numbers, texts, lists, tuples, dicts.
    """
    with (
        _named(path, remedy),
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return _Machine(path, mapped, HELD, lambda: mapped.madvise(mmap.MADV_DONTNEED)).run()


def read_pickle_bytes(content: bytes, where: str, remedy: str) -> object:
    """The one value in the bytes of a small pickle, as `read_pickle` gives it; its arrays hold their contents."""
    with _named(where, remedy):
        return _Machine(None, io.BytesIO(content), len(content), lambda: None).run(SMALL)


@contextmanager
def _named(where: object, remedy: str) -> Iterator[None]:
    """Turns what a damaged or hostile pickle raises into a DataError."""
    try:
        yield
    except RefusedError as error:
        raise DataError(f"{error}; nothing of it was run", where=where, remedy=remedy) from error
    except (ValueError, IndexError, TypeError, OverflowError, struct.error) as error:
        why = shown(" ".join(str(error).split()))
        raise DataError(f"it is no pickle, or is damaged ({why})", where=where, remedy=remedy) from error


class _Machine:
    """Follows the instructions of a pickle: a stack of values, the marks in it and the memo.

    Args:
        path: where `file` lies on disk; None where nothing is longer than `held`.
        held: bytes up to which a text or a content is kept as it is.
        forget: called now and then, to give back the memory of what was read.
    """

    def __init__(self, path: Path | None, file: BinaryIO | mmap.mmap, held: int, forget: Callable[[], None]):
        self.file, self.held, self.forget = file, held, forget
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.calls = _calls(path)
        self.steps = {
            "APPEND": lambda _: self._extend(self._pop(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._update(self._pop(2)),
            "SETITEMS": lambda _: self._update(self._since_mark()),
            "GLOBAL": lambda text: self._name(text),
            "STACK_GLOBAL": lambda _: self._name(" ".join(map(shown, self._pop(2)))),
            "REDUCE": lambda _: self._reduce(*self._pop(2)),
            "BUILD": lambda _: self._build(*self._pop(2)),
        }

    def run(self, limit: int | None = None) -> object:
        """The value; of a pickle with more than `limit` instructions a RefusedError."""
        passed = 0
        # A map, unlike a file, gives no more bytes than it has, whatever it is asked for.
        for number, (opcode, argument, start) in enumerate(pickletools.genops(self.file)):
            if limit is not None and number >= limit:
                raise RefusedError(f"it has more than {limit:,} instructions, which one clip does not need")
            if start > passed + PASSED_LIMIT:
                self.forget()
                passed = start
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in IGNORED:
                continue
            if name in PUTS or name == "MEMOIZE":
                self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self.stack[-1]
            elif name in self.steps:
                self.steps[name](argument)
            elif name == "MARK":
                self.marks.append(len(self.stack))
            else:
                self.stack.append(self._value(name, argument, start))
        raise ValueError("it has no end")

    def _value(self, name: str, argument: object, start: int) -> object:
        """What an instruction puts on the stack."""
        if name in LITERALS:
            return argument
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in EMPTY:
            return EMPTY[name]()
        if name in TUPLES:
            return tuple(self._pop(TUPLES[name]))
        if name == "TUPLE":
            return tuple(self._since_mark())
        if name in GETS:
            if argument not in self.memo:
                raise ValueError(f"it takes the value {argument} before it is there")
            return self.memo[argument]
        if name in HEADS:
            at, end = start + 1 + HEADS[name], self.file.tell()
            return argument if end - at <= self.held else Span(at, end, "UNICODE" in name)
        raise RefusedError(f"it holds {name}, which arrays in plain containers do not need")

    def _since_mark(self) -> list[object]:
        return self._cut(self.marks.pop())

    def _pop(self, count: int) -> list[object]:
        at = len(self.stack) - count
        if at < (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes more values than there are")
        return self._cut(at)

    def _cut(self, at: int) -> list[object]:
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def _extend(self, values: Sequence[object]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("it appends to what is no list")
        self.stack[-1].extend(values)

    def _update(self, values: Sequence[object]) -> None:
        keys = values[::2]
        # A tuple as a key would be hashed as deep as it is nested.
        if not isinstance(self.stack[-1], dict) or not all(isinstance(key, str | int) for key in keys):
            raise ValueError("it puts keys into what is no dict, or keys that are neither text nor number")
        self.stack[-1].update(zip(keys, values[1::2], strict=True))

    def _name(self, text: str) -> None:
        if text not in self.calls and text != "numpy ndarray":
            asked = shown(text.replace(" ", "."))
            raise RefusedError(f"it asks for {asked}, which is more than arrays in plain containers")
        self.stack.append(Name(text))

    def _reduce(self, function: object, arguments: object) -> None:
        if not isinstance(function, Name) or function.text not in self.calls or not isinstance(arguments, tuple):
            raise ValueError("it calls what is no function")
        self.stack.append(self.calls[function.text](*arguments))

    def _build(self, made: object, state: object) -> None:
        """What numpy says of an array, or of a dtype, after making an empty one."""
        if not isinstance(made, StoredArray | np.dtype) or not isinstance(state, tuple) or len(state) < 2:
            raise ValueError("it sets the state of what is neither an array nor a dtype")
        if isinstance(made, np.dtype):
            if state[1] not in ("<", "|"):
                raise RefusedError("it holds an array of big-endian numbers or of records")
        else:
            _, made.shape, made.dtype, is_fortran, made.content = state
            made.order = "F" if is_fortran else "C"
            made.check()
        self.stack.append(made)


def _calls(path: Path | None) -> dict[str, Callable[..., object]]:
    """What numpy's pickles call, by name; numpy 2 renamed its core, Python 3 its builtins."""

    def array(content: object, dtype: object, shape: object, order: object) -> StoredArray:
        return StoredArray(dtype, shape, order, content, path).check()

    calls = {
        "numpy dtype": lambda name, *_: plain_dtype(name),
        "_codecs encode": _encoded,
        "builtins bytes": lambda: b"",
        "__builtin__ bytes": lambda: b"",
    }
    for core in ("numpy.core", "numpy._core"):
        calls[f"{core}.multiarray _reconstruct"] = lambda *_: array(b"", np.dtype("u1"), (0,), "C")
        calls[f"{core}.multiarray scalar"] = lambda dtype, content: array(content, dtype, (), "C").load().item()
        calls[f"{core}.numeric _frombuffer"] = array
    return calls


def _encoded(text: object, encoding: object) -> bytes | Span:
    """Bytes as protocols below 3 write them."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str | Span):
        raise RefusedError(f"it encodes {shown(text)} in {shown(encoding)}")
    return text if isinstance(text, Span) else text.encode("latin-1")
