"""Pickles of arrays: what Python and numpy write comes back, and nothing that a stranger's pickle asks for is done."""

import os
import pickle
import pickletools
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.importers.array_pickle import read_pickle, read_pickle_bytes
from datamodules.skeletons.importers.stored_array import StoredArray
from schemas.errors import DataError

RNG = np.random.default_rng(0)
ARRAYS = {
    "half": RNG.normal(size=(2, 30, 17, 3)).astype(np.float16),
    "small": np.arange(3, dtype=np.uint8),
    "one number": np.array(2.5),
    "empty": np.zeros((0, 3), dtype=np.int64),
    "columns first": np.asfortranarray(RNG.normal(size=(40, 50))),
    "with gaps": RNG.normal(size=(40, 50))[:, ::2],
    "texts": np.array(["a", "bä"]),
    "bools": RNG.random((9, 300)) > 0.5,
    "read only": np.frombuffer(bytes(range(200)), dtype=np.uint8),
}
PLAIN = {
    "numbers": [1, 255, 70_000, -3, 2**70, 1.5, float("inf")],
    "others": [None, True, False, "é", "x" * 1000, b"", b"\xff\x00", ()],
    "tuples": [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "scalars": [np.int64(4), np.float32(0.5), np.bool_(True), np.str_("abc")],
    7: {"nested": [[{}], []]},
}


def written(folder: Path, content: bytes | object, protocol: int = 4) -> Path:
    raw = content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol)
    path = folder / "file.pkl"
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("old", [False, True], ids=["", "names of numpy 1"])
def test_arrays_and_plain_values_come_back_as_they_were(protocol, old, tmp_path):
    raw = pickle.dumps({"arrays": ARRAYS, "again": ARRAYS["half"], "plain": PLAIN}, protocol=protocol)
    if old and protocol < 4:
        raw = raw.replace(b"numpy._core.", b"numpy.core.")
    elif old:
        # A text of protocol 4 says its length in the byte before it, and a frame its own.
        for name in (b"numpy._core.multiarray", b"numpy._core.numeric"):
            new = name.replace(b"._core", b".core")
            raw = raw.replace(bytes([len(name)]) + name, bytes([len(new)]) + new)
        assert raw[2:3] == b"\x95"
        raw = raw[:2] + raw[11:]
    result = read_pickle(written(tmp_path, raw), "")
    assert result["plain"] == PLAIN
    assert result["again"] is result["arrays"]["half"]
    for name, array in ARRAYS.items():
        loaded = result["arrays"][name].load()
        assert loaded.dtype == array.dtype, name
        np.testing.assert_array_equal(loaded, array, err_msg=name)


@pytest.mark.parametrize("protocol", [0, 1])
def test_protocols_that_python_3_does_not_write_are_refused(protocol, tmp_path):
    with pytest.raises(DataError, match=r"it holds (DICT|INT), which"):
        read_pickle(written(tmp_path, {"a": [True]}, protocol), "")


class Calls:
    """What pickle would call on loading."""

    def __init__(self, function, *arguments):
        self.asked = function, arguments

    def __reduce__(self):
        return self.asked


