"""How Lightning writes and reads checkpoints here: whole or not at all, and verified before every load."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from experiment.checkpoints.file import check_written, read_checkpoint
from storage import atomic


class TrustedCheckpointIO(CheckpointIO):
    """`Trainer(plugins=[TrustedCheckpointIO()])`.

    A checkpoint is written under a hidden name in its folder, made to reach the disk and renamed: an older one of that
    name lives until then. What would not load again (a class, a function) is refused when it is written, not when it is
    needed. Reading raises CheckpointError and never runs code.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes all of it or nothing; raises OSError (a full disk) or CheckpointError with nothing changed."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Always the same name: what a killed process left there, the next one replaces.
        temporary = path.with_name(f".{path.name}.unfinished")
        try:
            _write(checkpoint, temporary)
            check_written(temporary, path)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        atomic.sync(path.parent)  # the new name, too, must survive a power cut

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The verified content, on the CPU where no other place is asked for; `weights_only` is always true."""
        return read_checkpoint(path, "cpu" if map_location is None else map_location)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes the file, where there is one."""
        Path(path).unlink(missing_ok=True)


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    """Straight to the file: a second copy in memory would cost as much as the model."""
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
    except RuntimeError as error:
        # torch's writer, told that the disk is full, fails once more when it closes, and says that instead.
        if isinstance(cause := error.__context__, OSError):
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise
