"""Bytes that no program wrote, given to an importer: it must read them cleanly or say a DataError of one line.

`make fuzz` runs the tests called test_fuzz_* on FUZZ_EXAMPLES inputs each.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, load_importer
from datamodules.skeletons.store_writer import StoreWriter
from schemas.errors import DataError
from schemas.skeleton import load_layout

fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Decorates a test beside `@given`."""


def only_clean_reads(format_: str, source: bytes | Mapping[str, bytes], options: Options | None = None) -> bool:
    """Imports `source` as `prepare.py` does, into a store that is thrown away.

    Args:
        source: the bytes of a file, or the files of a folder by their paths in it.

    Returns:
        Whether it was read; False after a DataError. Any other exception is a bug, and passes through.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        _write(path, source)
        try:
            _import(format_, path, options or Options(), Path(folder))
        except DataError as error:
            assert len(str(error).splitlines()) == 1, f"not one line: {error}"
            return False
    return True


def _write(path: Path, source: bytes | Mapping[str, bytes]) -> None:
    if isinstance(source, bytes):
        path.write_bytes(source)
        return
    path.mkdir()
    for name, content in source.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def _import(format_: str, source: Path, options: Options, folder: Path) -> None:
    reading = load_importer(format_).read(source, options)
    skeleton = load_layout(reading.layout) if isinstance(reading.layout, str) else reading.layout
    writer = StoreWriter(folder, "store", skeleton, reading.classes, reading.coordinates, extra=0)
    try:
        for clip in reading.clips:
            writer.add(clip)
        writer.finish(reading.source, reading.importer)
    finally:
        writer.close()


@st.composite
def damaged(draw: Callable, content: bytes) -> bytes:
    """`content` with one to four changes: bytes replaced, cut out, put in or doubled, its end lost; or mere garbage."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        piece = draw(st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(TOKENS)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["replace", "replace", "insert", "cut", "double", "truncate"])):
            case "replace":
                content = content[:at] + piece + content[at + len(piece) :]
            case "insert":
                content = content[:at] + piece + content[at:]
            case "cut":
                content = content[:at] + content[at + length :]
            case "double":
                content = content[: at + length] + content[at:]
            case "truncate":
                content = content[:at]
    return content


@st.composite
def damaged_footer(draw: Callable, content: bytes) -> bytes:
    """A Parquet file whose plan, which stands at its end, is damaged."""
    cut = draw(st.integers(0, 1200))
    footer = draw(damaged(content[-cut - 1 : -8]))
    length = len(footer) if draw(st.booleans()) else cut
    return content[: -cut - 1] + footer + length.to_bytes(4, "little") + b"PAR1"


TOKENS = (b"0", b"-1", b"9" * 12, b"1e999", b"nan", b"inf", b"?", b",", b":", b"\n", b"\r", b'"', b"\x00", b"\xff" * 4)
"""What text and binary formats stumble over."""
