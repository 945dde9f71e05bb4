"""TensorBoard in a real browser: what a dashboard shows, as plain Python.

Playwright's selectors see into shadow roots, of which TensorBoard's older dashboards are made. A card is drawn when it
comes into view, so the window is as tall as a dashboard.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.browser.server import eventually

SIZE = 2000, 12_000
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SETTINGS = {
    "_tb_global_settings": {"paginationSize": 500, "autoReload": False, "scalarSmoothing": 0, "ignoreOutliers": False},
    "_ignoreYOutliers": False,
}
"""All cards of a group on one page, curves as they are, none outside of its chart."""
CLOSED_GROUP = "button.group-toolbar:has([svgicon=expand_more_24px]), button.heading:not([open-button])"
LINE = ".line-plot:not(.ghost) path.line[stroke][d]"
NAME, RUN, TAG = ".heading-label.name", "#heading-run", "[itemprop=tag]"
TABLES = """cards => cards.map(card => [card.querySelector('tb-truncated-path').title,
    [...card.querySelectorAll('tb-data-table-content-row')].map(row => row.innerText)])"""
ROWS = """grid => [...grid.shadowRoot.querySelectorAll('thead tr, #items tr:not([hidden])')].map(
    row => [...row.querySelectorAll('slot')].map(
        slot => slot.assignedNodes().map(cell => cell.innerText).join('').trim()))"""


@contextlib.contextmanager
def chromium() -> Iterator:
    """A browser without a window: Debian's, or the user's own.

    Raises:
        FileNotFoundError: if there is none.
    """
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise FileNotFoundError(f"none of {', '.join(CHROMIUM)} is installed; try: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Dashboard:
    """One dashboard in a tab of its own, all its groups unfolded.

    Args:
        browser: by `chromium`.
        address: by `tests.browser.server.tensorboard`.
        name: `timeseries`, `custom_scalars`, ...; with TensorBoard's own options behind it, `&regexInput=...`.
        size: of the window, width and height in pixels.

    Attributes:
        errors: exceptions of the page, and answers of the server that are none.
    """

    def __init__(self, browser, address: str, name: str, size: tuple[int, int] = SIZE):
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        for key, value in SETTINGS.items():
            self.page.add_init_script(f"localStorage.setItem('{key}', {json.dumps(json.dumps(value))})")
        self.errors: list[str] = []
        self._content_types: dict[str, str] = {}
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self._note)
        self.page.goto(f"{address}#{name}&_smoothingWeight=0")
        self.page.wait_for_load_state("networkidle")
        closed = self.page.locator(CLOSED_GROUP)
        while closed.count():
            closed.first.click()
        self.page.wait_for_load_state("networkidle")

    def _note(self, response) -> None:
        self._content_types[response.url] = response.headers.get("content-type", "")
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def save(self, path: Path) -> None:
        """A picture of the window, down to the end of the last group."""
        groups = self.page.locator("tf-category-paginated-view, metrics-card-grid, vaadin-grid-cell-content")
        ends = groups.evaluate_all("groups => groups.map(group => group.getBoundingClientRect().bottom)")
        size = self.page.viewport_size
        height = min(size["height"], max([900, *ends]) + 20)
        self.page.screenshot(path=path, clip={"x": 0, "y": 0, "width": size["width"], "height": height})

    def groups(self) -> set[str]:
        """Titles of the groups of cards."""
        return set(self.page.locator("metrics-card-groups .group-title, .category-name").all_inner_texts())

    def time_series(self) -> dict[str, set[str]]:
        """Of each scalar's card: tag -> runs in the table below its chart."""
        cards = self.page.locator("metrics-card-groups scalar-card").evaluate_all(TABLES)
        return {tag: {row.split("\n")[1].strip() for row in rows} for tag, rows in cards}

    def lines(self, card: str) -> dict[str, int]:
        """Tag -> lines drawn on its card, `tf-scalar-card` or `tf-pr-curve-card`."""
        return {one.locator(NAME).inner_text(): one.locator(LINE).count() for one in self.page.locator(card).all()}

    def charts(self) -> dict[str, dict[str, set[str]]]:
        """Custom scalars: category -> title of a chart -> its legend, `tag (run)` for each line that is drawn."""
        return {
            category.locator(".category-name").inner_text(): {
                card.locator(NAME).inner_text(): self._legend(card)
                for card in category.locator("tf-custom-scalar-multi-line-chart-card").all()
            }
            for category in self.page.locator("tf-category-paginated-view").all()
        }

    def _legend(self, card) -> set[str]:
        entries = card.locator(".match-list-entry").all_text_contents()
        drawn = eventually(card.locator(LINE).count, len(entries), seconds=5)
        return {text.split(maxsplit=1)[1].strip() for text in entries} if drawn == len(entries) else set()

    def images(self) -> dict[tuple[str, str], tuple[int, str]]:
        """(run, tag) -> width in pixels of what the browser has loaded, and its content type."""
        shown = {}
        for card in self.page.locator("tf-image-loader").all():
            width, source = card.locator("img").evaluate("picture => [picture.naturalWidth, picture.src]")
            place = card.locator(RUN).inner_text(), card.locator(TAG).inner_text()
            shown[place] = width, self._content_types.get(source, "")
        return shown

    def texts(self) -> dict[tuple[str, str], str]:
        """(run, tag) -> the text of the last step, as it is rendered."""
        return {
            (card.locator(RUN).inner_text(), card.locator(TAG).inner_text()): (
                card.locator(".text #markdown").first.inner_text()
            )
            for card in self.page.locator("tf-text-loader").all()
        }

    def tick_all(self) -> None:
        """HParams: shows every column, of which TensorBoard shows the first few."""
        boxes = self.page.locator("tf-hparams-query-pane paper-checkbox")
        boxes.evaluate_all("boxes => boxes.filter(box => !box.checked).forEach(box => box.click())")

    def table(self) -> list[dict[str, str]]:
        """HParams: a dict a row, by column that is ticked."""
        header, *rows = self.page.locator("vaadin-grid").evaluate(ROWS)
        return [dict(zip(header, row, strict=False)) for row in rows]

    def points(self) -> int:
        """Projector: how many points the first tensor has."""
        frame = self.page.frame_locator("iframe").frame_locator("iframe")
        return int(frame.locator(".numDataPoints").inner_text() or 0)
