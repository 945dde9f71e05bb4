"""Makes a processed clip store of clips in a known format or of a generator, checks one, and looks at sources.

python prepare.py inspect=PATH
python prepare.py layout=my.yaml draw=layout.png
python prepare.py format=nw_ucla source=PATH name=nw_ucla [root=data/processed]
python prepare.py format=npy_folder source=PATH name=mine labels=labels.csv [layout=hand21 or layout=my.yaml]
python prepare.py format=pyskl source=ntu60_3danno.pkl name=ntu60 split=xsub [persons=most_moving, first or both]
python prepare.py format=signs name=signs [seed=0]
python prepare.py verify=nw_ucla

inspect tries every format, says what would be read and the command; of a log of events it drafts the YAML.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from experiment.front_door import readable_errors
from experiment.preparation import prepare as preparation
from experiment.preparation.inspect_source import draw_layout, inspect


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def show(summary: preparation.Summary, console: Console) -> None:
    """Prints what the store holds, and what a reader of its results should know."""
    head = f"{summary.target}: {summary.classes} classes, layout {summary.layout}, {summary.joints} joints"
    console.print(head, markup=False, soft_wrap=True)
    table = Table("split")
    for heading in ("clips", "classes", "least frames", "median", "most", "joints missing"):
        table.add_column(heading, justify="right")
    for name, split in summary.splits.items():
        least, median, most = split.frames
        cells = (f"{split.clips:,}", f"{split.classes}", f"{least}", f"{median:g}", f"{most}", f"{split.missing:.3%}")
        table.add_row(name, *cells)
    console.print(table)
    notes = [f"dropped, {why}: {count:,}" for why, count in summary.dropped.items()] or ["dropped: nothing"]
    notes += [f"{what}: {count:,}" for what, count in summary.left_out.items()]
    notes += [f"{b} clips that are also {a} clips, byte for byte: {n:,}" for (a, b), n in summary.shared.items()]
    console.print("\n".join(notes), markup=False, soft_wrap=True)


def main(words: list[str]) -> int:
    """Runs one command; exits with 2 for an error of the user's or the data's, 130 for Ctrl-C."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    # A job that is told to stop cleans up as one that is interrupted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with readable_errors():
        request = preparation.Request.from_words(words)
        if request.verify:
            console.print(f"OK {preparation.verify(request)}", markup=False, soft_wrap=True)
        elif request.inspect:
            console.print(inspect(request.inspect, request.options), markup=False, soft_wrap=True)
        elif request.draw:
            console.print(draw_layout(request.options.layout, request.draw), markup=False, soft_wrap=True)
        else:
            show(preparation.prepare(request, bar), console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
