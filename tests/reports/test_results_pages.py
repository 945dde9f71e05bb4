"""Tables of results as a person and a program read them: terminal, Markdown, CSV and the picture."""

import csv
import io
from dataclasses import replace

import markdown
import pytest
from rich.console import Console

from reports.results.content import Difference, LeftOut, Mean, Page, Row, Section
from reports.results.plot import MOST, as_png, groups_figure
from reports.results.table import NOT_COMPARABLE, as_csv, as_markdown, print_page, sentence

FIRST = Row(
    number=1,
    name="gcn_lstm spatial_dim=64",
    val=Mean(3, 0.123456789, 0.01, (0.1, 0.15)),
    test=Mean(2, 0.8, 0.00002, (0.7, 0.9)),
    runs=3,
    above_chance=3,
    judged=3,
    lost={"failed": 2},
    best_run="logs/a|b/[red]run",
    val_points=[0.11, 0.12, 0.14],
    test_points=[0.75, 0.85],
)
SECOND = replace(
    FIRST,
    number=2,
    name="<b>mine</b>",
    val=Mean(1, 0.4, None, None),
    test=None,
    runs=1,
    above_chance=0,
    judged=1,
    lost={},
    val_points=[0.4],
    test_points=[],
)
SECTION = Section(
    task="clips",
    data="gestures",
    data_fingerprint="da7a" * 16,
    splits=["5b11" * 16],
    folds=0,
    monitor="val/loss",
    monitor_falls=True,
    headline="accuracy",
    headline_falls=False,
    opened=7,
    rows=[FIRST, SECOND],
    baselines={"test/accuracy": ("linear ridge", 0.68), "val/accuracy": ("linear ridge", 0.7)},
    notes=["Something to know."],
)
LEFT = LeftOut("logs/c", "failed", "DataError: no <clips>\nat all")
PAGE = Page([SECTION], 6, [LEFT, LEFT])


