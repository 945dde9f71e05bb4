"""A prediction as one story: load the run, open the input, predict with a bar, put the file in place, say what came."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiment.checkpoints.loading import load_run
from experiment.prediction.file import Written, write_predictions
from experiment.prediction.request import Request
from experiment.signals import ended_by_signals
from schemas.clips import ClipSchema

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


def run_prediction(request: Request) -> list[str]:
    """Writes the predictions that are asked for, and says what came of it, a line each.

    Raises:
        ExperimentError: the run or the input cannot be used, or they do not go together.
    """
    run = load_run(request.run, request.trust, request.checkpoint)
    if isinstance(run.schema, ClipSchema):
        from experiment.prediction.clips import clip_job

        job, unit = clip_job(run, request), "clips"
    else:
        from experiment.prediction.events import event_job

        job, unit = event_job(run, request), "sequences"
    console = Console(stderr=True)
    with (
        ended_by_signals(),
        Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task(f"predicting {unit}", total=job.total)
        try:
            written = write_predictions(request.output, job, lambda done: bar.update(task, completed=done))
        except KeyboardInterrupt:
            console.print(f"Whole parts of {job.part:,} {unit} are kept; the same command goes on from there.")
            raise
    return [_head(written, request, unit, run.epoch), *job.notes, *_remarks(written, unit)]


def _head(written: Written, request: Request, unit: str, epoch: int) -> str:
    rows = f"{written.rows:,} clips" if unit == "clips" else f"{written.rows:,} rows"
    return f"{request.output}: {rows}, predicted by {request.run} (epoch {epoch})"


def _remarks(written: Written, unit: str) -> list[str]:
    remarks = []
    if written.resumed:
        remarks.append(f"{written.resumed:,} {unit} had been predicted by an earlier call that was cut off")
    if nameless := written.empty["class 1"]:
        remarks.append(f"without a prediction, no joint seen or no number from the net: {nameless:,}")
    return remarks
