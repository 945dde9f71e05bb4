"""Ctrl-C and SIGTERM (preemption, a container's stop) end a run at once, and in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_heard: list[int] = []
"""Signals to end, since the run began."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: what Ctrl-C is, but for the exit code."""


def is_interruption(error: BaseException) -> bool:
    """Whether a run ended because somebody wanted it to: also where Lightning or a DataLoader says it in its own way.

    A signal to the whole process group (SLURM, systemd, a terminal) ends the workers too, and torch may speak of that
    first; and what Lightning does on Ctrl-C may fail in its turn.
    """
    if _heard or (isinstance(error, RuntimeError) and "killed by signal: Terminated" in str(error)):
        return True
    links: BaseException | None = error
    while links is not None:
        if isinstance(links, KeyboardInterrupt):
            return True
        links = links.__context__
    return False


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within it SIGTERM raises Terminated, and whatever else comes of a signal is an interrupt.

    Lightning makes the process deaf to Ctrl-C once it has heard one; afterwards it hears again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    _heard.clear()

    def end(number: int, frame: object) -> None:
        _heard.append(number)
        raise Terminated

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, end), signal.SIGINT: signal.getsignal(signal.SIGINT)}
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or not is_interruption(error):
            raise
        raise (Terminated if _heard or "Terminated" in str(error) else KeyboardInterrupt) from None
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that was not installed by Python cannot be put back by it
                signal.signal(number, handler)
        _heard.clear()