def printed(page: Page, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_page(page, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_shows_every_figure_with_its_interval(width):
    text = printed(PAGE, width)
    for shown in (
        "gestures (clips), data da7ada7a, split 5b115b11, test opened 7 times",
        "0.1235 ± 0.0100",
        "[0.1000, 0.1500]",
        "0.8000 ± 2e-05",
        "of 2 only",
        "+2 failed",
        "3 of 3",
        "! 0 of 1",
        "no interval",
        "not opened",
        "logs/a|b/[red]run",
        "Something to know.",
        "6 runs read, 4 in the tables; no figure is of the other 2",
        "failed logs/c: DataError: no <clips> at all",
    ):
        assert shown in text
    assert NOT_COMPARABLE not in text and max(map(len, text.splitlines())) <= max(width, 120)


def test_several_tables_are_said_not_to_be_comparable():
    page = Page([SECTION, replace(SECTION, rows=[replace(FIRST, number=3)])], 6)
    assert NOT_COMPARABLE in printed(page) and NOT_COMPARABLE in as_markdown(page)


def test_a_long_list_of_runs_is_cut_short_on_the_terminal_only():
    page = Page([SECTION], 100, [replace(LEFT, run=f"logs/{number}") for number in range(60)])
    assert "... and 40 more" in printed(page) and "logs/59" not in printed(page)
    assert "logs/59" in as_markdown(page)


def test_markdown_has_the_same_tables_and_nothing_of_a_run_is_markup():
    page = markdown.markdown(as_markdown(PAGE), extensions=["tables"])
    assert page.count("<table>") == 2 and "<b>mine" not in page and "<clips>" not in page
    first = page.split("<tbody>")[1].split("</tr>")[0]
    cells = [cell.split(">", 1)[1] for cell in first.split("</td>")[:-1]]
    texts = [cell.split(">", 1)[1] if cell.startswith("\n") else cell for cell in cells]
    assert len(texts) == 7 and "0.1235 ± 0.0100 [0.1000, 0.1500]" in first and "a&#124;b" in first


def test_csv_has_a_row_a_group_in_full_precision():
    first, second = csv.DictReader(io.StringIO(as_csv(PAGE)))
    assert float(first["val_mean"]) == 0.123456789 and first["data_fingerprint"] == "da7a" * 16
    assert (first["val_n"], first["test_n"], first["opened"], first["left_out"]) == ("3", "2", "7", "2")
    assert (first["test_metric"], first["best_run"]) == ("test/accuracy", "logs/a|b/[red]run")
    assert (second["val_sd"], second["val_low"], second["test_n"], second["test_mean"]) == ("", "", "0", "")
    assert as_csv(Page([], 1)) == "number\n"


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (
            Difference(1, 2, "val/loss", True, Mean(3, -0.5, 0.1, (-0.6, -0.4)), 0.012),
            "1 minus 2, val/loss over 3 pairs of the same seed and fold: "
            "-0.5000 [-0.6000, -0.4000], p 0.012: 1 is better",
        ),
        (
            Difference(1, 2, "test/accuracy", False, Mean(3, -0.5, 0.1, (-0.6, -0.4)), 0.0001),
            "1 minus 2, test/accuracy over 3 pairs of the same seed and fold: "
            "-0.5000 [-0.6000, -0.4000], p < 0.001: 2 is better",
        ),
        (
            Difference(1, 2, "val/loss", True, Mean(3, 0.1, 0.1, (-0.1, 0.3)), 0.2),
            "1 minus 2, val/loss over 3 pairs of the same seed and fold: "
            "+0.1000 [-0.1000, +0.3000], p 0.200: not surely different",
        ),
        (
            Difference(4, 2, "val/loss", True, Mean(1, 0.1, None, None), None),
            "4 minus 2, val/loss over 1 pair of the same seed and fold: +0.1000, no interval: one pair has no spread",
        ),
        (
            Difference(4, 2, "val/loss", True, Mean(2, 0.1, 0.0, None), None),
            "4 minus 2, val/loss over 2 pairs of the same seed and fold: "
            "+0.1000, no interval: all pairs differ by the same",
        ),
        (Difference(1, 2, "val/loss", True, None, None), "1 minus 2, val/loss: no seed and fold in common"),
    ],
    ids=["better", "worse", "unsure", "one pair", "no spread", "no pair"],
)
def test_a_difference_is_one_sentence(difference, text):
    assert sentence(difference) == text
    page = Page([replace(SECTION, differences=[difference])], 4)
    assert text in " ".join(printed(page, 300).split("\n"))


def test_the_picture_shows_means_intervals_runs_and_the_baseline():
    validation, test = groups_figure(PAGE).axes
    lines = [line.get_xydata().tolist() for line in validation.lines]
    assert [[0.123456789, 0.0]] in lines and [[0.1, 0.0], [0.15, 0.0]] in lines
    assert sorted(x for x, _ in next(points for points in lines if len(points) == 3)) == [0.11, 0.12, 0.14]
    # val/loss has no baseline here: the one that is known is of the accuracy.
    assert [line.get_linestyle() for line in validation.lines].count("--") == 0
    dashed = [line for line in test.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [0.68]
    assert [label.get_text() for label in validation.get_yticklabels()] == [
        "gcn_lstm spatial_dim=64  #1",
        "<b>mine</b>  #2 (at chance)",
    ]
    top, bottom = validation.transData.transform([(0, 0), (0, 1)])[:, 1]
    assert top > bottom


def test_a_picture_of_a_thousand_groups_or_of_none_can_be_drawn():
    many = Page([replace(SECTION, rows=[replace(FIRST, number=n) for n in range(1, 1001)])], 3000)
    assert f"the first {MOST} of 1000 groups" in groups_figure(many).axes[0].get_title("left")
    assert as_png(Page([], 1)).startswith(b"\x89PNG")
