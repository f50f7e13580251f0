"""Milliseconds from a step of the slider to the painted frame: `mi serve` against a plain Bokeh app.

    python benchmarks/app.py [--workspace DIR --variant NAME] [--steps 60] [--rounds 3] [--json FILE]

Both show the default report with the same figures over the same frames, which both hold in memory. The
plain app does what Bokeh's gallery does: a slider whose Python callback replaces each source's data. A real
headless Chromium steps both sliders through the same random checkpoints, in turn, so that whatever else the
machine does hits both. A step ends with the paint of the last canvas that it touches. Without --workspace a
small model is trained and analyzed first.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mi.domain.workspace import Workspace
from mi.store.checkpoints import list_checkpoints
from mi.store.layout import VariantPaths

Found = dict[str, dict[str, dict[str, list[float]]]]  # size -> app -> "step", "first" -> milliseconds
FAMILY = "modular_addition_1layer"
SIZES = {"a window of 1280 × 900": (1280, 900), "all panels in sight": (1280, 5200)}

# Notes every frame in which any canvas is touched, and when the browser has painted it.
WATCH = """
(() => {
  let touched = false;
  window.__painted = 0;
  const P = CanvasRenderingContext2D.prototype;
  for (const name of ["fill", "stroke", "fillRect", "strokeRect", "drawImage", "putImageData", "clearRect"]) {
    const old = P[name];
    P[name] = function (...args) { touched = true; return old.apply(this, args); };
  }
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { window.__painted = performance.now(); };
  // Later callbacks of the same frame may still draw, so the look comes after them: before the next frame.
  const tick = () => {
    if (touched) { touched = false; channel.port2.postMessage(0); }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();
"""

# One step: sets the slider, waits until the cursor's lines are there and 150 ms pass without a paint;
# milliseconds to the last paint.
STEP = """async ([which, k, epoch]) => {
  const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
  const start = performance.now();
  if (which === "mi") {
    const slider = document.getElementById("mi-slider");
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
  } else window.__slider.value = k;
  for (;;) {
    await sleep(10);
    const now = performance.now();
    const there = window.__spans.every((span) => span.location === epoch);
    if (there && window.__painted > start && now - window.__painted > 150) return window.__painted - start;
    if (now - start > 20000) throw new Error("the step was not painted");
  }
}"""

READY = """(which) => {
  const doc = window.Bokeh?.documents?.[0];
  if (!doc?.is_idle || (which === "mi" && !window.__mi?.ready)) return false;
  const models = doc.roots().flatMap((root) => [...root.references()]);
  window.__spans = models.filter((model) => model.name === "mi-cursor");
  window.__slider = models.find((model) => model.name === "plain-slider");
  return window.__spans.length > 0;
}"""


def plain_app(workspace: str, variant: str, port: int) -> None:
    """Serve the default report's figures with a slider that asks Python for every frame."""
    from bokeh.layouts import column, gridplot
    from bokeh.models import Slider
    from bokeh.server.server import Server

    from mi.views.page import build_page
    from mi.views.sources import current_sources

    opened = Workspace.open(workspace)
    chosen = opened.variant(variant)
    report = opened.report(chosen.family, "default")

    def modify(doc: Any) -> None:
        page = build_page(chosen, report)
        cards = [card for card in page.cards if card.root is not None and card.frames is not None]
        sources, spans = {}, []
        for card in cards:
            assert card.root is not None
            for model in card.root.references():
                if model.name and model.name.startswith(f"{card.id}/"):
                    sources[model.name] = model
                if model.name == "mi-cursor":
                    spans.append(model)

        def moved(attribute: str, old: int, new: int) -> None:
            epoch = int(page.epochs[new])
            for card in cards:
                assert card.frames is not None
                for name, fresh in current_sources(card.frames, epoch, card.id).items():
                    source = sources.get(f"{card.id}/{name}")
                    if source is not None and not card.frames.visualization.fields[name].static:
                        source.data = dict(fresh.data)
            for span in spans:
                span.location = epoch

        slider = Slider(start=0, end=len(page.epochs) - 1, value=page.position, step=1, name="plain-slider")
        slider.on_change("value", moved)
        grid = gridplot(
            [card.root for card in cards], ncols=2, sizing_mode="stretch_width", toolbar_location=None
        )
        doc.add_root(column(slider, grid, sizing_mode="stretch_width"))

    server = Server({"/": modify}, port=port, address="127.0.0.1")
    print(f"Serving at http://127.0.0.1:{server.port}/", flush=True)
    server.run_until_shutdown()


@contextmanager
def process(*command: str) -> Iterator[str]:
    """A server's address, once it says so."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            for line in running.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+/", line)
                if found:
                    yield found[0]
                    return
            sys.exit(f"{command} said no address")
        finally:
            running.kill()


def open_page(browser: Any, which: str, url: str, size: tuple[int, int]) -> tuple[Any, float]:
    """A page that has painted, and the milliseconds from its address to that."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(url, timeout=120_000)
    page.wait_for_function(READY, arg=which, timeout=120_000)
    page.wait_for_function(
        "window.__painted > 0 && performance.now() - window.__painted > 400", timeout=60_000
    )
    return page, float(page.evaluate("window.__painted"))


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measure(urls: Mapping[str, str], epochs: Sequence[int], steps: int, rounds: int) -> Found:
    """Step both apps through the same checkpoints, in turn."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from chromium import find, launch_arguments

    found: Found = {label: {which: {"step": [], "first": []} for which in urls} for label in SIZES}
    dice = random.Random(0)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find(), args=launch_arguments())
        for which, url in urls.items():  # fills the servers' caches; the first visit is not timed
            open_page(browser, which, url, next(iter(SIZES.values())))[0].context.close()
        for label, size in SIZES.items():
            for number in range(rounds):
                walk = [len(epochs) - 1]
                for _ in range(steps // rounds):
                    walk.append(dice.choice([k for k in range(len(epochs)) if k != walk[-1]]))
                for which, url in urls.items():
                    page, first = open_page(browser, which, url, size)
                    found[label][which]["first"].append(first)
                    for k in walk[1:]:
                        step = page.evaluate(STEP, [which, k, epochs[k]])
                        found[label][which]["step"].append(float(step))
                    page.context.close()
                    print(f"{label}, round {number + 1}, {which}", file=sys.stderr, flush=True)
        browser.close()
    return found


def make_workspace(folder: Path) -> str:
    """A model of the family, trained past memorizing and analyzed; its name."""
    mi = str(Path(sys.executable).with_name("mi"))
    where = [mi, "--workspace", str(folder)]
    subprocess.run([mi, "init", str(folder)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*where, "families", "add", FAMILY], check=True, stdout=subprocess.DEVNULL)
    settings = [
        "--set",
        "prime=59",
        "--set",
        "train_fraction=0.5",
        "--epochs",
        "600",
        "--checkpoints",
        "0:600:10",
    ]
    subprocess.run([*where, "train", FAMILY, *settings], check=True)
    name = "p59_seed999_frac0.5"
    subprocess.run([*where, "analyze", name], check=True)
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace")
    parser.add_argument("--variant")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every measured value here")
    parser.add_argument("--plain", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain is not None:
        plain_app(given.workspace, given.variant, given.plain)
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace, variant = given.workspace, given.variant
        if workspace is None:
            workspace, variant = folder, make_workspace(Path(folder))
        mi = str(Path(sys.executable).with_name("mi"))
        ours = (mi, "--workspace", workspace, "serve", "--port", "0")
        plain = (sys.executable, __file__, "--workspace", workspace, "--variant", variant, "--plain", "0")
        chosen = Workspace.open(workspace).variant(variant)
        epochs = [checkpoint.epoch for checkpoint in list_checkpoints(VariantPaths(chosen.folder))]
        started = time.monotonic()
        with process(*plain) as plain_url, process(*ours) as mi_url:
            report = f"{mi_url}report?family={chosen.family.name}&variant={chosen.name}"
            found = measure({"plain": plain_url, "mi": report}, epochs, given.steps, given.rounds)
    print(f"\nDefault report of {variant}, {given.steps} steps each, {time.monotonic() - started:.0f} s\n")
    print("| | app | step, median | step, 95 % | first paint, median |")
    print("|---|---|---|---|---|")
    for label, apps in found.items():
        for which, name in (("plain", "plain Bokeh app"), ("mi", "`mi serve`")):
            step, first = apps[which]["step"], apps[which]["first"]
            print(
                f"| {label} | {name} | {statistics.median(step):.0f} ms | {quantile(step, 0.95):.0f} ms | "
                f"{statistics.median(first) / 1000:.1f} s |"
            )
    if given.json is not None:
        given.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
