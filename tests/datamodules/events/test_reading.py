"""Sources of every form, damaged ones, and whether an error names the row that an editor shows."""

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from datamodules.events.parts import place
from datamodules.events.reading import read_source
from schemas.errors import ConfigError, DataError

ROWS = pd.DataFrame(
    {
        "case": ["a", "a", "b", "b", "c"],
        "note": ["", "x, y", 'said "no"', "two\nlines", "NA"],
        "time": [f"2024-01-0{day} 08:00:00" for day in range(1, 6)],
        "what": ["start", "café", None, "stop", "start"],
    }
)
COLUMNS = ["time", "case", "what"]


def as_parts(folder: Path, ending: str) -> Path:
    folder.mkdir()
    for number, rows in enumerate((ROWS[:2], ROWS[2:])):
        write(rows, folder / f"part-{number}{ending}")
    (folder / "README.txt").write_text("not a table")
    (folder / "_SUCCESS.csv").write_text("")
    return folder


def write(rows: pd.DataFrame, path: Path) -> Path:
    rows.to_parquet(path) if path.suffix == ".parquet" else rows.to_csv(path, index=False)
    return path


def written(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".zip", ".parquet", ".CSV"])
def test_every_form_gives_the_same_rows(tmp_path, ending):
    expected = ROWS[COLUMNS]
    for source in (write(ROWS, tmp_path / f"log{ending}"), as_parts(tmp_path / "parts", ending)):
        frame = read_source(source, COLUMNS)
        assert list(frame) == COLUMNS
        assert frame.fillna("").astype(str).to_numpy().tolist() == expected.fillna("").to_numpy().tolist()
        assert frame["what"].isna().tolist() == expected["what"].isna().tolist()


def test_only_an_empty_cell_is_missing(tmp_path):
    path = written(tmp_path, 'a,b\nNA,nan\n"",None\n')
    assert read_source(path, ["a", "b"]).fillna("-").to_numpy().tolist() == [["NA", "nan"], ["-", "None"]]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8", "UTF8", "utf-8-sig"])
