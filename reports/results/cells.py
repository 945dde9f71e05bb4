"""What stands in the tables of results and around them, in plain words: every format says the same."""

from reports.markdown_text import plain
from reports.results.content import Difference, Mean, Page, Row, Section

NOT_COMPARABLE = "The tables are not comparable with one another: other data or split, or another monitor."
INTERVALS = "mean ± standard deviation [95 % interval of the mean, Student's t]; n: seeds, or seeds and folds"


def header(section: Section) -> list[str]:
    """What the columns are called; the last one is the best run's folder."""
    test = [_titled(f"test/{section.headline}", section.headline_falls)] if _tested(section) else []
    return ["#", "group", "n", _titled(section.monitor, section.monitor_falls), *test, "above chance", "best run"]


def _titled(metric: str, falls: bool) -> str:
    return f"{plain(metric)} {'↓' if falls else '↑'}"


def _tested(section: Section) -> bool:
    return any(row.test for row in section.rows)


def cells(section: Section, row: Row, between: str) -> list[str]:
    """What stands in a row's columns, as `header` has them; `between` parts a mean from its interval."""
    n = f"{row.val.n}" + "".join(f"{between}+{count} {state}" for state, count in row.lost.items())
    test = [_spread(row.test, between, row.val.n)] if _tested(section) else []
    values = [plain(row.name), n, _spread(row.val, between, row.val.n), *test, _chance(row), plain(row.best_run)]
    return [str(row.number), *values]


def _chance(row: Row) -> str:
    """How many runs are surely above it; a row with one that is not is marked."""
    if not row.judged:
        return "no verdict"
    silent = f", {row.runs - row.judged} without verdict" if row.judged < row.runs else ""
    return f"{'! ' if row.at_chance else ''}{row.above_chance} of {row.judged}{silent}"


def _spread(mean: Mean | None, between: str, n: int) -> str:
    if mean is None:
        return "not opened"
    sd = "" if mean.sd is None else f" ± {figure(mean.sd)}"
    interval = "no interval" if mean.interval is None else "[{}, {}]".format(*map(figure, mean.interval))
    fewer = f"{between}of {mean.n} only" if mean.n < n else ""
    return f"{figure(mean.value)}{sd}{between}{interval}{fewer}"


def figure(value: float) -> str:
    """Four decimals; two digits of what would be 0 with them."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"


def sentence(difference: Difference) -> str:
    """`1 minus 2, val/loss over 3 pairs: -0.0312 [-0.0512, -0.0112], p 0.012: 1 is better`."""
    mean, head = difference.mean, f"{difference.first} minus {difference.second}, {plain(difference.metric)}"
    if mean is None:
        return f"{head}: no seed and fold in common"
    over = f"{head} over {mean.n} pair{'s' * (mean.n != 1)} of the same seed and fold: {mean.value:+.4f}"
    if mean.interval is None:
        why = "one pair has no spread" if mean.n == 1 else "all pairs differ by the same"
        return f"{over}, no interval: {why}"
    low, high = mean.interval
    better = difference.first if (mean.value < 0) == difference.less_is_better else difference.second
    said = "not surely different" if low <= 0 <= high else f"{better} is better"
    p = "p < 0.001" if difference.p < 0.001 else f"p {difference.p:.3f}"
    return f"{over} [{low:+.4f}, {high:+.4f}], {p}: {said}"


def counted(page: Page) -> str:
    """How many runs there are; a colon at the end where those follow that no figure is of."""
    averaged = page.runs - len(page.left_out)
    left = f"; no figure is of the other {len(page.left_out):,}:" if page.left_out else ""
    return f"{page.runs:,} run{'s' * (page.runs != 1)} read, {averaged:,} in the tables{left}"
