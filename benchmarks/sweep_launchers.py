"""A sweep's jobs one after another and side by side: `python benchmarks/sweep_launchers.py` (a quiet machine, minutes).

The same 8 jobs of the quickstart's data and a smaller net, by Hydra's basic launcher and by joblib, in turn; each is a
process of its own from the interpreter's start to the last line, so that joblib pays for its workers' start.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.idle import Others, refuse_if_busy  # noqa: E402

WORDS = ["experiment=quickstart", "trainer.max_epochs=4", "logger=csv", "seed=range(0,8)"]


def seconds(launcher: str, data: Path) -> float:
    """Of the whole command."""
    with tempfile.TemporaryDirectory() as logs:
        words = [*WORDS, f"hydra/launcher={launcher}", f"paths.log_dir={logs}", f"paths.data_dir={data}"]
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "train.py", "-m", *words], cwd=ROOT, capture_output=True, text=True)
        if done.returncode or "8 of the 8 jobs" not in done.stdout:
            sys.exit(f"{launcher}: {done.stdout[-500:]}{done.stderr[-1500:]}")
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--allow-busy", action="store_true")
    asked = parser.parse_args()
    others = Others()
    time.sleep(3)
    refuse_if_busy(others, asked.allow_busy)
    with tempfile.TemporaryDirectory() as data:
        seconds("basic", Path(data))  # generates the clips
        ratios = []
        for number in range(asked.rounds):
            one, many = seconds("basic", Path(data)), seconds("joblib", Path(data))
            ratios.append(one / many)
            print(f"round {number + 1}: one after another {one:.1f} s, side by side {many:.1f} s, {one / many:.2f}x")
        print(f"side by side against one after another: median throughput {statistics.median(ratios):.2f}x")


if __name__ == "__main__":
    main()
