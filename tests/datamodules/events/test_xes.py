"""XES logs written by the standard library: the table of their CSV, what is no column, faults and mutated bytes."""

import gzip
import tempfile
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import prepare
from datamodules.events.drafting import draft
from datamodules.events.parts import place
from datamodules.events.reading import read_source
from datamodules.events.sources import FileSource
from datamodules.events.vocabulary import TableSpec, build_table
from schemas.errors import DataError
from tests.datamodules.events.all_train import Everything
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz


def attribute(parent: ElementTree.Element, key: str, value: str, kind: str = "string") -> ElementTree.Element:
    return ElementTree.SubElement(parent, kind, key=key, value=value)


def as_xes(rows: pd.DataFrame, path: Path, namespace: str | None = "http://www.xes-standard.org/") -> Path:
    """Writes rows that stand case by case: columns `case:...` at the trace, `time:...` as dates, empty cells absent."""
    log = ElementTree.Element("log", {"xes.version": "1849-2016"} | ({"xmlns": namespace} if namespace else {}))
    ElementTree.SubElement(log, "extension", name="Concept", prefix="concept", uri="http://x/concept.xesext")
    attribute(ElementTree.SubElement(log, "global", scope="event"), "concept:name", "never read")
    attribute(log, "concept:name", "a log of its own name")
    for _, events in rows.groupby("case:concept:name", sort=False):
        trace = ElementTree.SubElement(log, "trace")
        for column in (name for name in rows if name.startswith("case:")):
            attribute(trace, column.removeprefix("case:"), events[column].iloc[0])
        for cells in events.to_dict("records"):
            event = ElementTree.SubElement(trace, "event")
            for key, value in cells.items():
                if not key.startswith("case:") and isinstance(value, str):
                    attribute(event, key, value, "date" if key.startswith("time:") else "string")
    content = ElementTree.tostring(log, "utf-8", xml_declaration=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def made_up(events: int = 600) -> pd.DataFrame:
    number = range(events)
    return pd.DataFrame(
        {
            "case:concept:name": [f"c{n // 6:03d}" for n in number],
            "case:plant": ["north" if n // 6 % 2 else "süd & <west>" for n in number],
            "concept:name": [("begin", "middle", "end")[(n * n + n // 7) % 3] for n in number],
            "time:timestamp": [f"2024-01-{n // 24 + 1:02d}T{n % 24:02d}:30:00.000+01:00" for n in number],
            "org:resource": [None if n % 5 == 0 else f"m{n % 4}" for n in number],
        }
    )


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of splits without events
SPEC = TableSpec(
    "case:concept:name",
    "time:timestamp",
    {
        "what": {"column": "concept:name"},
        "who": {"column": "org:resource"},
        "plant": {"column": "case:plant", "role": "static"},
    },
)


@pytest.mark.parametrize("ending", [".xes", ".xes.gz", ".XES"])
@pytest.mark.parametrize("namespace", [None, "http://www.xes-standard.org/"])
def test_a_log_is_the_table_that_its_csv_is(ending, namespace, tmp_path):
    made_up().to_csv(tmp_path / "log.csv", index=False)
    as_xes(made_up(), tmp_path / f"log{ending}", namespace)
    frames = [FileSource(str(tmp_path / f"log{end}")).frame(list(SPEC.columns)) for end in (".csv", ending)]
    pd.testing.assert_frame_equal(*frames)
    tables = [build_table(frame, SPEC, Everything(), "log", "") for frame in frames]
    assert [field.values for field in tables[0].fields] == [field.values for field in tables[1].fields]
    for column in ("values", "time", "sequence", "starts"):
        assert (getattr(tables[0], column) == getattr(tables[1], column)).all()


def test_a_folder_of_logs_is_one_and_a_part_may_lack_an_attribute(tmp_path):
    rows = made_up(60)
    as_xes(rows[:30], tmp_path / "a.xes")
    as_xes(rows[30:].drop(columns="org:resource"), tmp_path / "b.xes.gz")
    read = read_source(tmp_path, list(rows))
    rows.loc[30:, "org:resource"] = None
    pd.testing.assert_frame_equal(read, rows.astype(read.dtypes))


EVENT = '<event><string key="a" value="1"/></event>'


def test_only_what_has_one_value_at_its_own_level_is_a_column(tmp_path):
    """Attributes of attributes, lists, containers, an empty value, a key twice at two levels, an event on its own."""
    body = """
    <string key="log" value="x"/>
    <trace>
      <string key="concept:name" value="one"><string key="nested" value="x"/></string>
      <event>
        <string key="concept:name" value="go"><string key="meta" value="x"><event/><trace/></string></string>
        <int key="n" value="3"/><float key="f" value="3.0"/><boolean key="b" value="true"/><id key="i" value="x-1"/>
        <list key="l"><values><string key="in list" value="x"/></values></list>
        <container key="k"><string key="in container" value="x"/></container>
        <string key="empty" value=""/>
      </event>
      <event><string key="concept:name" value="stop"/></event>
      <string key="late" value="known"/>
    </trace>
    <trace/>
    <event><string key="concept:name" value="alone"/><string key="case:concept:name" value="own"/></event>
    """
    path = tmp_path / "log.xes"
    path.write_text(f"<log>{body}</log>")
    with pytest.raises(DataError, match="no column 'meta'") as caught:
        read_source(path, ["meta"])
    assert caught.value.remedy == "Its columns: case:concept:name, concept:name, n, f, b, i, empty, case:late."
    columns = ["case:concept:name", "concept:name", "n", "f", "b", "i", "empty", "case:late"]
    assert read_source(path, columns).fillna("-").to_numpy().tolist() == [
        ["one", "go", "3", "3.0", "true", "x-1", "-", "known"],
        ["one", "stop", "-", "-", "-", "-", "-", "known"],
        ["own", "alone", "-", "-", "-", "-", "-", "-"],
    ]


def test_a_row_is_the_line_at_which_its_event_begins(tmp_path):
    as_xes(made_up(12), tmp_path / "log.xes")
    text = (tmp_path / "log.xes").read_text().replace("<event>", "\n\n<event>")
    (tmp_path / "log.xes").write_text(text)
    frame = read_source(tmp_path / "log.xes", ["time:timestamp"])
    lines = text.splitlines()
    for row, moment in enumerate(frame["time:timestamp"]):
        line = next(number for number, line in enumerate(lines, start=1) if moment in line)
        assert place(frame, row, "?") == f"{tmp_path / 'log.xes'}, row {line}"


def test_an_unreadable_moment_names_its_line(tmp_path):
    rows = made_up(12)
    rows.loc[7, "time:timestamp"] = "yesterday"
    path = as_xes(rows, tmp_path / "log.xes")
    path.write_text(path.read_text().replace("<event>", "\n<event>"))
    frame = read_source(path, list(SPEC.columns))
    with pytest.raises(DataError, match=r"log\.xes, row 10: time:timestamp is 'yesterday'"):
        build_table(frame, SPEC, Everything(), path, "")


def test_memory_does_not_grow_with_what_is_not_wanted(tmp_path):
    """16 MB of cells, of which a column of numbers is asked for; the file has a hundredth of that."""
    body = "".join(f'<trace>{EVENT}<string key="s{n % 7}" value="{"x" * 20_000}"/></trace>' for n in range(800))
    (tmp_path / "log.xes.gz").write_bytes(gzip.compress(f"<log>{body}</log>".encode(), 1))
    tracemalloc.start()
    assert len(read_source(tmp_path / "log.xes.gz", ["a"])) == 800
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()


BOMB = '<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n<log>{}</log>'
LOG = "<log>{}</log>"
BAD = {
    "an entity bomb": (BOMB.format(EVENT), "row 1: it declares a document type"),
    "a document type elsewhere": ('<!DOCTYPE log SYSTEM "x.dtd">\n<log/>', "row 1: it declares a document type"),
    "an unknown entity": (LOG.format('\n<trace a="&b;"/>'), r"row 2: it is no well-formed XML \(undefined entity"),
    "not closed": (LOG.format("\n<trace>"), r"row 2: it is no well-formed XML \(mismatched tag"),
    "cut short": ("<log>\n<trace>", "row 2: .*no element found"),
    "text": ("case,time", r"row 1: it is no well-formed XML \(syntax error"),
    "empty": ("", "no element found"),
    "another XML": ("<html/>", "row 1: it is XML of 'html', and no XES <log>"),
    "no key": (LOG.format('<event>\n<string value="x"/></event>'), "row 2: a <string> has no key or no value"),
    "no value": (LOG.format('<event>\n<date key="x"/></event>'), "row 2: a <date> has no key or no value"),
    "no event": (LOG.format("<trace/>"), r"log\.xes: it holds no event"),
    "no such column": (LOG.format(EVENT), r"log\.xes: it has no column 'concept:name'\. Its columns: a\."),
    "an encoding": ('<?xml version="1.0" encoding="x-9"?><log/>', "no well-formed XML"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_line_and_names_its_place(case, tmp_path):
    content, message = BAD[case]
    (tmp_path / "log.xes").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_source(tmp_path / "log.xes", ["concept:name"])
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_gzip_file_is_named(tmp_path):
    for content in (b"<log/>", gzip.compress(LOG.format(EVENT * 999).encode(), mtime=0)[:-20]):
        (tmp_path / "log.xes.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"log\.xes\.gz: it cannot be read: it is damaged"):
            read_source(tmp_path / "log.xes.gz", ["a"])


def test_parts_of_two_formats_are_refused(tmp_path):
    as_xes(made_up(12), tmp_path / "a.xes")
    made_up(12).to_csv(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"a\.xes is XES and b\.csv is CSV"):
        read_source(tmp_path, ["concept:name"])


@pytest.mark.parametrize("ending", [".xes", ".xes.gz"])
def test_inspect_drafts_a_log(ending, door, tmp_path):
    path = as_xes(made_up(), tmp_path / f"log{ending}")
    code, out, _ = door(prepare.main)(f"inspect={path}")
    drafted = yaml.safe_load(out)
    assert code == 0
    assert (drafted["sequence"], drafted["time"]) == ("case:concept:name", "time:timestamp")
    assert drafted["source"]["path"] == str(path)
    assert drafted["fields"]["concept_name"] == {"column": "concept:name"}
    assert drafted["fields"]["case_plant"] == {"column": "case:plant", "role": "static"}
    assert draft(path).rows == 600 and draft(path).whole


SMALL = made_up(12)


def as_table(path: Path) -> None:
    build_table(read_source(path, list(SPEC.columns)), SPEC, Everything(), path, "")


@fuzz
@given(data=st.data())
def test_fuzz_xes(data):
    """Clean tables and drafts, or DataErrors of one line."""
    with tempfile.TemporaryDirectory() as folder:
        content = data.draw(damaged(as_xes(SMALL, Path(folder) / "log.xes").read_bytes()))
        packed = {"plain": content, "packed": gzip.compress(content, 1), "no gzip": content}
        form = data.draw(st.sampled_from(sorted(packed)))
        path = Path(folder) / ("a.xes" if form == "plain" else "a.xes.gz")
        path.write_bytes(packed[form])
        try:
            data.draw(st.sampled_from([as_table, draft]))(path)
        except DataError as error:
            assert len(str(error).splitlines()) == 1, f"not one line: {error}"
