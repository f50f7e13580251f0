"""The exported file in a real Chromium, from ``file://`` with the network off: what a reader does with it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from views.workshop import EPOCHS, WORKING, add_variant, report_of, right

from mi.domain.workspace import Variant, Workspace
from mi.export.html import export_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
LAST = len(EPOCHS) - 1
# What the current-frame source of a panel's field holds.
COLUMN = """([name, column]) => {
  for (const root of Bokeh.documents[0].roots())
    for (const model of root.references())
      if (model.name === name) return Array.from(model.get_column(column)[0] ?? []);
}"""


@pytest.fixture(scope="module")
def file(variant: Variant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "report.html"
    export_html(variant, report_of(*WORKING), target)
    return target


@pytest.fixture
def asked(page: Page) -> list[str]:
    """Addresses that the page asks for, its own file apart."""
    page.context.set_offline(True)
    found: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else found.append(r.url)
    )
    page.on("websocket", lambda socket: found.append(socket.url))
    return found


@pytest.fixture
def opened(page: Page, file: Path, asked: list[str]) -> Iterator[Page]:
    open_file(page, file)
    yield page
    assert asked == []


def open_file(page: Page, file: Path, tail: str = "") -> None:
    page.goto(f"{file.as_uri()}{tail}")
    page.wait_for_function("window.__mi?.ready")


def index(page: Page) -> int:
    return int(page.evaluate("__mi.index"))


def drawn(page: Page) -> None:
    """Wait until figures show where the cursor is."""
    twice = "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 60)))"
    page.evaluate(f"() => new Promise((r) => {twice})")


def values(page: Page, name: str, column: str) -> np.ndarray:
    return np.array(page.evaluate(COLUMN, [name, column]), dtype=float)


def picture(page: Page, panel: int) -> bytes:
    page.mouse.move(0, 0)
    return page.locator(f"#card-panel-{panel} .plot").screenshot()


def test_the_slider_moves_data_pixels_and_label(opened: Page) -> None:
    assert opened.inner_text("#mi-label") == "epoch 500 · checkpoint 11 of 0–11"
    assert np.allclose(values(opened, "panel-0/map", "value"), right(7, 500).T.ravel())
    before = picture(opened, 0)
    opened.locator("#mi-slider").fill("3")
    drawn(opened)
    assert opened.inner_text("#mi-label") == "epoch 30 · checkpoint 3 of 0–11"
    shown = values(opened, "panel-0/map", "value")
    assert np.abs(shown - right(7, 30).T.ravel()).max() < 6 / 127
    assert values(opened, "panel-0/map", "exact").size == 0  # a number: 0, no longer exact
    assert picture(opened, 0) != before
    opened.evaluate("__mi.setEpoch(500)")
    drawn(opened)
    assert picture(opened, 0) == before


def test_all_panels_follow(opened: Page) -> None:
    opened.evaluate("__mi.setEpoch(20)")
    opened.locator("#card-panel-5").scroll_into_view_if_needed()
    drawn(opened)
    name = "() => Bokeh.documents[0].roots().flatMap((r) => [...r.references()])"
    text = opened.evaluate(f"{name}.find((m) => m.name === 'panel-3/note').get_column('text')[0]")
    assert text == "epoch 20"
    heights = opened.evaluate(f"{name}.find((m) => m.name === 'panel-3/bars').get_column('height')")
    found = np.array([heights[str(i)] for i in range(7)] if isinstance(heights, dict) else heights)
    assert np.allclose(found, right(7, 20).mean(axis=1), atol=1e-6)
    lines = opened.evaluate(f"{name}.filter((m) => m.name === 'mi-cursor').map((m) => m.location)")
    assert set(lines) == {20} and len(set(lines)) == 1


def test_keys_step_and_jump(opened: Page) -> None:
    steps = [
        ("ArrowLeft", LAST - 1),
        ("Home", 0),
        ("ArrowLeft", 0),
        ("ArrowRight", 1),
        ("Shift+ArrowRight", LAST),
    ]
    steps += [("Shift+ArrowLeft", 1), ("End", LAST)]
    for key, expected in steps:
        opened.keyboard.press(key)
        assert index(opened) == expected, key


def test_keys_on_the_slider_step_once_and_not_at_all_in_a_box(opened: Page) -> None:
    opened.locator("#mi-slider").focus()
    opened.keyboard.press("ArrowLeft")
    assert index(opened) == LAST - 1
    opened.locator("#mi-epoch").focus()
    opened.keyboard.press("ArrowLeft")
    opened.keyboard.press("Home")
    assert index(opened) == LAST - 1


@pytest.mark.parametrize(
    ("box", "typed", "expected"),
    [
        ("epoch", "130", 7),
        ("epoch", "1,000", 11),
        ("index", "2", 2),
        ("epoch", "abc", 11),
        ("epoch", "-5", 0),
    ],
)
def test_boxes_jump_to_the_nearest_checkpoint(opened: Page, box: str, typed: str, expected: int) -> None:
    opened.fill(f"#mi-{box}", typed)
    opened.keyboard.press("Enter")
    assert index(opened) == expected
    shown = EPOCHS[expected] if box == "epoch" else expected
    assert opened.input_value(f"#mi-{box}") == str(shown)


def test_a_tap_on_an_epoch_axis_jumps_and_elsewhere_does_not(opened: Page) -> None:
    place = """(name) => {
      const queue = [...Bokeh.documents[0].views_manager.roots];
      const view = queue.find((v) => v.model.name === name);
      const box = view.el.getBoundingClientRect();
      const x = view.frame.x_scale.compute(210) + box.x, y = view.frame.bbox.vcenter + box.y;
      return [x, y];
    }"""
    for panel in (1, 2):
        opened.evaluate("__mi.setEpoch(0)")
        opened.locator(f"#card-panel-{panel}").scroll_into_view_if_needed()
        opened.mouse.click(*opened.evaluate(place, f"panel-{panel}"))
        opened.wait_for_function("__mi.epoch === 200")
    opened.evaluate("__mi.setEpoch(0)")
    opened.locator("#card-panel-0").scroll_into_view_if_needed()
    box = opened.locator("#card-panel-0 .plot").bounding_box()
    assert box is not None
    opened.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    drawn(opened)
    assert index(opened) == 0


def test_play_runs_to_the_end_and_stops(opened: Page) -> None:
    opened.evaluate("__mi.setEpoch(0)")
    opened.locator("#mi-speed").select_option("20")
    opened.locator("#mi-play").click()
    assert opened.get_attribute("#mi-play", "aria-label") == "Pause"
    opened.wait_for_function(f"__mi.index === {LAST}")
    opened.wait_for_function("document.getElementById('mi-play').getAttribute('aria-label') === 'Play'")
    opened.keyboard.press("Tab")
    opened.evaluate("document.activeElement.blur()")
    opened.keyboard.press("Space")
    opened.wait_for_function("__mi.index > 0 && __mi.index < 8")
    opened.keyboard.press("Space")
    stopped = index(opened)
    opened.wait_for_timeout(400)
    assert index(opened) == stopped


def test_the_address_keeps_the_epoch_once_the_cursor_rests(opened: Page, file: Path) -> None:
    opened.keyboard.press("Home")
    opened.wait_for_function("location.hash === '#epoch=0'")
    assert opened.inner_text("#mi-live") == "epoch 0 · checkpoint 0 of 0–11"
    open_file(opened, file, "?again#epoch=90")
    assert index(opened) == 6
    drawn(opened)
    assert np.abs(values(opened, "panel-0/map", "value") - right(7, 100).T.ravel()).max() < 6 / 127
    open_file(opened, file, "?more#epoch=nonsense")
    assert index(opened) == LAST


def test_hover_tells_the_cell_and_that_a_scrubbed_value_is_near(opened: Page) -> None:
    opened.locator("#card-panel-0").scroll_into_view_if_needed()
    box = opened.locator("#card-panel-0 .bk-Figure").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    opened.mouse.move(*middle)
    tip = opened.locator(".bk-tooltip-content")  # in a shadow root, which locators look into
    tip.filter(has_text="logit:").wait_for()
    said = tip.inner_text()
    assert "x:" in said and "y:" in said and "≈" not in said
    opened.mouse.move(0, 0)
    opened.keyboard.press("Home")
    drawn(opened)
    opened.mouse.move(*middle)
    tip.filter(has_text="≈").wait_for()


def test_a_zoomed_image_stays_inside_its_frame(opened: Page) -> None:
    opened.locator("#card-panel-0").scroll_into_view_if_needed()
    clip = opened.evaluate(
        """() => {
      const view = Bokeh.documents[0].views_manager.roots.find((v) => v.model.name === "panel-0");
      const box = view.el.getBoundingClientRect(), frame = view.frame.bbox;
      view.model.x_range.setv({start: 2, end: 4});
      view.model.y_range.setv({start: 2, end: 4});
      return {x: box.x, y: box.y + frame.bottom + 12, width: frame.width, height: 3};
    }"""
    )
    drawn(opened)
    opened.mouse.move(0, 0)
    below = Image.open(BytesIO(opened.screenshot(clip=clip))).convert("RGB")
    colors = {pixel for _, pixel in below.getcolors(100_000) or []}
    assert all(max(c) - min(c) < 40 for c in colors)  # greys of labels; the image is red and blue


def test_help_opens_with_a_key_and_closes(opened: Page) -> None:
    opened.keyboard.press("?")
    assert opened.locator("#mi-help").is_visible()
    opened.keyboard.press("ArrowLeft")
    assert index(opened) == LAST
    opened.keyboard.press("Escape")
    assert not opened.locator("#mi-help").is_visible()


def test_failures_gaps_and_unknowns_are_cards(
    page: Page, asked: list[str], workspace: Workspace, tmp_path: Path
) -> None:
    variant = add_variant(workspace, seed=8, analyzed=EPOCHS[:-1])
    export_html(variant, report_of("raises", "map", "curve", "nonesuch.x"), tmp_path / "o.html")
    open_file(page, tmp_path / "o.html")
    states = page.eval_on_selector_all(".card", "cards => cards.map((c) => c.className.split(' ')[1])")
    assert states == ["error", "ok", "missing", "unknown"]
    assert "ZeroDivisionError: no <b>luck</b> at all" in page.inner_text("#card-panel-0")
    assert page.locator("#card-panel-1 .nothing").is_visible()
    page.keyboard.press("Home")
    drawn(page)
    assert not page.locator("#card-panel-1 .nothing").is_visible()
    assert np.isfinite(values(page, "panel-1/map", "value")).all()
    assert "mi analyze n7_seed8 --analyzers sample.curve" in page.inner_text("#card-panel-2")
    assert asked == []


def test_narrow_pages_have_one_column_and_no_sideways_scroll(opened: Page) -> None:
    opened.set_viewport_size({"width": 420, "height": 800})
    opened.wait_for_timeout(200)
    lefts = opened.eval_on_selector_all(".card", "cards => cards.map((c) => c.getBoundingClientRect().x)")
    assert len(set(lefts)) == 1
    assert opened.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser: Browser, file: Path, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    open_file(page, file)
    pairs = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, p, footer, label, output, summary, button, select")]
      .filter((e) => e.textContent.trim() && e.offsetParent && !e.disabled && !e.querySelector("svg"))
      .map((e) => {
        let ground = e, color = "rgba(0, 0, 0, 0)";
        while (ground && color === "rgba(0, 0, 0, 0)") {
          color = getComputedStyle(ground).backgroundColor;
          ground = ground.parentElement;
        }
        return [e.textContent.trim().slice(0, 30), getComputedStyle(e).color, color];
      })"""
    )
    context.close()
    assert len(pairs) > 20
    poor = [(text, contrast(a, b)) for text, a, b in pairs if contrast(a, b) < 4.5]
    assert poor == []


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast of two ``rgb(…)`` colours."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(p) / 255 for p in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
