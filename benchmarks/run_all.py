"""Every benchmark of this folder, one after another, and one table of what was found.

    python benchmarks/run_all.py [--data data/processed] [--hotpp PYTHON] [--only WORD] [--markdown PATH] [--allow-busy]

Each is a process of its own, in its short form where the whole one takes long; its output goes by as it is written. A
benchmark that ends with a line of `figures.announce` has a row for each figure: what it is, what it must be, and
whether it is; of the others the last lines are shown. Those whose data are absent are left out, with the reason. A busy
machine is refused with exit code 2; the exit code is 1 where a benchmark failed to run.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from figures import RESULT, announced
from idle import Others, refuse_if_busy

FOLDER = Path(__file__).resolve().parent
CALLS: dict[str, list[list[str]]] = {
    "board_logging.py": [["--epochs", "40", "--data", "{data}"]],
    "data_waiting.py": [["--data", "{data}"]],
    "event_predictor_step.py": [["--bf16"], ["--preset", "documented_events_large", "--repeats", "5"]],
    "event_windows.py": [[], ["--tgt-seq-len", "20"]],
    "gcn_lstm_step.py": [["--bf16"], ["--uneven"], ["--preset", "documented_best", "--repeats", "5"]],
    "hotpp_peer.py": [["--python", "{hotpp}", "--data", "{data}"]],
    "linear_ridge.py": [["{data}/signs"]],
    "many_clips.py": [["--clips", "200000"]],
    "start_up.py": [["--data", "{data}"]],
    "sweep_launchers.py": [["--rounds", "1"]],
}
"""Of those that are not called once and without words, short forms among them; `{data}` is the folder of --data and
`{hotpp}` the Python of --hotpp."""
HELPERS = ("hotpp_side.py",)
"""Commands that a benchmark calls."""
SHOWN = 4
"""Last lines of a benchmark that announces nothing."""


@dataclass
class Outcome:
    """What became of one benchmark."""

    name: str
    seconds: float
    failed: bool
    figures: dict[str, tuple[str, str, bool]] | None
    last: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, figure, must, met."""
        if self.failed:
            return [(self.name, "failed: " + " / ".join(self.last), "", "")]
        if self.figures is None:
            return [(self.name, " / ".join(self.last), "", "")]
        return [
            (f"{self.name}: {what}", value, must, "yes" if met else "NO")
            for what, (value, must, met) in self.figures.items()
        ]


def benchmarks() -> list[str]:
    """Those of this folder that are commands, by name."""
    others = (Path(__file__).name, *HELPERS)
    texts = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.py")) if path.name not in others}
    return [name for name, text in texts.items() if 'if __name__ == "__main__"' in text]


def words_of(name: str, call: list[str], places: dict[str, Path], allow_busy: bool) -> list[str]:
    words = [word.format(**places) for word in call]
    knows = '"--allow-busy"' in (FOLDER / name).read_text()
    return words + (["--allow-busy"] if allow_busy and knows else [])


def absent(call: list[str], places: dict[str, Path]) -> list[str]:
    """Of what a call cannot do without: a store of --data, and another Python."""
    needed = [word.format(**places) for word in call if word.startswith(("{data}/", "{hotpp}"))]
    return [path for path in needed if not Path(path).exists()]


def run(name: str, words: list[str]) -> Outcome:
    print(f"\n=== {name} {' '.join(words)}".rstrip(), flush=True)
    begun, lines = time.monotonic(), []
    label = " ".join([name, *(word for word in words if word != "--allow-busy")])
    command = [sys.executable, "-u", str(FOLDER / name), *words]
    with subprocess.Popen(
        command, cwd=FOLDER.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            lines.append(line.rstrip())
            if not line.startswith(RESULT):
                print(line, end="", flush=True)
    last = [" ".join(line.split()) for line in lines if line.strip() and not line.startswith(RESULT)][-SHOWN:]
    return Outcome(label, time.monotonic() - begun, process.returncode != 0, announced("\n".join(lines)), last)


def as_markdown(outcomes: list[Outcome]) -> str:
    rows = [row for outcome in outcomes for row in outcome.rows]
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = ["| benchmark | figure | must | met |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in cells)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="where stores and logs lie")
    parser.add_argument("--hotpp", type=Path, default=Path("no python of HoTPP"), help="see hotpp_peer.py")
    parser.add_argument("--only", default="", help="the benchmarks whose name holds this")
    parser.add_argument("--markdown", type=Path, help="a file for the table")
    parser.add_argument("--allow-busy", action="store_true", help="run on a busy machine and say so in the output")
    args = parser.parse_args()
    idle = Others()
    time.sleep(2)
    refuse_if_busy(idle, args.allow_busy)

    outcomes, places = [], {"data": args.data, "hotpp": args.hotpp}
    for name in (name for name in benchmarks() if args.only in name):
        for call in CALLS.get(name, [[]]):
            if lacking := absent(call, places):
                outcomes.append(Outcome(name, 0.0, False, None, [f"left out: {lacking[0]} is not there"]))
            else:
                outcomes.append(run(name, words_of(name, call, places, args.allow_busy)))

    print(f"\n=== all, {sum(outcome.seconds for outcome in outcomes) / 60:.0f} min")
    for row in (row for outcome in outcomes for row in outcome.rows):
        print(f"{row[3]:4}{row[0]:72} {row[1]}{f'   must {row[2]}' if row[2] else ''}")
    if args.markdown:
        args.markdown.write_text(as_markdown(outcomes))
    sys.exit(any(outcome.failed for outcome in outcomes))


if __name__ == "__main__":
    main()
