"""A file of predictions that appears whole: written in parts beside it, which a later call goes on with.

The parts lie in a hidden folder with the job that they are of. Each has the rows of `Job.part` clips or sequences, so
that a file made in two goes has the same row groups, and the same bytes, as one made in one.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ConfigError, DataError, ExperimentError
from storage import atomic

PART = 4096
"""Clips or sequences of a part at most, where a batch has no more: a part has whole batches."""


@dataclass(frozen=True)
class Job:
    """What is to be predicted, and how."""

    facts: Mapping[str, object]
    """Plain values: with equal ones, equal predictions come out."""
    schema: pa.Schema
    total: int
    """Clips or sequences, for the progress bar."""
    batch_size: int
    tables: Callable[[int], Iterator[pa.Table]]
    """From the number of a first batch to the rows of that batch and of all that follow."""
    notes: list[str] = field(default_factory=list)
    """What a reader of the predictions should know."""

    @property
    def part(self) -> int:
        """Clips or sequences of a part, the batches that fit into `PART`: what is lost at most when it is cut off."""
        return max(PART // self.batch_size, 1) * self.batch_size


@dataclass(frozen=True)
class Written:
    """What came of a job."""

    rows: int
    empty: Counter[str]
    """Column -> cells without a value."""
    resumed: int
    """Clips or sequences that an earlier call had predicted."""


def write_predictions(output: Path, job: Job, progress: Callable[[int], None]) -> Written:
    """Predicts what an earlier call has not, and joins all parts to `output`.

    Cut off, the whole parts stay for the next call; after an error that a user has to mend nothing does.

    Args:
        output: ends in .parquet or .csv, and is not there yet.
        progress: called with the clips or sequences that are done.

    Raises:
        ConfigError: another process is writing it.
        DataError: a part was damaged since it was written.
    """
    parts = _Parts(output, job)
    each = job.part // job.batch_size
    try:
        resumed = len(parts.names) * each
        progress(min(resumed * job.batch_size, job.total))
        batches = job.tables(resumed)
        while tables := list(_counted(islice(batches, each), job, len(parts.names) * each, progress)):
            parts.add(pa.concat_tables(tables))
        rows, empty = parts.join()
    except ExperimentError:
        parts.remove()
        raise
    except BaseException:
        parts.close()
        raise
    return Written(rows, empty, min(resumed * job.batch_size, job.total))


def _counted(tables: Iterator[pa.Table], job: Job, first: int, progress: Callable[[int], None]) -> Iterator[pa.Table]:
    for number, table in enumerate(tables, start=first + 1):
        yield table
        progress(min(number * job.batch_size, job.total))


class _Parts:
    """The hidden folder of one output; this process alone has it."""

    def __init__(self, output: Path, job: Job):
        self.output, self.schema = output, job.schema
        self.folder = output.with_name(f".{output.name}.parts")
        self.folder.mkdir(exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            what = "another process is writing these predictions"
            raise ConfigError(what, where=output, remedy="Wait for it, or name another output.") from error
        except OSError:
            pass  # a file system without locks: there, two processes are not told apart
        facts = json.dumps({**job.facts, "batch_size": job.batch_size, "part": PART}, sort_keys=True)
        if self._job() != facts:
            self._unlink()
            atomic.write_text(self.folder / "job.json", facts)
        self.names = self._found()

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("part_*.parquet"))

    def _job(self) -> str | None:
        file = self.folder / "job.json"
        return file.read_text() if file.is_file() else None

    def add(self, table: pa.Table) -> None:
        path = self.folder / f"part_{len(self.names):08d}.parquet"
        content = pa.BufferOutputStream()
        pq.write_table(table, content)
        atomic.write_bytes(path, content.getvalue().to_pybytes())
        self.names.append(path)

    def join(self) -> tuple[int, Counter[str]]:
        """Puts the output in place, a part at a time, and removes the parts."""
        rows, empty, joined = 0, Counter(), self.folder / "joined"
        write = _csv if self.output.suffix.lower() == ".csv" else _parquet
        for table in write(joined, self.schema, map(self._read, self.names)):
            rows += len(table)
            empty.update({name: table[name].null_count for name in table.column_names})
        atomic.sync(joined)
        os.replace(joined, self.output)
        atomic.sync(self.output.parent)
        self.remove()
        return rows, empty

    def _read(self, path: Path) -> pa.Table:
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            what = f"this part was damaged since it was written ({type(error).__name__}); all parts are removed"
            raise DataError(what, where=path, remedy="Predict again.") from error

    def remove(self) -> None:
        """Takes the folder away, but for files in it that are not ours."""
        self._unlink()
        (self.folder / "lock").unlink(missing_ok=True)
        self._lock.close()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _unlink(self) -> None:
        for path in (*self._found(), self.folder / "job.json", self.folder / "joined"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keeps what there is for the next call; where there is nothing, nothing stays."""
        if self.names:
            self._lock.close()
        else:
            self.remove()


def _parquet(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    with pq.ParquetWriter(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
            yield table


def _csv(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(schema.names) + "\n")
        for table in tables:
            # As numpy's integers, those without a value would make floats of the others.
            frame = table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
            frame.to_csv(file, index=False, header=False, lineterminator="\n")
            yield table
