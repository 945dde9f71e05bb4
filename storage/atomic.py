"""Atomic writes: a temporary name in the same folder, fsync, then rename."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UMASK = os.umask(0)
"""What the user's own new files may not allow; temporary files are made stricter than that. Read once: it can only
be read by setting it."""
os.umask(_UMASK)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file or leaves what was there; raises OSError (a full disk) with nothing changed."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path: Path, content: str) -> None:
    """As `write_bytes`, in UTF-8."""
    write_bytes(path, content.encode())


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yields a temporary folder that becomes `target` when the block ends well, and vanishes when it does not.

    An older `target` stays untouched until then, and is then replaced.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        for path in sorted(temporary.rglob("*")):
            if path.is_file():
                sync(path)
        os.chmod(temporary, 0o777 & ~_UMASK)
        _put_in_place(temporary, target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _put_in_place(folder: Path, target: Path) -> None:
    try:
        os.rename(folder, target)
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    outdated = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    try:
        os.rename(target, outdated / "old")
        try:
            os.rename(folder, target)
        except BaseException:
            os.rename(outdated / "old", target)
            raise
    except BaseException:
        # Removes it only where it is empty: what could not be put back stays there, and is not lost.
        if not any(outdated.iterdir()):
            outdated.rmdir()
        raise
    shutil.rmtree(outdated)


def sync(path: Path) -> None:
    """Makes a file, or the names in a folder, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
