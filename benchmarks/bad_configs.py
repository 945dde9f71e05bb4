"""Seconds until a bad command line is refused, as a process of its own: `python benchmarks/bad_configs.py`.

All of tests/experiment/configs/test_bad_configs.py, the broken files in a copy of the sources, and bad words of
prepare.py and describe.py. Each must end with exit code 2 and one line; then some are run again to see that torch was
not imported.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.experiment.configs.test_bad_configs import BAD, BROKEN_FILES, break_file, problems  # noqa: E402

OTHER_DOORS = {
    "prepare.py nw_ucla": "'nw_ucla' is not `key=value`",
    "prepare.py format=ntu source=x name=x": "no format 'ntu'",
    "prepare.py format=nw_ucla name=x": "source must be given",
    "prepare.py format=signs name=../x": "plain name",
    "prepare.py format=signs name=x seed=-1": "'-1' is not a whole number",
    "prepare.py verify=not_there_at_all": "there is no clip store",
    "describe.py README.md": "README.md",
    "describe.py nowhere.ckpt": "nowhere.ckpt",
    "describe.py x.ckpt epoch=3": "'epoch=3' cannot be used",
    "describe.py x.ckpt epochs=0": "'0' is no whole number above 0",
}
WATCHED = (
    "import atexit, json, runpy, sys; words = json.loads(sys.argv[1]); sys.argv = words; "
    "atexit.register(lambda: print(*{'torch', 'lightning'} & set(sys.modules), end='')); "
    "runpy.run_path(words[0], run_name='__main__')"
)


def run(words: list[str], folder: Path, expected: str, kinds: tuple[str, ...] = ("ConfigError ",)) -> tuple:
    """Seconds of one command, its exit code, and what is wrong with how it ended."""
    start = time.perf_counter()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    seconds = time.perf_counter() - start
    err = done.stderr
    kind = next((kind for kind in kinds if err.startswith(kind)), None)
    err = err if kind is None else "ConfigError " + err.removeprefix(kind)
    return seconds, done.returncode, problems(" ".join(words[1:]), expected, done.returncode, done.stdout, err)


def sources(folder: Path) -> Path:
    """A copy of all that a front door reads, in which files may be broken."""
    for path in sorted(ROOT.iterdir()):
        if path.suffix == ".py" or (path / "__init__.py").is_file() or path.name == "conf":
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=skip) if path.is_dir() else shutil.copy(path, folder)
    return folder


def runs(folder: Path):
    """Every case as `run` takes it."""
    for line, expected in BAD.items():
        yield [sys.executable, "train.py", *line.split()], ROOT, expected
    for line, expected in OTHER_DOORS.items():
        kinds = ("ConfigError ", "CheckpointError ", "DataError ")
        yield [sys.executable, *line.split()], ROOT, expected, kinds
    copy = sources(folder)
    for file, contents, line, expected in BROKEN_FILES.values():
        path = copy / "conf" / file
        break_file(path, contents)
        yield [sys.executable, "train.py", *line.split()], copy, expected
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--watched", type=int, default=10, help="how many are run again to see whether torch was imported"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [(case[0][1:], *run(*case)) for case in runs(Path(folder))]
    wrong = [problem for *_, found in results for problem in found]
    for line in list(BAD)[:: max(1, len(BAD) // options.watched)][: options.watched]:
        words = json.dumps(["train.py", *line.split()])
        wrong += run([sys.executable, "-c", WATCHED, words], ROOT, BAD[line])[2]
    for problem in wrong:
        print(problem)
    seconds = [result[1] for result in results]
    slowest = max(results, key=lambda result: result[1])
    codes = {code: sum(result[2] == code for result in results) for code in sorted({result[2] for result in results})}
    print(f"{len(results)} bad configs, exit codes {codes}, {len(wrong)} problems")
    print(f"median {statistics.median(seconds):.2f} s, worst {slowest[1]:.2f} s ({' '.join(slowest[0])})")
    print(f"torch imported before the config was judged, of {options.watched}: see problems above, else none")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
