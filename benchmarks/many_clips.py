"""What very many clips cost: `python benchmarks/many_clips.py [--clips 2000000]` (a quiet machine; 12 GB of disk).

Writes clips of 4 to 12 frames of 20 joints in 3D as one `.npz`, imports it as `prepare.py format=npz` does in a process
of its own whose anonymous memory is sampled (pages of mapped files are the system's and are given back), opens the
store, and reads one shuffled epoch in batches on one core, from the page cache where it fits.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.idle import Others, refuse_if_busy  # noqa: E402
from datamodules.skeletons.store import ClipStore  # noqa: E402

JOINTS, COORDINATES, CLASSES, BATCH, CHUNK = 20, 3, 100, 256, 100_000


def write_source(path: Path, clips: int) -> None:
    """An .npz whose frames never stand in memory at once."""
    random = np.random.default_rng(0)
    lengths = random.integers(4, 13, clips)
    columns = {"lengths": lengths, "y": random.integers(0, CLASSES, clips), "split": random.integers(0, 3, clips)}
    shape = (int(lengths.sum()), JOINTS, COORDINATES)
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values)
        with archive.open("x.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for start in range(0, shape[0], CHUNK):
                rows = min(CHUNK, shape[0] - start)
                file.write(random.random((rows, JOINTS, COORDINATES), dtype=np.float32).tobytes())


def anonymous_memory(process: subprocess.Popen) -> float:
    """Megabytes of a process's own memory now; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def import_clips(source: Path, root: Path) -> tuple[float, float]:
    """Seconds of the import, and the most megabytes that it held."""
    words = ["format=npz", f"source={source}", "layout=kinect20", "name=many", f"root={root}"]
    begun, most = time.perf_counter(), 0.0
    with subprocess.Popen([sys.executable, "prepare.py", *words], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, anonymous_memory(process))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - begun, most


def gather_rate(store: ClipStore, batches: int) -> float:
    """Gigabytes of joints a second, of shuffled batches."""
    rows = np.random.default_rng(1).permutation(len(store))[: batches * BATCH]
    total, begun = 0, time.perf_counter()
    for start in range(0, len(rows), BATCH):
        batch = store.gather(rows[start : start + BATCH])
        total += int(batch.length.sum()) * JOINTS * COORDINATES * 4
    return total / 1e9 / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where the files are written and removed again")
    parser.add_argument("--allow-busy", action="store_true")
    asked = parser.parse_args()
    others = Others()
    time.sleep(3)
    refuse_if_busy(others, asked.allow_busy)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        source, root = Path(folder) / "clips.npz", Path(folder)
        write_source(source, asked.clips)
        seconds, most = import_clips(source, root)
        size = source.stat().st_size / 1e9
        rate = f"{asked.clips / seconds:,.0f} clips/s"
        print(f"import of {asked.clips:,} clips, {size:.1f} GB: {seconds:.0f} s, {rate}, {most:.0f} MB at most")
        opened = []
        for _ in range(9):
            begun = time.perf_counter()
            store = ClipStore(root / "many")
            opened.append(time.perf_counter() - begun)
        print(f"opening the store: median {statistics.median(opened) * 1e3:.0f} ms")
        batches = len(store) // BATCH
        gather_rate(store, batches)  # into the page cache
        print(f"a shuffled epoch, gathered on one core: {gather_rate(store, batches):.2f} GB/s")


if __name__ == "__main__":
    main()
