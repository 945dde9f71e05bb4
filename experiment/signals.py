"""Ctrl-C and SIGTERM (preemption, a container's stop) end a run at once, and in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM: what Ctrl-C is, but for the exit code."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within it SIGTERM raises Terminated, and what Lightning turns into SystemExit is an interrupt again.

    Lightning makes the process deaf to Ctrl-C once it has heard one; afterwards it hears again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    heard: list[int] = []

    def end(number: int, frame: object) -> None:
        heard.append(number)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end), signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        # Lightning's way of ending on either.
        raise (Terminated if heard else KeyboardInterrupt) from None
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
