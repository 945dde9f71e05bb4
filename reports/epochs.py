"""The best and the last epoch, why they differ, and the table of epochs."""

from itertools import pairwise
from math import sqrt
from statistics import median

from reports.markdown_text import code, figure, table
from reports.run_files import RunFiles, at, number, rises

SHOWN = ("loss", "accuracy", "macro_f1", "top5", "joint_nll", "calibration_error")
WHOLE = 30
"""Epochs up to which every row is shown."""


def best_and_last(run: RunFiles) -> str:
    """In words: which epoch was best, how the last one differs and what the history says of the cause."""
    values = dict(run.series(run.monitor))
    best, last = run.best_epoch, max(values, default=None)
    if best not in values:
        return f"No epoch has a finite {code(run.monitor)}: none can be called best." if run.history else ""
    name, known = code(run.monitor), sorted(values.items())
    if len(values) == 1:
        return f"There is one validated epoch: {name} {figure(values[best])}. {_gap(run, best)}".strip()
    noise = _noise([value for _, value in known])
    if best == last:
        return f"The last epoch ({last}) is the best: {name} {figure(values[best])}. {_still_better(known, noise)}"
    gap, figures = abs(values[best] - values[last]), _told_apart(values[best], values[last])
    if clips := number(at(run.provenance, "clips.val")) if run.monitor == "val/accuracy" else None:
        figures[1] += f", a difference of {figure(round(gap * clips))} of {figure(clips)} clips"
    said = f"{name} was best at epoch {best} of {last}, {figures[0]}; at the last it was {figures[1]}."
    if noise is not None and gap <= noise:
        usual = f"Half the steps from one epoch to the next are at least {noise:.2g}"
        return f"{said} {usual}: a difference of {gap:.2g} is within the noise. {_gap(run, last)}".strip()
    return " ".join(part for part in (said, _cause(run, best, last), _luck(run, values), _gap(run, last)) if part)


def epoch_table(run: RunFiles) -> str:
    """Every epoch, or of many the first, every nth, the best and the last; the main columns only."""
    rows = run.history
    if not rows:
        return "No epoch was finished."
    columns = [f"{split}/{metric}" for metric in SHOWN[:2] for split in ("train", "val")]
    columns += [f"val/{metric}" for metric in SHOWN[2:]]
    columns = ["lr", *(name for name in columns if any(name in row for row in rows)), "seconds"]
    kept, every = rows, 1
    if len(rows) > WHOLE:
        every = -(-len(rows) // 24)
        kept = [r for i, r in enumerate(rows) if i < 3 or r["epoch"] % every == 0 or r is rows[-1] or _is_best(run, r)]
    body = []
    for row in kept:
        epoch = f"**{figure(row['epoch'])}, best**" if _is_best(run, row) else figure(row["epoch"])
        cells = [_cell(name, row.get(name)) for name in columns]
        body.append([epoch, *(f"**{cell}**" if _is_best(run, row) and cell else cell for cell in cells)])
    text = table(["epoch", *(name.replace("calibration_error", "calibration") for name in columns)], body)
    if len(kept) < len(rows):
        text += f"\n\n{len(kept)} of {len(rows)} epochs: the first, every {every}th, the best and the last."
        text += " All of them, with every column, are in `metrics.csv`."
    return text


def _is_best(run: RunFiles, row: dict[str, float]) -> bool:
    return run.best_epoch is not None and row["epoch"] == run.best_epoch


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if number(value) is None:
        return "**not finite**"
    return f"{value:.2e}" if name == "lr" else f"{value:.1f}" if name == "seconds" else figure(float(value))


def _noise(values: list[float]) -> float | None:
    """The median step from one epoch to the next over the later half; None for fewer than three steps."""
    steps = [abs(after - before) for before, after in pairwise(values)]
    later = steps[-max(3, len(steps) // 2) :]
    return median(later) if len(later) >= 3 else None


def _told_apart(first: float, second: float) -> list[str]:
    """Both figures, with as many digits as it takes to see that they differ."""
    for digits in range(3, 9):
        told = [f"{value:.{digits}f}" for value in (first, second)]
        if told[0] != told[1]:
            break
    return told


def _luck(run: RunFiles, values: dict[int, float]) -> str:
    """Of an accuracy over few clips: how far it is known at all."""
    clips, best = number(at(run.provenance, "clips.val")), values[run.best_epoch]
    if run.monitor != "val/accuracy" or not clips or clips < 1 or not 0 < best < 1:
        return ""
    error = sqrt(best * (1 - best) / clips)
    if best - values[max(values)] > 2 * error:
        return ""
    return (
        f"On so few clips it has a standard error of {figure(error)}: the best of {len(values)} epochs is partly luck."
    )


def _still_better(known: list[tuple[int, float]], noise: float | None) -> str:
    """Whether the last quarter of the epochs still brought something."""
    back = max(1, len(known) // 4)
    gain = abs(known[-1][1] - known[-1 - back][1])
    span = f"Over the last {back} epoch{'s' * (back > 1)} it gained {figure(gain)}"
    if noise is not None and back > 1 and gain <= noise:
        return f"{span}, no more than one step's usual change: it has flattened."
    return f"{span}: more epochs may help."


def _cause(run: RunFiles, best: int, last: int) -> str:
    """What the two losses did between the best and the last epoch; less than a usual step is no movement."""
    train, val = (_moved(run, f"{split}/loss", best, last) for split in ("train", "val"))
    if train is None or val is None:
        return "Without both losses at both epochs the history does not say why."
    (train_way, train_said), (val_way, val_said) = train, val
    moved = f"from epoch {best} to {last} {train_said} and {val_said}"
    if val_way > 0 and train_way < 0:
        return f"Overfitting: {moved}."
    if train_way > 0:
        return f"Training itself went back: {moved}. The learning rate may be too high."
    if val_way > 0:
        return f"The model got worse without fitting better: {moved}."
    if val_way < 0 and rises(run.monitor):
        return f"Not overfitting by its loss: {moved}. The probabilities improved, the ranking of the classes did not."
    return f"The losses do not say why: {moved}."


def _moved(run: RunFiles, metric: str, best: int, last: int) -> tuple[int, str] | None:
    """-1, 0 or 1 and the movement in words."""
    values = dict(run.series(metric))
    if best not in values or last not in values:
        return None
    before, after = values[best], values[last]
    if abs(after - before) <= (_noise(list(values.values())) or 0):
        return 0, f"`{metric}` stayed at about {figure(after)}"
    way = 1 if after > before else -1
    return way, f"`{metric}` {'rose' if way > 0 else 'fell'} from {figure(before)} to {figure(after)}"


def _gap(run: RunFiles, epoch: int) -> str:
    """How far training and validation stand apart."""
    train, val = (dict(run.series(f"{split}/loss")).get(epoch) for split in ("train", "val"))
    if train is None or val is None:
        return ""
    return f"At epoch {epoch} the loss is {figure(train)} in training and {figure(val)} in validation."
