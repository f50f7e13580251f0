"""docs/plugins/local.md, followed to the letter: ten lines, one word of trust, one line of JSON, a panel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from docs.documents import DOCS, blocks, write_files
from sample_plugin import run
from server.conftest import MODULAR
from server.serving import Served, served

import mi
from mi.domain.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = DOCS / "plugins" / "local.md"
SHOWN = """() => {
  if (!window.__mi?.ready) return null;
  for (const root of Bokeh.documents[0].roots()) for (const model of root.references())
    if (model.name === "panel-0/share") return {
      x: [...model.get_column("x")], y: [...model.get_column("y")], epoch: __mi.drawn,
      glyphs: root.references ? [...root.references()].map((m) => m.type) : [],
    };
  return null;
}"""


def bar_heights(page: Page, expected: np.ndarray, glyph: str) -> dict[str, Any]:
    """The panel once it shows these numbers with this glyph."""
    wanted = json.dumps([float(v) for v in expected])
    page.wait_for_function(
        f"""() => {{
          const now = ({SHOWN})(), wanted = {wanted};
          return now && now.y.length === wanted.length && now.glyphs.includes("{glyph}")
              && now.y.every((v, i) => Math.abs(v - wanted[i]) < 1e-5);
        }}""",
        timeout=60_000,
    )
    return dict(page.evaluate(SHOWN))


def test_the_file_has_ten_lines() -> None:
    (code,) = [block.code for block in blocks(PAGE) if block.path]
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E,F,I",
        "--line-length",
        "110",
    ]
    done = subprocess.run([*command, "-"], input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Modules of local plugins go with the test."""
    yield
    for name in [n for n in sys.modules if n.startswith("mi_local_")]:
        del sys.modules[name]


@pytest.mark.browser
@pytest.mark.usefixtures("forgotten")
def test_the_tutorial_as_printed(
    modular: Served, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(modular.running.site.workspace.root, tmp_path / "ws")
    monkeypatch.setenv("MI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MI_LOAD_PLUGINS", "modular_arithmetic,fourier_library,geometry_library,energy")
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    (file,) = write_files([PAGE], root)

    commands = [block.code.strip() for block in blocks(PAGE) if block.kind == "bash"]
    assert commands == ["mi trust energy", "mi serve --dev"]
    assert "local plugin energy" in run("-w", str(root), "families").err
    assert run("-w", str(root), *commands[0].split()[1:], "--yes").code == 0  # its answer to the question
    assert run("-w", str(root), "families").err == ""

    (line,) = [block.code.strip() for block in blocks(PAGE) if block.kind == "json"]
    report = root / "model_families" / MODULAR / "reports" / "default.json"
    before = report.read_text()
    report.write_text(before.replace('"panels": [', f'"panels": [\n    {line}', 1))
    assert run("-w", str(root), "report", "validate", MODULAR).code == 0

    variant = mi.open(root).variants(MODULAR)[0]
    fraction = variant.artifacts("modular_arithmetic.neuron_frequencies")["fraction"]
    with served(Workspace.open(root), dev=print) as site, closing(page):
        page.goto(f"{site.url}/report?family={MODULAR}&variant={variant.name}&epoch=60")
        now = bar_heights(page, fraction.sel(epoch=60).mean("neuron").values, "VBar")
        assert now["x"] == fraction["freq"].values.tolist()
        assert page.locator("figure.card").nth(0).locator("h2").inner_text() == "Energy by frequency"
        page.keyboard.press("Home")
        bar_heights(page, fraction.sel(epoch=0).mean("neuron").values, "VBar")
        page.keyboard.press("End")
        bar_heights(page, fraction.sel(epoch=60).mean("neuron").values, "VBar")

        text = file.read_text()
        assert '`.max("neuron")` instead of `.mean("neuron")`' in PAGE.read_text()
        file.write_text(text.replace('.mean("neuron")', '.max("neuron")'))
        bar_heights(page, fraction.sel(epoch=60).max("neuron").values, "VBar")
        assert '`Field("line", ("freq",))`' in PAGE.read_text()
        file.write_text(text.replace('Field("bars", ("freq",))', 'Field("line", ("freq",))'))
        bar_heights(page, fraction.sel(epoch=60).mean("neuron").values, "Line")
        file.write_text(text.replace("frame=frame)]", "frame=frame)"))
        card = page.locator("figure.card").nth(0)
        card.filter(has_text="it is not Python ('[' was never closed, line 14)").wait_for(timeout=60_000)
        file.write_text(text)
        bar_heights(page, fraction.sel(epoch=60).mean("neuron").values, "VBar")
        page.screenshot(path=tmp_path / "panel.png")
