"""What an evaluation prints fits the width that there is."""

import io

import pytest
from rich.console import Console

from experiment.evaluation.tables import print_evaluation

BASELINES = ("uniform", "unigram", "bigram", "pair", "5-gram", "counts (best on val)")
ROW = (
    {"cross-entropy": 1.25}
    | dict.fromkeys(BASELINES, 1.5)
    | {"accuracy": 0.5, "accuracy, copy-last": 0.25, "accuracy, counts (best on val)": 0.375}
    | {"verdict": "beats the best baseline"}
)


def printed(width: int, tmp_path, fields: int = 3) -> str:
    numbers = {
        "model": "event_predictor",
        "data": "a log",
        "split": "test",
        "size": 9,
        "figures": {"loss": {"label": "mean cross-entropy", "value": 1.25, "interval": (1.0, 1.5)}},
        "baselines": {},
        "table": {f"field {number}": ROW for number in range(fields)},
        "table_title": "by field, nats",
        "temperature": None,
        "verdict": None,
        "verdict_missing": "nobody asked",
        "notes": [],
    }
    console = Console(width=width, file=io.StringIO())
    print_evaluation(numbers, tmp_path, console)
    return console.file.getvalue()


def test_a_narrow_table_leaves_out_whole_columns_and_names_them(tmp_path):
    text = printed(80, tmp_path)
    heading = next(line for line in text.splitlines() if "cross-entropy " in line and "mean" not in line)
    assert " ".join(heading.split()) == "cross-entropy counts (best on val) accuracy verdict" and "…" not in text
    assert "beats the best" in text
    left_out = next(line for line in text.splitlines() if line.endswith(": in the report"))
    for name in ("uniform", "unigram", "bigram", "pair", "5-gram", "accuracy, copy-last"):
        assert name in left_out


def test_a_wide_table_has_every_column(tmp_path):
    text = printed(200, tmp_path)
    assert all(name in text for name in ROW) and "in the report" not in text


@pytest.mark.parametrize("width", [80, 200])
def test_rows_beyond_the_first_are_counted(width, tmp_path):
    assert "and 5 more" in printed(width, tmp_path, fields=45)
