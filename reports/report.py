"""A run's folder as one page for a person who was not there: `report.md` with pictures, and `report.html` by itself.

Order: did it learn and compared with what, is anything wrong, then what exactly was trained.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure

from callbacks.pictures import as_png
from reports.calibration import calibration_drawing, calibration_of, calibration_words
from reports.confusion import confused_pairs, confusion_drawing, confusion_of
from reports.curves import curves
from reports.epochs import best_and_last, epoch_table
from reports.headline import findings, headline_table, title, verdict_box
from reports.markdown_text import escape, plain
from reports.origin import command, data, origin
from reports.page import to_html
from reports.parts import part_picture, part_table
from reports.run_files import RunFiles, read_run
from reports.trained import architecture, settings
from storage import atomic

CLIPS, MISTAKES = "clips.png", "mistakes.png"
ELSEWHERE = (CLIPS, MISTAKES)
"""Drawn during training; all other pictures are drawn here."""
LARGEST = 5_000_000
"""Bytes of a picture made elsewhere that the page takes in."""


def write_report(run: Path) -> Path:
    """Writes report.md, report.html and the pictures into a run's folder, whatever state the run is in.

    Reads that folder only; what is missing or damaged is said in the page and costs its own part.

    Returns:
        The path of report.md.

    Raises:
        OSError: when the folder cannot be written.
    """
    run, files = Path(run), read_run(Path(run))
    pictures = _draw(files)
    for name, content in pictures.items():
        if name not in ELSEWHERE:
            atomic.write_bytes(run / name, content)
    text = "\n\n".join(part.strip() for part in _sections(files, pictures) if part.strip()) + "\n"
    atomic.write_text(run / "report.md", text)
    heading = plain(f"{files.model} on {files.data}: {files.state}")
    atomic.write_text(run / "report.html", to_html(text, heading, pictures))
    return run / "report.md"


def _draw(files: RunFiles) -> dict[str, bytes]:
    """File name -> PNG of each picture that the run has the figures for."""
    drawings: dict[str, Callable[[], Figure | None]] = {
        "curves.png": lambda: curves(files),
        "by_part.png": lambda: part_picture(files),
        "confusion.png": lambda: (known := confusion_of(files)) and confusion_drawing(known, _split(files)),
        "calibration.png": lambda: (known := calibration_of(files)) and calibration_drawing(known),
    }
    pictures = {}
    with warnings.catch_warnings():
        # A name in a script that the font has not is drawn as boxes; the tables have it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        for name, draw in drawings.items():
            if drawn := _survive(files, name, lambda draw=draw: (figure := draw()) and as_png(figure)):
                pictures[name] = drawn
    for name in ELSEWHERE:
        with suppress(OSError):
            if (files.path / name).stat().st_size <= LARGEST:
                pictures[name] = (files.path / name).read_bytes()
    return pictures


def _sections(files: RunFiles, pictures: dict[str, bytes]) -> list[str]:
    def section(heading: str, *parts: str) -> str:
        text = "\n\n".join(part for part in parts if part)
        return f"## {heading}\n\n{text}" if text else ""

    def picture(name: str, alt: str) -> str:
        return f"![{alt}]({name})" if name in pictures else ""

    def written(name: str, write: Callable[[], str | None]) -> str:
        return _survive(files, name, write) or ""

    confusion = written("the confusion", lambda: (known := confusion_of(files)) and confused_pairs(known))
    calibration = written("the calibration", lambda: (known := calibration_of(files)) and calibration_words(known))
    by = "Field by field" if files.task == "events" else "Class by class"
    split = _split(files)
    parts = [
        written("the title", lambda: title(files)) or "# A run",
        written("the verdict", lambda: verdict_box(files)),
        written("the findings", lambda: findings(files)),
        written("the figures", lambda: headline_table(files)),
        section(
            "Best and last epoch",
            written("best and last", lambda: best_and_last(files)),
            picture("curves.png", "learning curves"),
        ),
        section(
            by,
            picture("by_part.png", f"{by.lower()}, beside the baselines"),
            written("the parts", lambda: part_table(files)),
        ),
        section(
            f"What is taken for what ({split})",
            confusion,
            picture("confusion.png", "confusion matrix"),
            picture(MISTAKES, "the surest mistakes"),
        ),
        section(f"Calibration ({split})", calibration, picture("calibration.png", "reliability diagram")),
        section("What was trained", written("the architecture", lambda: architecture(files))),
        section("How it was trained", written("the settings", lambda: settings(files))),
        section("Data", written("the data", lambda: data(files)), picture(CLIPS, "training clips")),
        section("Epochs", written("the epochs", lambda: epoch_table(files))),
        section("Where it comes from", written("the origin", lambda: origin(files))),
        section("The command that repeats it", written("the command", lambda: command(files))),
    ]
    return [*parts, section("What could not be read", "\n".join(f"- {escape(line)}" for line in files.damaged))]


def _split(files: RunFiles) -> str:
    return "validation" if files.evaluation.get("split") == "validation" else "test"


def _survive(files: RunFiles, name: str, make: Callable[[], object]) -> object | None:
    """A part whose figures make no sense costs that part only: a run's own error may be on its way up."""
    try:
        return make()
    except OSError:
        raise
    except Exception as error:
        files.damaged.append(f"{name} could not be made of what is there ({type(error).__name__}: {error})")
        return None
