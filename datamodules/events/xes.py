"""XES event logs (IEEE 1849): the events of all traces as a table of text, an attribute a column.

An event's attribute is the column of its key, its trace's is `case:KEY`, as in pm4py's tables: `case:concept:name` says
which trace, `time:timestamp` when, `concept:name` what. Only attributes of one value (string, date, int, float,
boolean, id) are columns; lists, containers and attributes of attributes are none. What `global` lists are promises
about every event and no values of any. An event outside of all traces has no `case:` cells.
The file is streamed: memory holds the wanted cells and one trace. Entities can only be declared in a document type,
which no XES log needs: a file that has one is refused at once, so that no few bytes unfold into gigabytes.
"""

from collections.abc import Container, Iterator, Sequence
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

import pyarrow as pa

from schemas.errors import DataError

CASE, TIME = "case:concept:name", "time:timestamp"
"""The columns that tell the sequences apart, and when an event was."""
ONE_VALUE = {"string", "date", "int", "float", "boolean", "id"}
CHUNK = 2**20
BATCH = 50_000
"""Events that are plain Python at a time."""
REMEDY = "Export the log again as XES, or restore it from a sound copy."


class Event(NamedTuple):
    """An event of the file."""

    line: int
    """Where it begins, from 1."""
    cells: dict[str, str]
    """Column -> text; what is empty or absent is not there."""


class Log(NamedTuple):
    """What was read of a file."""

    table: pa.Table
    """A column of text a wanted attribute, a row an event in the order of the file."""
    columns: list[str]
    """All that were seen, wanted or not: `CASE` and `TIME`, then the others in the order of their appearance."""


def read_xes(file: BinaryIO, where: object, wanted: Sequence[str] | None = None, least: int | None = None) -> Log:
    """Reads a log.

    Args:
        where: how an error names the file.
        wanted: columns that are kept; one that no event has is all empty. None keeps all.
        least: events after which the rest may be left; None reads all.

    Raises:
        DataError: where it is no XES log, naming the row as an editor counts.
    """
    reader = _Reader(wanted)
    tables, events, count = [], [], 0
    for part in _stream(file, where, reader):
        events += part
        count += len(part)
        if len(events) >= BATCH:
            tables.append(_table(events, reader.columns if wanted is None else wanted))
            events = []
        if least is not None and count >= least:
            break
    columns = sorted(reader.columns, key=lambda name: (name != CASE, name != TIME))
    kept = columns if wanted is None else list(wanted)
    tables.append(_table(events, kept))
    return Log(pa.concat_tables(tables, promote_options="default").select(kept), columns)


def line_of_event(file: BinaryIO, where: object, number: int) -> int:
    """The line, from 1, at which event `number`, from 0, begins."""
    for events in _stream(file, where, _Reader(())):
        if number < len(events):
            return events[number].line
        number -= len(events)
    raise IndexError(number)


def _table(events: list[Event], columns: Sequence[str]) -> pa.Table:
    return pa.table({name: pa.array([event.cells.get(name) for event in events], pa.string()) for name in columns})


def _stream(file: BinaryIO, where: object, reader: "_Reader") -> Iterator[list[Event]]:
    """The events of the traces that end in each chunk of the file."""
    try:
        while chunk := file.read(CHUNK):
            reader.parser.Parse(chunk)
            yield reader.take()
        reader.parser.Parse(b"", True)
    except _NoLogError as error:
        raise DataError(str(error), where=f"{where}, row {error.line}", remedy=REMEDY) from error
    # LookupError and ValueError: of an encoding that it names and that does not exist, or has no byte a letter.
    except (expat.ExpatError, LookupError, ValueError) as error:
        what = f"it is no well-formed XML ({error!s:.200})"
        line = reader.parser.ErrorLineNumber
        raise DataError(what, where=f"{where}, row {line}", remedy=REMEDY) from error


class _NoLogError(Exception):
    """What well-formed XML says that a log does not."""

    def __init__(self, what: str, line: int):
        super().__init__(what)
        self.line = line


class _Reader:
    """What the parser calls at each tag; gathers the events of the traces that have ended."""

    def __init__(self, wanted: Container[str] | None):
        self.columns: dict[str, None] = {}
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self._wanted = wanted
        self._depth = 0
        """Of the open elements."""
        self._event_depth = 0
        """Of the open event; 0 where none is open."""
        self._trace: dict[str, str] | None = None
        """The open trace's own cells, and below its events."""
        self._events: list[Event] = []
        self._ended: list[Event] = []

    def take(self) -> list[Event]:
        """The events since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def _fail(self, what: str) -> None:
        raise _NoLogError(what, self.parser.CurrentLineNumber)

    def _refuse(self, *_: object) -> None:
        self._fail("it declares a document type, which no XES log needs and which may hide more than a log")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        self._depth += 1
        if self._depth == 1 and tag != "log":
            self._fail(f"it is XML of {ascii(tag)[:50]}, and no XES <log>")
        elif tag == "trace" and self._depth == 2:
            self._trace, self._events = {}, []
        elif tag == "event" and self._depth == (2 if self._trace is None else 3):
            self._event_depth = self._depth
            self._events.append(Event(self.parser.CurrentLineNumber, {}))
        elif tag in ONE_VALUE and self._depth == self._event_depth + 1:
            self._put(self._events[-1].cells, "", tag, attributes)
        elif tag in ONE_VALUE and self._depth == 3 and self._trace is not None and not self._event_depth:
            self._put(self._trace, "case:", tag, attributes)

    def _put(self, cells: dict[str, str], prefix: str, tag: str, attributes: dict[str, str]) -> None:
        if "key" not in attributes or "value" not in attributes:
            self._fail(f"a <{tag}> has no key or no value")
        column = prefix + attributes["key"]
        self.columns[column] = None
        if attributes["value"] and (self._wanted is None or column in self._wanted):
            cells[column] = attributes["value"]

    def _end(self, _: str) -> None:
        if self._depth == self._event_depth:
            self._event_depth = 0
            if self._trace is None:
                self._close()
        elif self._depth == 2 and self._trace is not None:
            for event in self._events:
                event.cells.update(self._trace)
            self._trace = None
            self._close()
        self._depth -= 1

    def _close(self) -> None:
        self._ended += self._events
        self._events = []
