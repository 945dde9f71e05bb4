"""What all front doors share: an error that a user can act on is one paragraph and exit code 2."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from schemas.errors import ExperimentError

EXIT_ERROR, EXIT_INTERRUPTED = 2, 130


@contextmanager
def readable_errors() -> Iterator[None]:
    """Ends the program with a readable line for an ExperimentError or Ctrl-C; a traceback is for our own bugs."""
    try:
        yield
    except ExperimentError as error:
        console = Console(stderr=True, highlight=False)
        console.print(f"[bold red]{type(error).__name__}[/] ", end="")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; nothing half-written was left.")
        sys.exit(EXIT_INTERRUPTED)
