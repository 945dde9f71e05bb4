"""The checkpoint file: verified before it is read, its format, and what a run wrote of itself into it.

It holds tensors, plain dicts, lists, strings and numbers. Under "assay" lie format, config, schema, provenance and
history, so that a checkpoint alone says how to rebuild its model.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch

from experiment.checkpoints.archive import check_sums, read_directory, read_record
from experiment.checkpoints.pickled import check_pickle
from experiment.checkpoints.registry import check_plain
from experiment.configs.newer_keys import with_newer_keys
from schemas.errors import CheckpointError, ExperimentError


def _with_newer_keys(record: dict) -> dict:
    known = record.get("config")
    return record | {"format": 2, "config": with_newer_keys(known) if isinstance(known, Mapping) else known}


FORMAT = 2
"""The format that is written. 0: as 1, without the number itself. 1: components lack arguments that they have now."""
MIGRATIONS: dict[int, Callable[[dict], dict]] = {0: lambda record: record | {"format": 1}, 1: _with_newer_keys}
"""From a format to the next one."""
PARTS = {"config": Mapping, "schema": Mapping, "provenance": Mapping, "history": list}
ORDERS = (b"little", b"big")


def verify(path: str | Path) -> None:
    """Reads a whole checkpoint and compares it with its checksums; nothing in it is loaded.

    Raises:
        CheckpointError: the file is missing, damaged in any byte that matters, not written by torch, or it asks for
            more than tensors and plain values. Names the file and the record, and other checkpoints of the run.
    """
    with _opened(Path(path)) as file:
        _verify(file, Path(path))


def read_checkpoint(path: str | Path, map_location: object = "cpu") -> dict:
    """The content of a checkpoint, verified first; `torch.load` with weights_only=True and never without.

    Raises:
        CheckpointError: as `verify`, and for what torch cannot load.
    """
    path = Path(path)
    with _opened(path) as file:
        _verify(file, path)
        file.seek(0)
        # The same open file: what was verified is what is loaded, whatever takes its name meanwhile.
        content = torch.load(file, map_location=map_location, weights_only=True)
        if not isinstance(content, dict):
            raise CheckpointError(f"it holds a {type(content).__name__}, not a checkpoint's dict", where=path)
        _refuse_inflated(content, os.fstat(file.fileno()).st_size, path)
    return content


def check_written(file: Path, path: Path) -> None:
    """Whether a new file, meant for `path`, will load again as tensors and plain values; its tensors are not read."""
    with file.open("rb") as opened:
        try:
            _examine(opened, path)
        except CheckpointError as error:
            remedy = "Keep plain values in what modules and callbacks save."
            raise CheckpointError(f"would not load again: {error.what}", where=path, remedy=remedy) from error


def record_of(content: Mapping, path: str | Path) -> dict:
    """What the run wrote of itself: format, config, schema, provenance, history, in the present format.

    Raises:
        CheckpointError: it is not there, not whole, or of a format that this version does not know.
    """
    record = content.get("assay")
    if not isinstance(record, dict):
        raise CheckpointError(
            "it does not say which config it was made with: no checkpoint of this framework",
            where=path,
            remedy="`python describe.py FILE` shows what it holds.",
        )
    record = migrate(record, path)
    for part, kind in PARTS.items():
        if not isinstance(record.get(part), kind):
            raise CheckpointError(f"its {part} is missing or not what it should be", where=f"{path}: assay.{part}")
    return record


def migrate(record: dict, path: str | Path | None = None) -> dict:
    """A record in the present format, from any older one; raises CheckpointError for a newer or unknown one."""
    found = record.get("format", 0)
    if type(found) is not int or found < 0:
        raise CheckpointError(f"{found!r} is no format", where=path)
    if found > FORMAT:
        raise CheckpointError(
            f"it has format {found}, this version reads up to {FORMAT}", where=path, remedy="Update the framework."
        )
    if found < FORMAT:
        check_plain(record.get("config"), path or "the checkpoint")  # which may be a stranger's, and is walked through
    for step in range(found, FORMAT):
        record = MIGRATIONS[step](record)
    return record


def other_checkpoints(path: Path) -> list[str]:
    """Names of the run's other checkpoints, newest first."""
    try:
        found = [p for p in path.parent.glob("*.ckpt") if p.name != path.name and p.is_file()]
        return [p.name for p in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)]
    except OSError:
        return []


def _verify(file: BinaryIO, path: Path) -> None:
    check_sums(file, _examine(file, path), path)


def _examine(file: BinaryIO, path: Path) -> dict:
    """The file's records, its pickle judged; tensors are not read."""
    records = read_directory(file, path)
    if "byteorder" in records and read_record(file, records["byteorder"]) not in ORDERS:
        raise CheckpointError("the record byteorder is not what torch writes", where=path)
    check_pickle(read_record(file, records["data.pkl"]), {name: r.size for name, r in records.items()}, path)
    return records


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The open file; whatever fails inside becomes a CheckpointError that says what else there is."""
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise CheckpointError("this is no regular file", where=path)
        with path.open("rb") as file:
            yield file
    except ExperimentError as error:
        raise CheckpointError(error.what, where=error.where, remedy=_remedy(path, error.remedy)) from error
    except FileNotFoundError as error:
        raise CheckpointError("there is no such file", where=path, remedy=_remedy(path, None)) from error
    except OSError as error:
        raise CheckpointError(f"cannot be read ({error.strerror})", where=path, remedy=_remedy(path, None)) from error
    except MemoryError as error:
        raise CheckpointError("asks for more memory than there is", where=path) from error
    except Exception as error:
        # torch raises RuntimeError, KeyError, EOFError, UnpicklingError ... for a file that is not what it says.
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"torch cannot load it ({type(error).__name__}: {said})", where=path, remedy=_remedy(path, None)
        ) from error


def _remedy(path: Path, otherwise: str | None) -> str | None:
    if others := other_checkpoints(path):
        return f"Use another checkpoint of this run: {', '.join(others[:3])}."
    return otherwise


def _refuse_inflated(content: object, file_size: int, path: Path) -> None:
    """A tensor may repeat one stored number a billion times over; copying it would fill the memory."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            if value.numel() * value.element_size() > max(value.untyped_storage().nbytes(), file_size):
                shape = list(value.shape)
                raise CheckpointError(f"a tensor of shape {shape} claims more elements than are stored", where=path)
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            waiting += list(dict.values(value)) if isinstance(value, dict) else list(value)
