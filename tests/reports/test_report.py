"""What a person who was not there reads, from folders made by hand."""

import json
import re
import shlex
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from reports.report import write_report
from tests.reports.run_folders import CLIPS_CONFIG, CLIPS_STATUS, PROVENANCE, finished_clips, write


class Page(HTMLParser):
    """Its tags with their attributes, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def report(run) -> tuple[str, Page, str]:
    """(the Markdown, the parsed page, the page's source)."""
    text = write_report(run).read_text()
    source = (run / "report.html").read_text()
    return text, Page(source), source


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The report of the finished run over clips."""
    return report(finished_clips(tmp_path_factory.mktemp("told")))


def sections(text: str) -> list[str]:
    return re.findall("^##? (.*)$", text, flags=re.MULTILINE)


def test_the_order_is_that_of_the_questions(told):
    assert sections(told[0]) == [
        "gcn_lstm on gestures: finished",
        "Health",
        "Figures",
        "Best and last epoch",
        "Class by class",
        "What is taken for what (test)",
        "Calibration (test)",
        "What was trained",
        "How it was trained",
        "Data",
        "Epochs",
        "Where it comes from",
        "The command that repeats it",
    ]


def test_the_verdict_stands_first_and_in_its_colour(told):
    text, page, _ = told
    assert text.index("Beats the best baseline by 0.213 [0.113, 0.313]") < text.index("## Health")
    boxes = [attrs["class"] for tag, attrs in page.tags if tag == "blockquote"]
    assert boxes == ["tip", "warning", "note"]


def test_the_model_stands_beside_its_baselines(told):
    text, _, _ = told
    assert "| **gcn_lstm: accuracy** | **0.819** | **0.850** | **0.500** |" in text
    assert "| baseline: linear ridge | 0.606 | 0.600 | 0.600 | +0.213 [0.113, 0.313] |" in text
    assert "| baseline: majority | 0.333 | 0.350 | 0.350 | +0.486 [0.386, 0.586] |" in text
    assert "[0.722, 0.903]" in text
    assert "Tested on 72 clips" in text


def test_settings_data_and_both_counts_are_told(told):
    text, _, _ = told
    for said in ("11,223,143", "11,221,604", "1,539", "AdamW (lr 0.003)", "cosine (warmup 0.05), by step"):
        assert said in text
    for said in ("label_smoothing 0.1", "Flip (probability 0.5)", "| batch of a step | 32 |", "| seed | 7 |"):
        assert said in text
    for said in (
        "160 / 40 / 72",
        "OfficialSplit (validation_share 0.2)",
        "da7a" * 16,
        "5b11" * 16,
        "3 clips were empty",
    ):
        assert said in text
    for said in ("0123456789abcdef", "clean", "torch 2.13.0", "mill", "2 min 5 s"):
        assert said in text


def test_the_page_needs_nothing_but_itself(told):
    _, page, source = told
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", source)
    pictures = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 4
    assert all(src.startswith("data:image/png;base64,iVBOR") for src in pictures)


def test_the_markdown_points_at_pictures_beside_it(clips_run):
    names = re.findall(r"!\[[^]]*\]\(([^)]*)\)", report(clips_run)[0])
    assert names == ["curves.png", "by_part.png", "confusion.png", "calibration.png"]
    assert all((clips_run / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert not [path for path in clips_run.iterdir() if path.name.startswith(".")]


def test_both_forms_say_the_same(told):
    text, page, _ = told
    figures = set(re.findall(r"\d+\.\d{3}", text))
    assert figures and figures <= set(re.findall(r"\d+\.\d{3}", page.text))


def test_the_command_is_the_one_typed(clips_run):
    typed = ["model=gcn_lstm", "paths.data_dir=/my data/x", "datamodule.fields={a: {}, b: 'c'}", "x=`y` $HOME"]
    write(clips_run, overrides=typed)
    text, _, _ = report(clips_run)
    line = re.search(r"^(`{3,})bash\n(.*?)\n\1$", text, flags=re.DOTALL | re.MULTILINE)[2]
    assert shlex.split(line) == ["python", "train.py", *typed]
    assert "in no commit" not in text


def test_a_changed_working_tree_is_told_with_the_command(clips_run):
    git = {"commit": "abc", "diff": "diff --git a/train.py b/train.py\n+x\n", "untracked": ["new.py"]}
    write(clips_run, provenance=PROVENANCE | {"git": git})
    text, _, _ = report(clips_run)
    assert "**changed**: `train.py`; untracked: `new.py`" in text
    assert "in no commit" in text


def test_events_show_each_field_beside_baselines_and_floor(events_run):
    text, _, _ = report(events_run)
    assert "| field | cross-entropy | uniform | bigram | floor | accuracy |" in text
    assert "| `city` | **1.400** | 3.000 | 1.500 | 1.200 | 0.300 |" in text
    assert "Validation, by field." in text
    assert "1,000 / 200 / 300" in text
    assert "What is taken for what" not in text


def test_without_a_verdict_the_reason_is_told(events_run):
    text, _, _ = report(events_run)
    assert "**No verdict.** Fewer than 20 sequences." in text
    assert "The test split stayed closed (`test=false`)." in text
    assert "The health checks found nothing." in text


def test_a_run_that_failed_at_once_says_why_first(tmp_path):
    why = "DataError: /x: not imported.\nImport it."
    status = {
        "state": "failed",
        "why": why,
        "started": "2026-03-01T10:00:00+00:00",
        "updated": "2026-03-01T10:00:01+00:00",
    }
    run = write(tmp_path / "run", config=CLIPS_CONFIG, overrides=["a=1"], status=status)
    text, page, _ = report(run)
    assert text.startswith("# gcn_lstm on gestures: failed")
    assert "DataError: /x: not imported.<br>\n> Import it." in text
    assert [attrs["class"] for tag, attrs in page.tags if tag == "blockquote"] == ["caution", "note"]
    assert "The run ended before its first validation." in text
    assert "python train.py a=1" in text
    assert "No epoch was finished" in text
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_a_run_that_failed_later_shows_its_last_validation_and_provisional_verdict(clips_run):
    verdict = CLIPS_STATUS["result"]["verdict"] | {
        "level": "at or below chance",
        "sentence": "so far at or below chance: accuracy 0.500 on validation",
        "split": "validation",
        "final": False,
        "looks": 4,
    }
    stop = {"check": "finite", "saw": "loss is NaN at step 41", "remedy": "Lower it.", "severity": "stop", "epoch": 5}
    status = {"state": "failed", "why": "not finite", "epochs": 9, "epoch": 4, "verdict": verdict, "findings": [stop]}
    write(clips_run, status=status)
    (clips_run / "evaluation.json").unlink()
    text, page, _ = report(clips_run)
    assert "**Failed after 4 whole epochs.** not finite" in text
    assert "So far at or below chance" in text and "Provisional" in text and "the 4 looks" in text
    assert "**finite** (epoch 5): loss is NaN at step 41. *Lower it.*" in text
    assert "val, best (2) | val, last (4)" in text and "| **0.850** | **0.500** |" in text
    assert "The test split was not reached" in text
    assert [attrs["class"] for tag, attrs in page.tags if tag == "blockquote"] == ["caution"] * 3


def test_an_interrupted_run_says_so(clips_run):
    write(clips_run, status={"state": "interrupted", "epoch": 4, "epochs": 9})
    text, _, _ = report(clips_run)
    assert "**Interrupted** after 4 whole epochs." in text
    assert "4 of 9 epochs" in text


def test_a_run_that_its_search_ended_says_so(clips_run):
    write(clips_run, status={"state": "pruned", "why": "hopeless after epoch 2, with val/loss at 1.5000"})
    text, _, _ = report(clips_run)
    assert "**Pruned by its search**: hopeless after epoch 2, with val/loss at 1.5000." in text


def test_an_empty_folder_gives_a_page(tmp_path):
    text, page, _ = report(tmp_path)
    assert "does not say how the run ended" in text
    assert "what was typed is not known" in text
    assert "No verdict" in page.text


@pytest.mark.parametrize("name", ["status.json", "provenance.json", "evaluation.json", "metrics.csv", "config.yaml"])
def test_a_file_cut_off_anywhere_costs_its_own_part(clips_run, name):
    whole = (clips_run / name).read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 2):
        (clips_run / name).write_bytes(whole[:length])
        text, _, _ = report(clips_run)
        assert "python train.py model=gcn_lstm" in text
    if name.endswith(".json"):
        assert f"{name} cannot be read" in text


@pytest.mark.parametrize(
    "content", ["[]", "null", "3", '"x"', "\x00\x01", "{", '{"result": [1], "findings": 3, "state": {}}']
)
def test_files_of_another_kind_do_not_raise(clips_run, content):
    for name in (
        "status.json",
        "provenance.json",
        "evaluation.json",
        "architecture.json",
        "config.yaml",
        "metrics.csv",
    ):
        (clips_run / name).write_text(content)
    assert "The command that repeats it" in report(clips_run)[0]


def test_figures_that_make_no_sense_cost_their_own_part(clips_run):
    odd = {
        "classes": 3,
        "confusion": [[1, 2], [3]],
        "calibration": [{"count": "many"}],
        "table": {"a": 3, "b": {"c": []}},
    }
    write(clips_run, evaluation=odd)
    text, _, _ = report(clips_run)
    assert "What is taken for what" not in text and "Beats the best baseline" in text


HOSTILE = [
    "a|b",
    "<script>alert(1)</script>",
    "*bold* _it_ `code`",
    "[x](javascript:alert(1))",
    "![y](http://evil.example/x.png)",
    "line\nbreak\t\x1b[31mred\u202e",
    "&amp; &lt;b&gt;",
    "\x02klzzwxh:0001\x03",
    "$x^2$ \\frac",
    "</details></td></table><img src=http://evil.example>",
    "- item",
    "_hidden",
    "",
]


@pytest.fixture
def hostile_run(clips_run):
    """Names that are markup, wherever data can put a name."""
    size = len(HOSTILE)
    counts = [[5 if i == j else int((i + 1) % size == j) for j in range(size)] for i in range(size)]
    table = {name: {"accuracy": 5 / 6, "linear ridge": 0.5, name: name} for name in HOSTILE}
    status = json.loads(json.dumps(CLIPS_STATUS))
    status["findings"] = [{"check": name, "saw": name, "remedy": name, "severity": "note"} for name in HOSTILE]
    status["result"] |= {"data": HOSTILE[1]}
    status["result"]["verdict"]["sentence"] = " ".join(HOSTILE)
    write(clips_run, evaluation={"classes": HOSTILE, "confusion": counts, "table": table}, status=status)
    return clips_run


ALLOWED = (
    "html head meta title style body main h1 h2 p br code strong em blockquote div table thead tbody tr th td span"
)


def test_hostile_names_stay_text(hostile_run):
    text, page, source = report(hostile_run)
    assert {tag for tag, _ in page.tags} <= {*ALLOWED.split(), "img", "ul", "li", "pre"}
    assert all(attrs["src"].startswith("data:") for tag, attrs in page.tags if tag == "img")
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert "://evil" not in source and "could not be made" not in text
    for name in ("a|b", "<script>alert(1)</script>", "*bold* _it_ `code`", "&amp; &lt;b&gt;", "$x^2$ \\frac"):
        assert f"{name}: " in page.text or f"{name} taken for" in page.text


def test_another_reader_of_markdown_sees_the_same_text(hostile_run):
    text, page, _ = report(hostile_run)
    other = Page(MarkdownIt("commonmark").enable("table").render(text))
    assert {tag for tag, _ in other.tags} <= {*ALLOWED.split(), "img", "ul", "li", "pre"}
    assert [attrs["src"] for tag, attrs in other.tags if tag == "img"] == re.findall(r"\]\((\w+\.png)\)", text)
    for tag in ("table", "tr", "td", "li", "blockquote", "h2"):
        assert sum(found == tag for found, _ in other.tags) == sum(found == tag for found, _ in page.tags), tag
    words = re.sub(r"\[!(TIP|NOTE|WARNING|CAUTION)\]", " ", other.text).split()
    assert words == page.text.split()[-len(words) :]


def test_a_long_table_unfolds(clips_run):
    table = {f"class {i}": {"clips": 5, "accuracy": i / 100} for i in range(100)}
    write(clips_run, evaluation={"task": "clips", "table": table})
    text, page, _ = report(clips_run)
    assert text.index("`class 0`") < text.index("`class 39`") < text.index("<details") < text.index("`class 40`")
    assert "the other 60" in page.text
    assert sum(tag == "td" for tag, _ in page.tags) >= 300


def test_a_folder_that_cannot_be_written_raises_an_os_error(tmp_path):
    with pytest.raises(OSError):
        write_report(tmp_path / "not" / "there")
