"""The report page in a real Chromium, against the real server: one cursor, and every panel follows it."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sample_plugin import FAMILY, run
from server.samples import add_variant, answers
from server.serving import Served, served

from mi.domain.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

N7 = f"/report?family={FAMILY}&variant=n7_seed0"
N9 = f"/report?family={FAMILY}&variant=n9_seed0"

# What the page's models hold now, as numbers.
LOOK = """() => {
  const models = new Map();
  for (const root of Bokeh.documents[0].roots())
    for (const model of root.references()) models.set(model.id, model);
  const all = [...models.values()];
  const image = all.find((m) => m.name === "panel-1/right");
  return {
    label: document.getElementById("mi-label").textContent,
    epoch: __mi.epoch,
    spans: all.filter((m) => m.name === "mi-cursor").map((m) => m.location),
    codes: image ? [...image.get_column("image")[0]] : null,
    values: image ? [...image.get_column("value")[0]] : null,
    exact: image ? image.get_column("exact")[0] : null,
  };
}"""


def open_page(page: Page, site: Served, path: str) -> None:
    page.goto(f"{site.url}{path}")
    page.wait_for_function("window.__mi?.ready", timeout=60_000)


def look(page: Page) -> dict[str, Any]:
    return dict(page.evaluate(LOOK))


def settled(page: Page, epoch: int) -> dict[str, Any]:
    """The page once it shows ``epoch`` with the exact values that the server sent."""
    page.wait_for_function(f"__mi.drawn === {epoch} && ({LOOK})().exact === 1", timeout=60_000)
    return look(page)


def shown_at(size: int, epoch: int) -> np.ndarray:
    """Exact values as the image shows them: rows are y, from bottom to top."""
    return answers(size, epoch).T.ravel()


def expect(now: dict[str, Any], epoch: int, index: int, last: int, size: int = 7, top: int = 41) -> None:
    """Every part of the page shows this epoch; image codes are within half a step of the exact values."""
    assert now["label"] == f"epoch {epoch} · checkpoint {index} of 0–{last}"
    assert len(now["spans"]) == 2
    assert set(now["spans"]) == {epoch}
    exact = shown_at(size, epoch)
    decoded = (np.array(now["codes"]) / 254 - 0.5) * 2 * top
    assert np.abs(decoded - exact).max() <= top / 254 * 1.001


def test_a_deep_link_opens_at_its_epoch(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=25")
    expect(look(page), 25, 5, 8)
    assert page.locator("#mi-epoch").input_value() == "25"
    assert page.locator("#mi-index").input_value() == "5"
    assert page.locator("#mi-asked").count() == 0
    assert page.title() == "n7_seed0 · Default · mi"


def test_without_an_epoch_the_last_checkpoint_is_shown(page: Page, lab: Served) -> None:
    open_page(page, lab, N7)
    expect(look(page), 40, 8, 8)


def test_an_epoch_between_checkpoints_says_so_until_the_cursor_moves(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=1234")
    expect(look(page), 40, 8, 8)
    assert page.locator("#mi-asked").text_content() == "asked 1,234 · shown 40"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.getElementById('mi-asked').hidden")
    expect(settled(page, 35), 35, 7, 8)


def test_keys_buttons_and_boxes_move_every_panel(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=0")
    for key, epoch in (("ArrowRight", 5), ("ArrowRight", 10), ("ArrowLeft", 5), ("End", 40), ("Home", 0)):
        page.keyboard.press(key)
        expect(settled(page, epoch), epoch, epoch // 5, 8)
    page.click("#mi-next")
    expect(settled(page, 5), 5, 1, 8)
    page.fill("#mi-epoch", "33")
    page.keyboard.press("Enter")
    expect(settled(page, 35), 35, 7, 8)
    page.fill("#mi-index", "2")
    page.keyboard.press("Enter")
    expect(settled(page, 10), 10, 2, 8)
    page.fill("#mi-epoch", "nonsense")
    page.keyboard.press("Enter")
    expect(look(page), 10, 2, 8)
    assert page.locator("#mi-epoch").input_value() == "10"


def test_a_click_on_an_epoch_axis_jumps_to_the_nearest_checkpoint(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=0")
    place = page.evaluate(
        """() => {
          for (const root of Bokeh.documents[0].roots())
            for (const model of root.references()) {
              if (model.type !== "Figure" || !model.center.some((r) => r.name === "mi-cursor")) continue;
              const view = Bokeh.index.find_one(model);
              const box = view.canvas_view.el.getBoundingClientRect();
              const { bbox, x_scale, y_scale } = view.frame;
              return { x: box.x + x_scale.compute(26), y: box.y + bbox.top + bbox.height / 2 };
            }
        }"""
    )
    page.mouse.click(place["x"], place["y"])
    expect(settled(page, 25), 25, 5, 8)


def test_values_are_exact_once_the_cursor_rests(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=0")
    seen = f"requestAnimationFrame(() => (window.moved = ({LOOK})()))"  # after the frame has been drawn
    page.evaluate(f"document.addEventListener('keydown', () => {seen})")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.moved")
    moved = page.evaluate("window.moved")
    assert (moved["epoch"], moved["exact"]) == (5, 0), "while it moves, values are what the codes stand for"
    now = settled(page, 5)
    np.testing.assert_array_equal(np.array(now["values"], dtype=np.float32), shown_at(7, 5))


def test_a_drag_moves_every_panel_and_sends_nothing(page: Page, lab: Served) -> None:
    sent: list[Any] = []
    page.on("websocket", lambda ws: ws.on("framesent", lambda data: sent.append(data)))
    open_page(page, lab, f"{N7}&epoch=0")
    box = page.locator("#mi-slider").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.wait_for_timeout(500)
    page.mouse.move(box["x"] + 8, y)
    page.mouse.down()
    before = len(sent)
    seen = set()
    for i in range(1, 25):
        page.mouse.move(box["x"] + 8 + (box["width"] - 16) * i / 25, y)
        # Two animation frames: the first draws what the second finds drawn.
        now = page.evaluate(
            f"new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(({LOOK})()))))"
        )
        expect(now, now["epoch"], now["epoch"] // 5, 8)
        seen.add(now["epoch"])
    page.wait_for_timeout(400)  # a hand that pauses has not let go
    assert len(sent) == before, sent[before:]
    assert len(seen) >= 7
    page.mouse.up()
    last = look(page)["epoch"]
    settled(page, last)
    after = len(sent) - before
    assert after == 3, "one patch: header, metadata, content"
    assert f"epoch={last}" in page.url


def test_selects_and_steps_keep_the_epoch_and_back_returns(page: Page, lab: Served) -> None:
    open_page(page, lab, N7)
    page.fill("#mi-epoch", "20")
    page.keyboard.press("Enter")
    page.wait_for_url("**epoch=20**")
    page.select_option("nav label:has-text('Variant') select", label="n9_seed0")
    page.wait_for_url("**variant=n9_seed0**")
    page.wait_for_function("window.__mi?.ready")
    assert look(page)["label"] == "epoch 18 · checkpoint 3 of 0–10"
    assert page.locator("#mi-asked").text_content() == "asked 20 · shown 18"
    page.click("nav a[rel=prev]")
    page.wait_for_url("**variant=n7_seed0**")
    page.wait_for_function("window.__mi?.ready")
    expect(look(page), 20, 4, 8)
    page.go_back()
    page.wait_for_url("**variant=n9_seed0**")
    page.wait_for_function("window.__mi?.ready")
    chosen = page.locator("nav label:has-text('Variant') select option:checked").text_content()
    assert chosen == "n9_seed0"
    page.reload()
    page.wait_for_function("window.__mi?.ready")
    assert look(page)["epoch"] == 18
    page.select_option("nav label:has-text('Report') select", label="empty")
    page.wait_for_url("**report=empty**")
    assert "no panels" in page.inner_text("main")
    page.click("a.brand")
    page.wait_for_selector("table")


def test_two_tabs_do_not_disturb_each_other(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&epoch=40")
    other = page.context.new_page()
    problems: list[str] = []
    other.on("pageerror", lambda error: problems.append(str(error)))
    open_page(other, lab, f"{N9}&epoch=60")
    for _ in range(4):
        other.keyboard.press("ArrowLeft")
        other.keyboard.press("ArrowLeft")
    expect(settled(other, 12), 12, 2, 10, size=9, top=61)
    page.bring_to_front()
    expect(look(page), 40, 8, 8)
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(settled(page, 20), 20, 4, 8)
    expect(look(other), 12, 2, 10, size=9, top=61)
    other.close()
    page.keyboard.press("ArrowLeft")
    expect(settled(page, 15), 15, 3, 8)
    assert problems == []


def test_panels_that_cannot_be_drawn_say_why_and_the_others_live(page: Page, lab: Served) -> None:
    open_page(page, lab, f"{N7}&report=trouble")
    cards = page.locator("figure.card")
    assert cards.count() == 8
    text = [cards.nth(i).inner_text() for i in range(8)]
    for i in range(4):
        assert "This panel failed" in text[i]
        assert "plugin trouble (mi-trouble 1.0)" in text[i]
    assert "ZeroDivisionError: <script>alert(1)</script>" in text[0]
    assert "SystemExit" in text[1]
    assert "No such visualization" in text[4]
    assert "did you mean sample.right" in text[4]
    assert "did you mean sign" in text[5]
    assert page.locator("figure.card.ok").count() == 2
    page.keyboard.press("Home")
    page.wait_for_function("__mi.epoch === 0")
    assert set(look(page)["spans"]) == {0}


def test_a_variant_without_artifacts_shows_its_losses_and_what_to_type(page: Page, lab: Served) -> None:
    open_page(page, lab, N7.replace("n7", "n13"))
    assert page.locator("figure.card.ok").count() == 1
    missing = page.locator("figure.card.missing")
    assert "Not computed yet" in missing.inner_text()
    assert "mi analyze n13_seed0 --analyzers sample.answers" in missing.inner_text()
    page.keyboard.press("Home")
    page.wait_for_function("__mi.epoch === 0")


def test_a_half_trained_variant_shows_what_there_is(page: Page, lab: Served) -> None:
    open_page(page, lab, N7.replace("n7", "n11"))
    now = look(page)
    expect(now, 20, 4, 4, size=11, top=21)


def test_a_variant_without_checkpoints_has_a_page(page: Page, lab: Served) -> None:
    page.goto(f"{lab.url}{N7.replace('n7', 'n15')}")
    page.wait_for_function("window.__mi?.ready")
    assert "2 of 2 panels wait for checkpoints" in page.inner_text(".banner")
    assert "has no checkpoints yet" in page.inner_text("main")
    assert "mi train sample_sums --set size=15" in page.inner_text("main")
    assert page.locator(".cursor").is_hidden()


def test_an_open_page_outlives_its_variant_and_its_server(
    browser: Browser, tmp_path: Path, lab: Served
) -> None:
    folder = tmp_path / "ws"
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    workspace = Workspace.open(folder)
    add_variant(workspace, FAMILY, {"size": 7})
    page = browser.new_page()
    with served(workspace) as site:
        open_page(page, site, f"{N7}&epoch=0")
        shutil.rmtree(folder / "results" / FAMILY)
        page.keyboard.press("ArrowRight")
        expect(settled(page, 5), 5, 1, 8)
        assert site.get("/").status == 200
        assert site.get(N7).status == 404
        assert page.locator("#mi-lost").is_hidden()
    page.wait_for_function("!document.getElementById('mi-lost').hidden", timeout=60_000)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("__mi.epoch === 10")
    expect(look(page), 10, 2, 8)
    page.close()


def test_sessions_end_when_tabs_close(browser: Browser, tmp_path: Path, lab: Served) -> None:
    before = len([s for s in lab.sessions if s.connection_count])
    pages = [browser.new_page() for _ in range(3)]
    for page in pages:
        open_page(page, lab, N7)
    assert len([s for s in lab.sessions if s.connection_count]) == before + 3
    for page in pages:
        page.close()
    for _ in range(1200):
        if len([s for s in lab.sessions if s.connection_count]) == before:
            break
        time.sleep(0.05)
    assert len([s for s in lab.sessions if s.connection_count]) == before


def test_plain_pages_run_their_script_under_the_strict_policy(page: Page, lab: Served) -> None:
    page.goto(f"{lab.url}/")
    page.click("text=n9_seed0")
    page.wait_for_function("window.__mi?.ready")
    assert "variant=n9_seed0" in page.url
    page.goto(f"{lab.url}/")
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"


def test_a_message_page_can_be_left_through_its_selects(browser: Browser, lab: Served) -> None:
    page = browser.new_page()
    page.goto(f"{lab.url}/report?family={FAMILY}&variant=nobody&epoch=20")
    assert "Unknown variant" in page.inner_text("h1")
    page.select_option("nav label:has-text('Variant') select", label="n7_seed0")
    page.wait_for_function("window.__mi?.ready")
    expect(look(page), 20, 4, 8)
    page.close()


def test_the_default_report_of_a_real_family_paints_every_panel(page: Page, modular: Served) -> None:
    variant = "p11_seed1_frac0.5_dm16_mlp16"
    open_page(page, modular, f"/report?variant={variant}&epoch=0")
    cards = page.locator("figure.card")
    assert cards.count() >= 8
    assert page.locator("figure.card.ok").count() == cards.count(), page.inner_text("main")
    # Every panel has painted: some canvas of it holds more than one colour.
    painted = page.evaluate(
        """() => [...document.querySelectorAll("figure.card .plot > div")].map((place) => {
          const canvases = [];
          const walk = (node) => {
            if (node.tagName === "CANVAS") canvases.push(node);
            for (const child of node.children ?? []) walk(child);
            if (node.shadowRoot) walk(node.shadowRoot);
          };
          walk(place);
          return canvases.some((canvas) => {
            if (!canvas.width || !canvas.height) return false;
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(data.buffer)).size > 2;
          });
        })"""
    )
    assert painted == [True] * cards.count()
    spans = look(page)["spans"]
    assert len(spans) >= 5
    assert set(spans) == {0}
    page.keyboard.press("End")
    page.wait_for_function("__mi.epoch === 60")
    page.wait_for_timeout(300)
    now = look(page)
    assert set(now["spans"]) == {60}
    assert now["label"] == "epoch 60 · checkpoint 6 of 0–6"


def test_small_frames_leave_at_once(page: Page, lab: Served) -> None:
    """With Nagle's algorithm each message of a step would wait 40 ms for an acknowledgement."""
    open_page(page, lab, N7)
    sockets = [c._socket.ws_connection.stream.socket for c in lab.running.base._tornado._clients]
    assert sockets
    assert all(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in sockets)
