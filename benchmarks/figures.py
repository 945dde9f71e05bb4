"""The last line of a benchmark, which `run_all.py` reads: what was measured, what it must be, and whether it is."""

import json

RESULT = "RESULT "


def announce(figures: dict[str, tuple[str, str, bool]]) -> None:
    """Prints the line: figure -> (value, must, met), as a person is to read them."""
    print(RESULT + json.dumps(figures))


def announced(output: str) -> dict[str, tuple[str, str, bool]] | None:
    """The figures of a benchmark's output; None where it announced none."""
    lines = [line for line in output.splitlines() if line.startswith(RESULT)]
    return {name: tuple(figure) for name, figure in json.loads(lines[-1][len(RESULT) :]).items()} if lines else None
