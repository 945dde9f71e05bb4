"""A picture of one dashboard, as the README shows one.

python -m tests.browser.screenshot LOGDIR custom_scalars OUT.png [RUNS]

RUNS  a regular expression that the names of the shown runs match: `^0/`, `tensorboard$`
"""

import sys
from pathlib import Path
from urllib.parse import quote

from tests.browser.dashboards import Dashboard, chromium
from tests.browser.server import tensorboard

SIZE = 1480, 1100


def take(logdir: Path, dashboard: str, out: Path, runs: str = "") -> None:
    """Writes what the dashboard shows, from its top to its last group, at most 1100 pixels high."""
    with tensorboard(logdir) as address, chromium() as browser:
        tab = Dashboard(browser, address, f"{dashboard}&regexInput={quote(runs)}", SIZE)
        tab.page.wait_for_timeout(3000)  # charts are drawn a moment after their data are there
        tab.save(out)


if __name__ == "__main__":
    logdir, dashboard, out, *runs = sys.argv[1:]
    take(Path(logdir), dashboard, Path(out), *runs)
