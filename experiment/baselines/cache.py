"""Baselines are fitted once for a data set and its split: a file each, named by what they depend on.

A cache is a convenience: what cannot be read is fitted again, what cannot be written is left unwritten.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np

from storage import atomic, fingerprint

VERSION = 1
"""Raised whenever a baseline's definition, or what is kept of it, changes: older files are then not found."""
HEADER = "header"

Baselines = TypeVar("Baselines")


def cached(
    folder: Path | None, key: Sequence, kind: type[Baselines], fit: Callable[[], dict[str, Baselines]]
) -> dict[str, Baselines]:
    """What `fit` returns, or what it returned before for the same key.

    Args:
        folder: where the files lie, made where it is absent; None: no cache.
        key: plain values that together name everything the baselines depend on.
        kind: the dataclass of a split's baselines, of arrays, strings, numbers and mappings to these.
        fit: gives the baselines by split.
    """
    if folder is None:
        return fit()
    path = Path(folder) / f"{fingerprint.of_json([VERSION, *key])}.npz"
    found = _read(path, kind)
    if found is None:
        found = fit()
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, _pack(found))
    return found


def _read(path: Path, kind: type[Baselines]) -> dict[str, Baselines] | None:
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header = json.loads(str(file[HEADER]))
            return {
                split: kind(**{name: _restored(value, file) for name, value in plain.items()})
                for split, plain in header.items()
            }
    except FileNotFoundError:
        return None
    except Exception as error:
        # Bytes that were damaged make zip, numpy and json fail in more ways than can be listed, and whatever the
        # reason is, the answer is to fit again, and to say so.
        warnings.warn(f"{path} cannot be read ({type(error).__name__}): it is made anew", stacklevel=2)
        return None


def _pack(by_split: Mapping[str, object]) -> bytes:
    """A npz of all arrays, and a header of JSON in which they stand by number."""
    arrays: list[np.ndarray] = []
    header = {
        split: {field.name: _plain(getattr(baselines, field.name), arrays) for field in fields(baselines)}
        for split, baselines in by_split.items()
    }
    buffer = BytesIO()
    named = {str(number): array for number, array in enumerate(arrays)}
    np.savez_compressed(buffer, **{HEADER: np.array(json.dumps(header))}, **named)
    return buffer.getvalue()


def _plain(value: object, arrays: list[np.ndarray]) -> object:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {"mapping": {name: _plain(inner, arrays) for name, inner in value.items()}}
    return value


def _restored(plain: object, arrays: Mapping[str, np.ndarray]) -> object:
    if isinstance(plain, list):
        return tuple(plain)
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return arrays[str(plain["array"])]
    return {name: _restored(inner, arrays) for name, inner in plain["mapping"].items()}
