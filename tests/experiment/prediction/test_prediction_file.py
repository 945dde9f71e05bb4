"""A file of predictions in parts: who holds it, what is left of it, and what was damaged."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiment.prediction.file import Job, _Parts, write_predictions
from schemas.errors import ConfigError, DataError

SCHEMA = pa.schema([pa.field("number", pa.int32()), pa.field("name", pa.string())], {"from": "a test"})


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("experiment.prediction.file.PART", 4)


def job(total: int = 11, stop: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> Job:
    """Numbers from 0 on, two a batch; those above 8 have no name."""

    def tables(first: int) -> Iterator[pa.Table]:
        for batch in range(first, -(-total // 2)):
            if batch == stop:
                raise error
            numbers = range(batch * 2, min(batch * 2 + 2, total))
            names = [f'"{n}", é' if n < 9 else None for n in numbers]
            yield pa.table([pa.array(numbers, pa.int32()), pa.array(names, pa.string())], SCHEMA)

    return Job({"what": "numbers"}, SCHEMA, total, 2, tables)


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_every_row_once_in_order(name, tmp_path):
    progress: list[int] = []
    written = write_predictions(tmp_path / name, job(), progress.append)
    assert (written.rows, written.empty["name"], written.empty["number"], written.resumed) == (11, 2, 0, 0)
    assert progress == [0, 2, 4, 6, 8, 10, 11]
    if name.endswith("parquet"):
        file = pq.ParquetFile(tmp_path / name)
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 3]
        assert file.schema_arrow.metadata[b"from"] == b"a test"
        assert file.read()["number"].to_pylist() == list(range(11))
    else:
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        assert lines[:2] == ["number,name", '0,"""0"", é"'] and lines[-1] == "10,"


@pytest.mark.parametrize("stop", range(7))
def test_wherever_it_stops_the_next_call_ends_with_the_same_bytes(stop, tmp_path):
    write_predictions(tmp_path / "whole.parquet", job(), lambda _: None)
    output = tmp_path / "p.parquet"
    if stop < 6:
        with pytest.raises(KeyboardInterrupt):
            write_predictions(output, job(stop=stop), lambda _: None)
    assert not output.exists()
    assert (tmp_path / ".p.parquet.parts").exists() == (2 <= stop < 6)
    written = write_predictions(output, job(), lambda _: None)
    assert written.resumed == (stop // 2 * 4 if stop < 6 else 0)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("batch_size", "part"), [(1, 4), (2, 4), (3, 3), (100, 100)])
def test_a_part_has_whole_batches(batch_size, part):
    assert Job({}, SCHEMA, 11, batch_size, lambda first: iter(())).part == part


def test_one_process_at_a_time(tmp_path):
    held = _Parts(tmp_path / "p.csv", job())
    with pytest.raises(ConfigError, match="another process is writing these predictions"):
        write_predictions(tmp_path / "p.csv", job(), lambda _: None)
    held.close()
    write_predictions(tmp_path / "p.csv", job(), lambda _: None)


def test_a_damaged_part_is_an_error_and_the_next_call_a_new_one(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_predictions(tmp_path / "p.csv", job(stop=4), lambda _: None)
    (tmp_path / ".p.csv.parts" / "part_00000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"part_00000000.parquet: this part was damaged since it was written"):
        write_predictions(tmp_path / "p.csv", job(), lambda _: None)
    assert list(tmp_path.iterdir()) == []
    assert write_predictions(tmp_path / "p.csv", job(), lambda _: None).rows == 11


def test_files_of_others_in_the_folder_stay(tmp_path):
    own = tmp_path / ".p.csv.parts" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    write_predictions(tmp_path / "p.csv", job(), lambda _: None)
    assert own.read_text() == "mine" and [path.name for path in own.parent.iterdir()] == ["mine.txt"]
