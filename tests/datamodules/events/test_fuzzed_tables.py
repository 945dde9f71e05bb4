"""Tables whose bytes no program wrote: they are read cleanly, or refused by a DataError of one line."""

import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.events.drafting import draft
from datamodules.events.reading import read_source
from datamodules.events.vocabulary import TableSpec, build_table
from schemas.errors import DataError
from tests.datamodules.events.all_train import Everything
from tests.datamodules.skeletons.import_fuzz import damaged, damaged_footer, fuzz

pytestmark = pytest.mark.filterwarnings("ignore")  # of so few events there is much to be told

ROWS = pd.DataFrame(
    {
        "case": ["a", "a", "b", "b", "c", "c"],
        "time": [f"2024-01-0{day} 08:00:00" for day in range(1, 7)],
        "what": ["start", "café", None, 'said "stop"', "two\nlines", "x, y"],
        "cost": [1.5, None, 3.0, 1e9, -2.0, 0.0],
    }
)
SPEC = TableSpec("case", "time", {"what": {}, "cost": {}, "gap": {"kind": "gap", "edges": [0, 3600]}})


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("log.csv", content)
    return packed.getvalue()


CSV = ROWS.to_csv(index=False).encode()
WHOLE = {
    "log.csv": CSV,
    "log.csv.gz": gzip.compress(CSV, 1),
    "log.zip": zipped(CSV),
    "log.parquet": ROWS.assign(time=pd.to_datetime(ROWS["time"])).to_parquet(),
}


def as_table(path: Path) -> None:
    build_table(read_source(path, list(SPEC.columns)), SPEC, Everything(), path, "")


def clean_or_refused(name: str, content: bytes, read) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            read(path)
        except DataError as error:
            assert len(str(error).splitlines()) == 1, f"not one line: {error}"


def test_what_is_damaged_below_is_read_when_it_is_whole(tmp_path):
    for name, content in WHOLE.items():
        (tmp_path / name).write_bytes(content)
        as_table(tmp_path / name)
        assert draft(tmp_path / name).rows == len(ROWS)


@fuzz
@given(data=st.data())
def test_fuzz_csv(data):
    content = data.draw(damaged(CSV))
    packed = {"log.csv": content, "log.csv.gz": gzip.compress(content, 1), "log.zip": zipped(content)}
    name = data.draw(st.sampled_from(sorted(packed)))
    clean_or_refused(name, packed[name], data.draw(st.sampled_from([as_table, draft])))


@fuzz
@given(data=st.data())
def test_fuzz_packed_tables(data):
    """Damaged as files, packing and footer included."""
    name = data.draw(st.sampled_from(["log.csv.gz", "log.zip", "log.parquet", "log.parquet"]))
    clean_or_refused(name, data.draw(damaged(WHOLE[name])), data.draw(st.sampled_from([as_table, draft])))


@fuzz
@given(data=st.data())
def test_fuzz_parquet_footer(data):
    content = data.draw(damaged_footer(WHOLE["log.parquet"]))
    clean_or_refused("log.parquet", content, data.draw(st.sampled_from([as_table, draft])))