def test_a_named_encoding_is_used(tmp_path, encoding):
    path = written(tmp_path, "case,what\na,café\nb,naïve\n".encode(encoding))
    assert read_source(path, ["what"], encoding)["what"].tolist() == ["café", "naïve"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = written(tmp_path, "case,what\r\na,1\r\n".encode("utf-8-sig"))
    assert read_source(path, ["case"])["case"].tolist() == ["a"]


def test_integers_of_parquet_stay_exact_where_some_are_missing(tmp_path):
    big = 2**53
    ids = pd.array([big, big + 1, None], dtype="Int64")
    pd.DataFrame({"id": ids}).to_parquet(tmp_path / "log.parquet")
    assert read_source(tmp_path / "log.parquet", ["id"])["id"].tolist()[:2] == [big, big + 1]


def test_a_row_is_named_as_an_editor_shows_it(tmp_path):
    texts = ["case,what\n\nrow0,x\n", 'row1,"a\nb"\n\n\nrow2,y\n']
    folder = tmp_path / "parts"
    folder.mkdir()
    written(folder, texts[0] + texts[1], "one.csv")
    written(folder, "what,case\nz,row3\n\n,row4\n", "two.csv")
    frame = read_source(folder, ["case", "what"])
    for row, case in enumerate(frame["case"]):
        file = folder / ("one.csv" if row < 3 else "two.csv")
        line = next(n for n, text in enumerate(file.read_text().splitlines(), start=1) if case in text)
        assert place(frame, row, "?") == f"{file}, row {line}"


def test_rows_of_parquet_and_of_other_frames_count_from_1(tmp_path):
    frame = read_source(write(ROWS, tmp_path / "log.parquet"), ["case"])
    assert place(frame, 2, "?") == f"{tmp_path / 'log.parquet'}, row 3"
    assert place(ROWS, 2, "flights") == "flights, row 3"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.csv", "", r"log\.csv: the file is empty"),
        ("log.csv", "case,what\n", r"log\.csv: it has a header and no rows"),
        ("log.xlsx", "x", r"log\.xlsx: it is no table that can be read.*\.csv"),
        ("log.csv", "case,What\na,1\n", r"log\.csv: it has no column 'what'. Do you mean 'What'\?.*case, What"),
        ("log.csv", "case,activity\na,1\n", r"no column 'what'. Its columns: case, activity\."),
        ("log.csv", "case,what,what\na,1,2\n", r"2 columns named 'what'"),
        ("log.csv", "case,what\n\na,1\nb,2,3\n", r"log\.csv, row 4: .*Expected 2 columns, got 3.*needs quotes"),
        ("log.csv", "case,what\na,1\nb\n", r"log\.csv, row 3: .*Expected 2 columns, got 1"),
        ("log.csv", b"case,what\na,\xc3\xa9\nb,\xe9\n", r"log\.csv, row 3: byte 0xe9 is not UTF-8.*encoding: latin-1"),
        ("log.csv", b"caf\xe9,case,what\n", r"log\.csv, row 1: byte 0xe9"),
        ("log.csv", "case,what\na,1\n".encode("utf-16"), r"row 1: byte 0xff.*encoding: utf-16"),
        (
            "log.csv.gz",
            gzip.compress(b"case,what\n" + b"a,1\n" * 9999, mtime=0)[:-20],
            r"log\.csv\.gz: .*damaged or incomplete",
        ),
        ("log.csv.gz", "case,what\na,1\n", r"log\.csv\.gz: .*damaged or incomplete"),
        ("log.zip", "no zip", r"log\.zip: .*damaged or incomplete"),
        ("log.parquet", "no parquet", r"log\.parquet: it is damaged, incomplete or no Parquet file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read_source(written(tmp_path, content, name), ["case", "what"])


def test_a_zip_of_two_tables_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as archive:
        archive.writestr("a.csv", "case\n1\n")
        archive.writestr("b.csv", "case\n1\n")
    with pytest.raises(DataError, match="it holds 2 files, it must hold one CSV"):
        read_source(tmp_path / "log.zip", ["case"])


def test_a_column_of_lists_is_refused(tmp_path):
    pd.DataFrame({"case": [[1, 2], [3]]}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match="column 'case' holds list"):
        read_source(tmp_path / "log.parquet", ["case"])


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file or folder"):
        read_source(tmp_path / "gone.csv", ["case"])
    with pytest.raises(DataError, match="the folder holds no table"):
        read_source(tmp_path, ["case"])


def test_an_encoding_that_does_not_exist_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no encoding 'latin-99'.*latin-1"):
        read_source(write(ROWS, tmp_path / "log.csv"), ["case"], "latin-99")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(("lacking", "other"), [("part-1", "part-0"), ("part-0", "part-1")])
def test_parts_with_different_columns_are_named(tmp_path, ending, lacking, other):
    folder = as_parts(tmp_path / "parts", ending)
    write(ROWS.drop(columns="note"), folder / f"{lacking}{ending}")
    with pytest.raises(DataError, match=rf"{lacking}{ending}: it has no column 'note', and {other}{ending}"):
        read_source(folder, COLUMNS)


def test_parts_of_two_formats_are_refused(tmp_path):
    folder = as_parts(tmp_path / "parts", ".csv")
    write(ROWS, folder / "part-2.parquet")
    with pytest.raises(DataError, match=r"part-0\.csv is CSV and part-2\.parquet is Parquet"):
        read_source(folder, COLUMNS)


def test_a_part_in_another_encoding_is_named(tmp_path):
    folder = as_parts(tmp_path / "parts", ".csv")
    (folder / "part-1.csv").write_text(ROWS.to_csv(index=False), encoding="latin-1")
    with pytest.raises(DataError, match=r"part-1\.csv, row 3: byte 0xe9 is not UTF-8"):
        read_source(folder, COLUMNS)
