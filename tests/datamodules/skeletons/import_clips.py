"""Made-up sources for the tests of importers: written to disk, read back as clips or as the bytes of a store."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.importers import Options, Reading, load_importer
from datamodules.skeletons.store_writer import Clip, new_store
from schemas.skeleton import load_layout

REAL_UCLA = Path(os.environ.get("ASSAY_DATA") or Path(__file__).parents[3] / "../shared/data") / "skeletons/nw_ucla.zip"


def ucla_clips() -> dict[str, Clip]:
    """Every tenth clip of the real NW-UCLA, by its id: [T, 20, 3], a joint that was not seen at zero."""
    if not REAL_UCLA.exists():
        pytest.skip(f"needs the real data: {REAL_UCLA} is not there; set ASSAY_DATA to the folder of the data sets")
    _, clips = read_clips("nw_ucla", REAL_UCLA)
    return dict(list(clips.items())[::10])


def made_up(seed: int, *shape: int) -> np.ndarray:
    """float32 numbers of all their bits."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Writes files by their paths in `folder`, and returns it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """Writes files into a zip, and returns it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read_clips(format_: str, source: Path, **options) -> tuple[Reading, dict[str, Clip]]:
    """What an importer says of a source, and its clips by id in the order in which they came."""
    reading = load_importer(format_).read(source, Options(**options))
    clips = list(reading.clips)
    assert len({clip.id for clip in clips}) == len(clips)
    return reading, {clip.id: clip for clip in clips}


def store_bytes(format_: str, source: Path, target: Path, **options) -> dict[str, bytes]:
    """The files of the store of a source."""
    reading = load_importer(format_).read(source, Options(**options))
    layout = load_layout(reading.layout) if isinstance(reading.layout, str) else reading.layout
    facts = {"source": reading.source, "importer": reading.importer, "coordinates": reading.coordinates}
    with new_store(target, layout, reading.classes, **facts) as writer:
        for clip in reading.clips:
            writer.add(clip)
    return {path.name: path.read_bytes() for path in sorted(target.iterdir())}
