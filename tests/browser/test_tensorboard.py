"""TensorBoard on finished runs, in a real browser: every dashboard shows what the runs have logged.

`make browser-test`. It is not among the tests that `make test` runs: a browser is no part of what the framework needs.
Where it is asked for, a missing Chromium or playwright fails and does not skip.
"""

import os
import re

import pytest

import dashboard
from tests.browser.conftest import POINTS
from tests.browser.server import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("ASSAY_BROWSER" not in os.environ, reason="opens a browser: make browser-test"),
]
SPLITS = ("val", "test")
ANIMATIONS = {"clip_sweep": {f"{kind}/{split}" for kind in ("clips", "mistakes") for split in SPLITS}}
PICTURES = {
    "clip_sweep": {f"{kind}/{split}" for kind in ("confusion", "classes") for split in SPLITS} | {"clips/train"},
    "event_run": {f"{kind}/{split}" for kind in ("attention", "fields") for split in SPLITS},
}
"""Each run's, whatever else it logs."""


def runs_by_tag(served) -> dict[str, set[str]]:
    """Scalar -> the runs that have logged it."""
    tags = {tag for logged in served.logged.values() for tag in logged.scalars}
    return {tag: {run for run, logged in served.logged.items() if tag in logged.scalars} for tag in tags}


def test_time_series_has_every_figure_of_every_run(served, opened):
    tab, figures = opened("timeseries"), runs_by_tag(served)
    pictures = {tag for logged in served.logged.values() for tag in logged.images}
    groups = {tag.split("/")[0] for tag in figures.keys() | pictures}
    assert eventually(tab.groups, groups) == groups
    assert eventually(tab.time_series, figures) == figures
    for run in served.models:
        assert any(name.startswith(f"{run}/baseline ") for name in figures["val/loss"])


def test_scalars_draw_a_line_a_run_in_named_groups(served, opened):
    expected = {tag: len(runs) for tag, runs in runs_by_tag(served).items()}
    assert all("/" in tag for tag in expected)
    tab = opened("scalars")
    assert eventually(lambda: tab.lines("tf-scalar-card"), expected) == expected
    assert {"train", "val", "test", "optimisation", "speed"} <= tab.groups()


def test_custom_scalars_have_model_and_baselines_in_one_chart(served, opened):
    figures = runs_by_tag(served)
    expected = {
        category: {
            title: {
                f"{tag} ({run})"
                for tag, runs in figures.items()
                if any(re.match(pattern, tag) for pattern in patterns)
                for run in runs
            }
            for title, patterns in charts.items()
        }
        for logged in served.logged.values()
        for category, charts in logged.charts.items()
    }
    assert all(legend for charts in expected.values() for legend in charts.values()), "a chart would be blank"
    tab = opened("custom_scalars")
    assert eventually(tab.charts, expected) == expected
    loss = expected["Did it learn?"]["loss"]
    for run in served.models:
        assert {f"val/loss ({run})", f"train/loss ({run})"} <= loss
        assert any(name.startswith(f"val/loss ({run}/baseline ") for name in loss)


def test_the_address_of_the_front_door_smooths_no_curve(served):
    page = served.browser.new_page()
    page.goto(served.address + dashboard.OPTIONS)
    slider = page.locator("tf-custom-scalar-dashboard tf-smoothing-input paper-input").first
    assert eventually(lambda: float(slider.evaluate("slider => slider.value")), 0) == 0
    page.evaluate("location.hash = 'timeseries'")
    assert float(page.locator(".scalars-smoothing input[type=number]").input_value()) == 0
    page.close()


def test_hparams_have_a_row_a_run_with_its_real_figures(served, opened):
    best = [
        {tag: pytest.approx(value, rel=1e-3) for tag, value in logged.scalars.items() if tag.startswith("result/")}
        for logged in served.logged.values()
    ]
    best = [figures for figures in best if figures]
    assert len(best) == len(served.models)
    tab = opened("hparams")
    assert eventually(lambda: len(tab.table()), len(best)) == len(best)
    if served.kind == "event_run":
        shown = {"model", "lr", "batch_size", "result/loss", "result/accuracy"}
        assert shown <= tab.table()[0].keys()  # without a click
    tab.tick_all()
    assert eventually(lambda: best[0].keys() <= tab.table()[0].keys(), True)
    rows = [{tag: float(text) for tag, text in row.items() if tag.startswith("result/")} for row in tab.table()]
    assert all(figures in rows for figures in best) and all(-1 not in row.values() for row in rows)
    assert {"model", "model.dropout", "lr", "seed"} <= tab.table()[0].keys()


def test_images_are_loaded_and_animations_are_gifs(served, opened):
    moving = ANIMATIONS.get(served.kind, set())
    for logged in served.models.values():
        assert PICTURES[served.kind] | moving <= logged.images.keys()
        assert moving <= logged.animations
    expected = {
        (run, tag): "image/gif" if tag in logged.animations else "image/png"
        for run, logged in served.logged.items()
        for tag in logged.images
    }
    tab = opened("images")
    loaded = lambda: {place: kind for place, (width, kind) in tab.images().items() if width > 0}  # noqa: E731
    assert eventually(loaded, expected) == expected


def test_text_is_rendered(served, opened):
    expected = {(run, tag): text for run, logged in served.logged.items() for tag, text in logged.texts.items()}
    assert {tag for _, tag in expected} >= {f"{name}/text_summary" for name in ("config", "report", "verdict")}
    tab = opened("text")
    assert eventually(lambda: tab.texts().keys(), expected.keys()) == expected.keys()
    for place, text in tab.texts().items():
        written, shown = (set(re.findall(r"[A-Za-z]{4,}", one)) for one in (expected[place], text))
        assert len(written - shown) <= 0.05 * len(written), f"{place} lacks {written - shown}"


def test_precision_recall_curves_are_drawn(served, opened):
    expected: dict[str, int] = {}
    for logged in served.logged.values():
        for tag in logged.plugins.get("pr_curves", []):
            expected[tag] = expected.get(tag, 0) + 1
    if served.kind == "event_run":
        pytest.skip("events have none")
    assert {f"pr_{split}/all classes" for split in SPLITS} <= expected.keys()
    tab = opened("pr_curves")
    assert eventually(lambda: tab.lines("tf-pr-curve-card"), expected) == expected


def test_projector_shows_the_clips(served, opened):
    if served.kind == "event_run":
        pytest.skip("events have none")
    tab = opened("projector")
    assert eventually(tab.points, POINTS) == POINTS