HOSTILE = {
    "a command": (Calls(os.system, "touch HACKED"), "posix.system"),
    "eval": (Calls(eval, "open('HACKED', 'w')"), "eval"),
    "an import": (Calls(__import__, "antigravity"), "__import__"),
    "getattr": (Calls(getattr, "x", "upper"), "getattr"),
    "numpy's own loader": (Calls(np.load, "x.npy"), r"numpy\S*load"),
    "a class": (Path("x"), r"pathlib.*Path"),
    "an object array": (np.array([{}, None], dtype=object), "'?O8'?.* neither numbers nor texts"),
    "records": (np.zeros(3, dtype=[("a", "f4")]), "V4"),
    "dates": (np.zeros(3, dtype="M8[s]"), "M8"),
    "big-endian": (np.zeros(300, dtype=">f4"), "big-endian"),
    "a set": ({1, 2}, "(?i)set"),
    "a complex number": (1j, "complex"),
    "an object that is an array": (np.ma.masked_array([1.0]), "numpy.ma"),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_more_than_arrays_is_named_and_not_done(case, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = HOSTILE[case]
    with pytest.raises(DataError, match=message) as caught:
        read_pickle(written(tmp_path, {"annotations": [content]}, protocol), "")
    assert len(str(caught.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file.pkl"]


def array_of(shape: tuple[int, ...], content: bytes, dtype: str = "f4") -> bytes:
    """A pickle of an array that claims a shape."""
    raw = pickle.dumps(np.zeros(1, dtype), protocol=3)
    state = pickle.dumps((1, shape, np.dtype(dtype), False, content), protocol=3)[2:-1]
    at = next(place for op, _, place in pickletools.genops(raw) if op.name == "REDUCE") + 1
    shifted = state.replace(b"q\x00", b"q\x60").replace(b"h\x00", b"h\x60")
    return raw[:at] + shifted + b"b."


CLAIMS = {
    "nothing": b"",
    "no pickle": b"PK\x03\x04 and so on",
    "only a start": b"\x80\x04",
    "a text of 4 GB": b"\x80\x04X\xff\xff\xff\xffabc.",
    "bytes of 1 TB": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.",
    "a bytearray of 1 TB": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
    "a frame of 1 TB": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"abc.",
    "a memo of 4 billion": b"\x80\x02]r\xff\xff\xff\xff",
    "a memo that is not there": b"\x80\x02h\x05.",
    "a whole number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    "an array of 4 TB": array_of((2**40,), b"abcd"),
    "an array of too little": array_of((2,), b"abcd"),
    "an array of too much": array_of((1,), b"abcdefgh"),
    "an array of -1": array_of((-1,), b"abcd"),
    "an array of many dimensions": array_of((1,) * 40, b"abcd"),
    "an array of words": array_of(("a",), b"abcd"),
    "more taken than there is": b"\x80\x02\x86.",
    "a mark too few": b"\x80\x02]e.",
    "a list as key": b"\x80\x02}]K\x01s.",
    "a key without value": b"\x80\x02}(K\x01u.",
    "appended to a number": b"\x80\x02K\x01K\x02a.",
    "a call of a number": b"\x80\x02K\x01)R.",
    "a state of a number": b"\x80\x02K\x01)b.",
    "a name of a number": b"\x80\x04K\x01K\x02\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"\x80\x02K\x01Q.",
}


@pytest.mark.parametrize("case", CLAIMS)
def test_what_a_few_bytes_claim_is_refused_without_the_memory(case, tmp_path):
    path = written(tmp_path, CLAIMS[case])
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_pickle(path, "")
            pytest.fail("it was read")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20 and len(str(caught.value).splitlines()) == 1


def test_the_helper_of_these_tests_writes_sound_arrays_too(tmp_path):
    loaded = read_pickle(written(tmp_path, array_of((2, 1), struct.pack("<2f", 1, 2))), "").load()
    assert loaded.tolist() == [[1], [2]]


@pytest.mark.parametrize("opened", [b"]", b"}K\x01", b"("], ids=["lists", "dicts", "tuples"])
def test_depth_and_circles_are_no_danger(opened, tmp_path):
    closed = {b"]": b"a", b"}K\x01": b"s", b"(": b"t"}[opened]
    deep = read_pickle(written(tmp_path, b"\x80\x02" + opened * 100_000 + b"N" + closed * 100_000 + b"."), "")
    assert isinstance(deep, list | dict | tuple)
    circle: list = []
    circle.append(circle)
    result = read_pickle(written(tmp_path, circle), "")
    assert result[0] is result


def test_a_small_pickle_has_few_instructions():
    sound = b"\x80\x02]" + b"Na" * 40_000 + b"."
    assert read_pickle_bytes(sound, "here", "") == [None] * 40_000
    with pytest.raises(DataError, match="more than 100,000 instructions"):
        read_pickle_bytes(b"\x80\x02]" + b"]a" * 60_000 + b".", "here", "")


def test_contents_stay_in_the_file(tmp_path):
    """The arrays are 24 MB, what is kept while reading far less."""
    arrays = [RNG.normal(size=(2, 100, 25, 3)).astype(np.float32) for _ in range(400)]
    path = written(tmp_path, arrays, protocol=2)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        result = read_pickle(path, "")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(isinstance(array, StoredArray) for array in result)
    assert size > 24e6 and peak < 3e6
    np.testing.assert_array_equal(result[399].load(), arrays[399])
