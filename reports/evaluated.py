"""An evaluation's folder as one page, `report.md` with pictures and `report.html` by itself.

It is made of the parts of a run's report; the sentences that a terminal shows too are here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from matplotlib.figure import Figure

from callbacks.pictures import as_png
from reports.calibration import calibration_drawing, calibration_of, calibration_words
from reports.confusion import confused_pairs, confusion_drawing, confusion_of
from reports.headline import verdict_box
from reports.markdown_text import code, escape, figure, interval, plain, table
from reports.origin import data, origin
from reports.page import to_html
from reports.parts import part_picture, part_table
from reports.run_files import RunFiles, mapping, number, read_run, sequence
from storage import atomic

COMPARED = {
    "clips": {"accuracy": "accuracy", "macro_f1": "macro-F1", "loss": "cross-entropy"},
    "events": {"accuracy": "accuracy", "joint_nll": "nats an event"},
}
"""By task, the figures in which members of an ensemble stand beside one another, and what a person calls them."""
NO_NUMBER = "no number"
"""What is said for a null, which JSON has where a net answered with none."""


def write_evaluation_report(folder: Path) -> Path:
    """Writes report.md, report.html and the pictures from what `evaluate.py` left in the folder.

    Returns:
        The path of report.md.
    """
    files = _read(folder)
    drawn = {name: as_png(drawing) for name, drawing in _drawings(files).items() if drawing is not None}
    for name, content in drawn.items():
        atomic.write_bytes(folder / name, content)
    text = "\n\n".join(part.strip() for part in _sections(files, drawn) if part.strip()) + "\n"
    atomic.write_text(folder / "report.md", text)
    heading = plain(f"{files.model} evaluated on {files.data}")
    atomic.write_text(folder / "report.html", to_html(text, heading, drawn))
    return folder / "report.md"


def _read(folder: Path) -> RunFiles:
    files = read_run(folder)
    datamodule = yaml.safe_load((folder / "datamodule.yaml").read_text())
    files.config = {"datamodule": datamodule, "model": {"name": files.evaluation.get("model")}}
    return files


def _drawings(files: RunFiles) -> dict[str, Figure | None]:
    confusion, calibration, after = confusion_of(files), calibration_of(files), calibration_of(_calibrated(files))
    return {
        "by_part.png": part_picture(files),
        "confusion.png": confusion and confusion_drawing(confusion, str(files.evaluation.get("split"))),
        "calibration.png": calibration and calibration_drawing(calibration),
        "calibrated.png": after and calibration_drawing(after),
    }


def _calibrated(files: RunFiles) -> RunFiles:
    """The same, read as if its confidence were the calibrated one."""
    return replace(files, evaluation={"calibration": files.evaluation.get("calibrated")})


def _sections(files: RunFiles, drawn: Mapping[str, bytes]) -> list[str]:
    def section(heading: str, *parts: str) -> str:
        text = "\n\n".join(part for part in parts if part)
        return f"## {heading}\n\n{text}" if text else ""

    def picture(name: str, alt: str) -> str:
        return f"![{alt}]({name})" if name in drawn else ""

    by, confusion, calibration = (
        "Field by field" if files.task == "events" else "Class by class",
        confusion_of(files),
        calibration_of(files),
    )
    return [
        _title(files),
        verdict_box(files),
        section("Figures", _figures(files)),
        section("Members", _members(files)),
        section(by, picture("by_part.png", f"{by.lower()}, beside the baselines"), part_table(files)),
        section(
            "What is taken for what",
            confused_pairs(confusion) if confusion else "",
            picture("confusion.png", "confusion matrix"),
        ),
        section(
            "Calibration",
            calibration_words(calibration) if calibration else "",
            picture("calibration.png", "reliability diagram"),
            temperature_words(files.evaluation, escape),
            picture("calibrated.png", "reliability diagram at the temperature"),
        ),
        section("Data", data(files)),
        section("Where it comes from", origin(files)),
    ]


def _title(files: RunFiles) -> str:
    known = files.evaluation
    lines = [f"{code(path, 200)}, epoch {epoch}" for path, epoch in zip(known["runs"], known["epochs"], strict=True)]
    views = f", of each {escape(known['views'])}" if "views" in known else ""
    text = f"# {escape(files.model)} evaluated on {escape(files.data)}, {escape(known['split'])} split\n\n"
    text += f"{figure(known['size'])} {files.task}{views}. Checkpoint {code(known['checkpoint'])} of:\n\n"
    text += "\n".join(f"- {line}" for line in lines)
    if notes := sequence(known.get("notes")):
        text += "\n\n" + "\n".join(f"- **Note:** {escape(note, 1000)}" for note in notes)
    return text


def _figures(files: RunFiles) -> str:
    rows = [[escape(row["label"]), figure(row["value"]), interval(row["interval"])] for row in _shown(files)]
    levels = mapping(files.evaluation.get("baselines"))
    rows[1:1] = [[f"baseline: {escape(name)}", figure(value), ""] for name, value in levels.items()]
    for name, part in mapping(files.evaluation.get("parts")).items():
        label = f"accuracy on {escape(name.replace('_', ', '))} ({figure(part['members'])})"
        rows.append([label, figure(part["accuracy"]), ""])
    drawn = "sequences" if files.task == "events" else "clips"
    return f"{table(['', files.evaluation['split'], '95 %'], rows)}\n\nIntervals: bootstrap over {drawn}."


def _shown(files: RunFiles) -> list[dict]:
    return list(mapping(files.evaluation.get("figures")).values())


def _members(files: RunFiles) -> str:
    members = sequence(files.evaluation.get("members" if files.task == "clips" else "of_members"))
    if not members:
        return ""
    labels = COMPARED[files.task]
    rows = [
        [code(Path(one["run"]).name, 80), *_row(one["figures"], labels), _temperature(one["temperature"])]
        for one in members
    ]
    rows.append([f"**{escape(files.model)}**", *_row(files.evaluation["figures"], labels), ""])
    header = ["", *(cell for label in labels.values() for cell in (label, "95 %")), "temperature"]
    words = [lead_words(files.evaluation, escape), weight_words(files.evaluation, escape)]
    return "\n\n".join([table(header, rows), *(said for said in words if said)])


def _row(figures: Mapping, labels: Mapping[str, str]) -> list[str]:
    known = [figures[metric] for metric in labels]
    return [cell for one in known for cell in (figure(one["value"]), interval(one["interval"]))]


def _temperature(known: object) -> str:
    """One, or one a field."""
    fields = mapping(known)
    return ", ".join(f"{escape(field)} {figure(value)}" for field, value in fields.items()) or figure(known)


def lead_words(evaluation: Mapping, shown=str) -> str:
    """How an ensemble stands beside the mean of its members and beside the best of them, in words.

    Args:
        shown: how a name is made safe for where the words stand.
    """
    best, mean, task = evaluation["beside_its_best"], evaluation["beside_their_mean"], evaluation["task"]
    name, unit = shown(Path(best["best"]).name), task.removesuffix("s")
    return (
        f"Mean of its members: {_each(mean['figures'], task, '.4f')}. Lead over that mean, {unit} by {unit}: "
        f"{_each(mean['lead'], task, '+.4f')}; over its best member ({name}, chosen in hindsight): "
        f"{_each(best, task, '+.4f')}."
    )


def _each(figures: Mapping, task: str, form: str) -> str:
    """Those of the figures that members are compared by, with their intervals."""
    known = {label: figures[metric] for metric, label in COMPARED[task].items() if metric in figures}
    return ", ".join(f"{label} {_with_interval(one, form)}" for label, one in known.items())


def _with_interval(one: Mapping, form: str) -> str:
    value, (low, high) = one["value"], one["interval"]
    if None in map(number, (value, low, high)):
        return NO_NUMBER
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _change(pair: Sequence[float | None], form: str) -> str:
    """From one figure to another."""
    return " -> ".join(NO_NUMBER if number(value) is None else format(value, form) for value in pair)


def weight_words(evaluation: Mapping, shown=str) -> str:
    """What an ensemble's learned weights are and what they change, in words; empty where its members count the same."""
    if not (known := mapping(evaluation.get("weights"))):
        return ""
    names = [shown(Path(one["run"]).name) for one in evaluation["members"]]
    weights = ", ".join(f"{name} {weight:.3f}" for name, weight in zip(names, known["values"], strict=True))
    said = [f"validation {_change(known['val'], '.4f')}"]
    said += [f"{evaluation['split']} {_change(known['test'], '.4f')}"] if "test" in known else []
    same = "" if "test" in known else " The figures are of the clips that they were learned on."
    return (
        f"Weights learned on {known['clips']:,} validation clips: {weights}; "
        f"cross-entropy beside equal ones: {', '.join(said)} nats.{same}"
    )


def temperature_words(evaluation: Mapping, shown=str) -> str:
    """What calibration by a temperature changes, in words; empty for events, whose own, one a field, are in a note."""
    if evaluation.get("task") == "events":
        return ""
    known = mapping(evaluation.get("temperature"))
    if number(known.get("value")) is None:
        return "No temperature: there is no validation clip to fit it on, or a logit is not a finite number."
    same = " These are the clips that it was fitted on." if evaluation.get("split") == "validation" else ""
    fitted = f"fitted on {known['clips']:,} validation clips of {shown(evaluation['data'])}"
    return (
        f"Temperature {known['value']:.3f}, {fitted}: calibration error {_change(known['calibration_error'], '.3f')}, "
        f"cross-entropy {_change(known['loss'], '.4f')} nats.{same}"
    )
