"""Tables of results as a person and a program read them: terminal, Markdown, HTML, LaTeX, CSV and the pictures."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import markdown
import pytest
from rich.console import Console

from reports.results.cells import NOT_COMPARABLE, sentence
from reports.results.content import Axis, Bundle, Difference, LeftOut, Mean, Page, Row, Section
from reports.results.latex import as_latex, latex
from reports.results.parallel import as_png as parallel_png
from reports.results.parallel import parallel_figure
from reports.results.plot import MOST, as_png, groups_figure
from reports.results.scale import scale_of, spread
from reports.results.table import as_csv, as_markdown, print_page
from reports.results.web import as_html

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


def unescaped(mark: str, text: str) -> int:
    """How often a mark stands in LaTeX as itself, that is without an odd number of backslashes before it."""
    return sum(len(found[1]) % 2 == 0 for found in re.finditer(rf"(\\*){re.escape(mark)}", text))


def test_latex_is_balanced_and_nothing_of_a_run_is_a_command():
    odd = replace(FIRST, name=r"50%_of & $5 {a} \input{x} #1 ~ ^ <b> | -3 --flag")
    page = Page([replace(SECTION, rows=[odd, SECOND], notes=["About 5 %."]), SECTION], 8, [LEFT])
    text = as_latex(page)
    lines = text.splitlines()
    assert unescaped("{", text) == unescaped("}", text) and unescaped("$", text) % 2 == 0
    assert unescaped("%", text) == 1 and lines[0].startswith("%") and unescaped("_", text) == unescaped("#", text) == 0
    assert re.findall(r"\\(begin|end){(\w+)}", text) == 2 * [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table")
    ]  # fmt: skip
    assert [lines.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [2, 2, 2]
    (columns,) = set(re.findall(r"\\begin{tabular}{(\w+)}", text))
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 6 and {unescaped("&", row) for row in rows} == {len(columns) - 1}
    assert r"50\%\_of \& \$5 \{a\} \textbackslash{}input\{x\}" in text and r"\textless{}b\textgreater{}" in text
    assert (
        "$-$3 -{}-flag" in text
        and r"0.1235 $\pm$ 0.0100\\{}[0.1000, 0.1500]" in text
        and r"val/loss $\downarrow$" in text
    )
    assert "8 runs read, 7 in the tables; no figure is of the other 1." in text and "About 5" in text
    assert latex("a-1 2e-05 [-0.5, -0.25]") == "a-1 2e-05 [$-$0.5, $-$0.25]"


class Reader(HTMLParser):
    """Tags as they nest, cells of the tables, and where pictures come from."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.cells, self.sources, self.faults = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.sources += [known[name] for name in ("src", "href") if name in known]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if "td" in self.open:
            self.cells[-1] += data


def test_html_is_one_file_with_the_same_cells_and_the_pictures_that_were_asked_for():
    page = Reader(as_html(PAGE, {"the <groups>": b"first", "the runs": b"second"}))
    assert not page.faults and not page.open
    assert page.cells[:4] == ["1", FIRST.name, "3 +2 failed", "0.1235 ± 0.0100 [0.1000, 0.1500]"]
    assert SECOND.name in page.cells and "! 0 of 1" in page.cells and FIRST.best_run in page.cells
    assert "DataError: no <clips> at all" in page.cells
    assert page.sources == [f"data:image/png;base64,{data}" for data in ("Zmlyc3Q=", "c2Vjb25k")]
    assert not Reader(as_html(PAGE, {})).sources


BUNDLE = Bundle(
    replace(SECTION, baselines={"val/loss": ("linear ridge", 0.8)}),
    [Axis("spatial_dim", [32, 64, 64]), Axis("optimizer", ["SGD", "AdamW", "AdamW"])],
    [0.9, 0.4, 0.5],
)


def test_parallel_axes_have_the_best_run_on_top_and_over_the_others():
    (panel,) = parallel_figure([BUNDLE]).axes
    (lines,) = panel.collections
    ends = [path.vertices[-1, 1] for path in lines.get_paths()]
    # Losses of 0.9, 0.5 and 0.4, the least of them at the head.
    assert ends == pytest.approx([0.0, 0.8, 1.0]) and lines.get_linewidths()[-1] == max(lines.get_linewidths())
    dark = lines.get_colors()[:, :3].sum(1)
    assert dark[0] > dark[1] > dark[2]
    said = [text.get_text() for text in panel.texts]
    assert {"spatial_dim", "optimizer", "val/loss", "32", "64", "SGD", "AdamW", "linear ridge"} <= set(said)
    places = {text.get_text(): text.get_position() for text in panel.texts}
    assert places["AdamW"][1] > places["SGD"][1] and places["linear ridge"][1] == pytest.approx(0.2)


def test_an_axis_is_logarithmic_where_it_spans_a_decade_and_text_stands_below_the_numbers():
    assert scale_of([0.001, 0.01, 0.1], [0, 0.5, 1]).places == pytest.approx([0, 0.5, 1])
    assert scale_of([1, 2, 5], [0, 0.5, 1]).places == pytest.approx([0, 0.25, 1])
    mixed = scale_of([0.5, "null", 1.0, 0.75], [0, 0.3, 0.6, 1])
    assert mixed.places[1] == 0 and 0 < mixed.places[0] < mixed.places[3] < mixed.places[2] == 1
    assert [text for _, text in mixed.ticks] == ["null", "0.5", "0.75", "1"]
    many = scale_of([0.0001 * 1.5**n for n in range(12)], [0.0] * 12).ticks
    assert {"1e-4", "0.001"} <= {text for _, text in many} and len(many) < 12
    assert scale_of(["a", "a"], [0, 1]).places == [0.5, 0.5]


def test_runs_of_one_value_lie_side_by_side_and_in_order():
    moved = spread([0.0, 0.0, 0.0, 1.0], [0.1, 0.9, 0.5, 0.3])
    assert moved[0] < moved[2] < moved[1] < 0.1 and moved[3] == 1.0


@pytest.mark.parametrize("runs", [1, 200], ids=["one run", "200 runs"])
def test_parallel_axes_of_any_number_can_be_drawn(runs):
    axes = [Axis(f"a_long_name.of_a_key_{n} $x$", [f"v{(run + n) % 3}" for run in range(runs)]) for n in range(20)]
    figure = parallel_figure([Bundle(SECTION, axes, [1.0] * runs), Bundle(SECTION, [], [1.0] * runs)])
    assert (
        "12 of 20 keys" in figure.axes[0].get_title("left")
        and "no key of the config" in figure.axes[1].texts[0].get_text()
    )
    assert parallel_png([Bundle(SECTION, axes[:1], [1.0] * runs)]).startswith(b"\x89PNG")
    assert parallel_png([]).startswith(b"\x89PNG")
