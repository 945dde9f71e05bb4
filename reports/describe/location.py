"""Which file a path means, judged before torch is imported."""

from pathlib import Path

from schemas.errors import CheckpointError

BEST = Path("checkpoints") / "best.ckpt"


def find_checkpoint(path: str | Path) -> tuple[Path, str | None]:
    """The file to describe, and a remark where it is not the path itself.

    Of a run's folder that is its checkpoints/best.ckpt.

    Raises:
        CheckpointError: where there is no file, or nothing in it.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            return _best_of(path)
        if not path.exists():
            raise CheckpointError("there is no such file", where=path, remedy="Give the path of a .ckpt or .pth file.")
        if not path.is_file():
            raise CheckpointError(
                "this is no regular file", where=path, remedy="Give the path of a .ckpt or .pth file."
            )
        if path.stat().st_size == 0:
            raise CheckpointError("the file is empty", where=path, remedy="Its writing did not end, or failed.")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot be opened ({error})", where=path) from error
    return path, None


def _best_of(folder: Path) -> tuple[Path, str]:
    best = folder / BEST
    if best.is_file() and best.stat().st_size:
        return best, f"{folder} is a run's folder; this is its {BEST}"
    found = sorted(p for p in (*folder.glob("*.ckpt"), *folder.glob("*.pth"), *folder.glob("checkpoints/*.ckpt")))
    names = ", ".join(str(p.relative_to(folder)) for p in found[:10])
    remedy = f"Name one of its files: {names}." if found else "Give the path of a .ckpt or .pth file."
    raise CheckpointError(f"a folder without {BEST}", where=folder, remedy=remedy)
