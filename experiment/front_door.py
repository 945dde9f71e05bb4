"""What all front doors share: an error that a user can act on is one paragraph and exit code 2."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from experiment.signals import Terminated
from schemas.errors import ExperimentError

EXIT_ERROR, EXIT_INTERRUPTED, EXIT_TERMINATED = 2, 130, 143
OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
"""Full, forbidden or read-only: the user's to mend, not a bug of ours."""


@contextmanager
def readable_errors() -> Iterator[None]:
    """Ends the program with a readable line for an ExperimentError or Ctrl-C; a traceback is for our own bugs."""
    try:
        yield
    except ExperimentError as error:
        _end(type(error).__name__, str(error))
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _end("OSError", f"{where}{error.strerror}. Check the disk's space and your permissions.")
    except KeyboardInterrupt as error:
        Console(stderr=True).print("Interrupted; nothing half-written was left.")
        sys.exit(EXIT_TERMINATED if isinstance(error, Terminated) else EXIT_INTERRUPTED)


def _end(kind: str, text: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"[bold red]{kind}[/] ", end="")
    console.print(text, markup=False, soft_wrap=True)
    sys.exit(EXIT_ERROR)
