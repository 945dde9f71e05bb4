"""How a run ended, in its own TensorBoard: the end of its row of HParams, the report as text, and its pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from callbacks.hparams import RESULT, end_row
from experiment.results.latest import BOARD
from experiment.run_folder import FINISHED, PRUNED
from reports.report import CLIPS, MISTAKES
from reports.run_files import RunFiles, mapping, number, read_run

ELSEWHERE = {
    "curves.png": "the custom scalars",
    "by_part.png": "the images `classes/...` or `fields/...`",
    "confusion.png": "the images `confusion/...`",
    MISTAKES: "the images `mistakes/...`",
    CLIPS: "the image `clips/train`",
}
"""Pictures of the report -> what of the board, drawn for its narrow cards, shows the same."""
PICTURE = re.compile(r"!\[([^]]*)\]\(([\w.-]+\.png)\)")
"""In the report: what it shows, and its file."""
ALERT = re.compile(r"^> \[!(\w+)\]$", re.MULTILINE)
FOLDED = re.compile(r"<details[^>]*>\s*<summary>(.*?)</summary>|</details>")
"""GitHub's boxes, and what unfolds on a click: TensorBoard would show their marks, and of the second no tables."""


def write_to_board(run: Path) -> None:
    """Writes report, pictures and figures of a run that has ended, if its training had begun and has a board.

    They lie where HParams began the row, which is emptied when a run that was cut off goes on.

    Raises:
        OSError: when the folder cannot be written.
    """
    if not (place := run / BOARD / RESULT).is_dir():
        return
    files = read_run(run)
    step = int(number(files.best.get("step")) or 0)
    with SummaryWriter(place) as writer:
        end_row(writer, files.state in (FINISHED, PRUNED), dict(best_figures(files)), step)
        if (run / "report.md").is_file():
            report = (run / "report.md").read_text()
            writer.add_text("report", report_text(report), step)
            for _, name in PICTURE.findall(report):
                if name not in ELSEWHERE:
                    writer.file_writer.add_summary(_picture(run / name), step)


def best_figures(run: RunFiles) -> Iterator[tuple[str, float]]:
    """`result/loss` and so on of validation at the best epoch, `result/epoch`, that epoch, and `result/test/...`, what
    its weights reach on the test split, each as far as it is known; a field's or class's own figures are left out.

    TensorBoard shows the first five metrics by name, and these are validation's.
    """
    figures = {"epoch": run.best_epoch, **run.best, **mapping(run.test.get("metrics"))}
    for name, value in figures.items():
        shown = name == "epoch" or (name.startswith(("val/", "test/")) and name.count("/") == 1)
        if shown and number(value) is not None:
            yield f"result/{name.removeprefix('val/')}", value


def report_text(report: str) -> str:
    """The report as TensorBoard's Markdown has it: no boxes, nothing folded, and where to find its pictures."""
    text = ALERT.sub(lambda box: f"> **{box[1].capitalize()}.**", report)
    text = FOLDED.sub(lambda mark: f"**{mark[1]}**" if mark[1] else "", text)
    return PICTURE.sub(_pointer, text)


def _pointer(picture: re.Match) -> str:
    alt, name = picture.groups()
    return f"*{alt}: `{name}` in the run's folder; here {ELSEWHERE.get(name, f'the image `{_tag(name)}`')}*"


def _tag(name: str) -> str:
    return f"report/{name.removesuffix('.png')}"


def _picture(path: Path) -> Summary:
    """The file as it is, which SummaryWriter.add_image would draw anew."""
    with Image.open(path) as opened:
        width, height = opened.size
    image = Summary.Image(encoded_image_string=path.read_bytes(), height=height, width=width, colorspace=4)
    return Summary(value=[Summary.Value(tag=_tag(path.name), image=image)])
