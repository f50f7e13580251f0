"""`mi serve --dev`: a plugin is edited, and open pages show it; what is broken is mended by the next save."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen
from sample_plugin import FAMILY, SITE, run
from server.samples import add_variant
from server.serving import Served, served

from mi.domain.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PAGE = f"/report?family={FAMILY}&variant=n7_seed0&epoch=20"
LOCAL = '''"""A panel of one's own."""
from mi import Field, Visualization, hookimpl

MI_API = "0.1"


def static(data, options):
    losses = data.losses
    gap = losses["test_loss"] - losses["train_loss"]
    return {"gap": {"epoch": losses["epoch"].values, "y": (FACTOR * gap).values}}


@hookimpl
def visualize(family):
    gap = Field("line", ("epoch",), static=True)
    return [Visualization(id="gap.losses", title="TITLE", losses=True, fields={"gap": gap}, static=static)]
'''
PLUGIN = """from mi import Field, Visualization, hookimpl


@hookimpl
def visualize(family):
    note = {"note": Field("text")}
    return [Visualization(id="edited.note", title="Note", fields=note, frame="mi_edited.frames:frame")]
"""
FRAMES = "def frame(data, epoch, options):\n    return {'note': 'NOTE at ' + str(epoch)}\n"


def local(title: str, factor: str = "1") -> str:
    return LOCAL.replace("TITLE", title).replace("FACTOR", factor)


@frozen
class Bench:
    """A workspace served with ``--dev``: its local plugin, an editable plugin's package, what was said."""

    site: Served
    workspace: Workspace
    file: Path
    package: Path
    report: Path
    said: list[str]


def write_report(path: Path, *panels: str) -> None:
    data = {"schema": 1, "probe": "full", "panels": [{"visualization": panel} for panel in panels]}
    path.write_text(json.dumps(data))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    package, info = tmp_path / "site" / "mi_edited", tmp_path / "site" / "mi_edited-3.0.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(PLUGIN)
    (package / "frames.py").write_text(FRAMES)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mi-edited\nVersion: 3.0\nRequires-Dist: mi-core>=0.1,<1\n"
    )
    (info / "entry_points.txt").write_text("[mi.plugins]\nedited = mi_edited.plugin\n")
    root, said = tmp_path / "ws", []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.syspath_prepend(package.parent)
        patch.setenv("MI_LOAD_PLUGINS", "sample,edited,gap,other")
        patch.setenv("MI_HOME", str(tmp_path / "home"))
        patch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
        assert run("init", str(root)).code == 0
        assert run("-w", str(root), "families", "add", FAMILY).code == 0
        file = root / "local_plugins" / "gap.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(local("First"))
        assert run("-w", str(root), "trust", "gap", "--yes").code == 0
        workspace = Workspace.open(root)
        add_variant(workspace, FAMILY, {"size": 7})
        report = root / "model_families" / FAMILY / "reports" / "dev.json"
        write_report(report, "sample.right", "gap.losses", "edited.note")
        with served(workspace, dev=said.append) as running:
            yield Bench(running, workspace, file, package, report, said)
    for name in [n for n in sys.modules if n.split(".")[0] == "mi_edited" or n.startswith("mi_local_")]:
        del sys.modules[name]


def card(page: Page, number: int) -> Any:
    return page.locator("figure.card").nth(number)


def wait_for(page: Page, number: int, text: str) -> None:
    """Until a card says ``text`` on a page that is ready and still at its epoch."""
    card(page, number).filter(has_text=text).wait_for(timeout=60_000)
    page.wait_for_function("window.__mi?.ready && __mi.epoch === 20", timeout=60_000)


DRAWN = """([source, column]) => {
  for (const root of Bokeh.documents[0].roots()) for (const model of root.references())
    if (model.name === source) return [...model.get_column(column)];
}"""


def drawn(page: Page, source: str, column: str) -> list[Any]:
    """What a source of the page holds."""
    return list(page.evaluate(DRAWN, [source, column]))


def test_a_local_file_is_edited_broken_and_mended_while_the_page_is_open(bench: Bench, page: Page) -> None:
    page.goto(f"{bench.site.url}{PAGE}&report=dev")
    wait_for(page, 1, "First")
    before = drawn(page, "panel-1/gap", "y")

    bench.file.write_text(local("Second", "-2"))
    wait_for(page, 1, "Second")
    assert drawn(page, "panel-1/gap", "y") == pytest.approx([-2 * y for y in before])
    assert "epoch=20" in page.url

    bench.file.write_text(local("Third") + "\ndef broken(:\n")
    wait_for(page, 1, "This panel failed")
    assert "plugin gap (local_plugins/gap.py)" in card(page, 1).inner_text()
    assert "it is not Python (invalid syntax, line 18)" in card(page, 1).inner_text()
    assert "ok" in card(page, 0).get_attribute("class")

    bench.file.write_text(local("Third", "1 / 0"))
    wait_for(page, 1, "ZeroDivisionError: division by zero (gap.py, line 10)")

    bench.file.write_text(local("Fourth"))
    wait_for(page, 1, "Fourth")
    assert drawn(page, "panel-1/gap", "y") == before
    assert "read anew: gap.py" in bench.said

    # To a command it is a changed file.
    ran = run("-w", str(bench.workspace.root), "families")
    assert "not run, for it has changed since it was trusted" in ran.err


def test_a_module_of_an_editable_package_is_loaded_anew(bench: Bench, page: Page) -> None:
    page.goto(f"{bench.site.url}{PAGE}&report=dev")
    wait_for(page, 2, "Note")
    assert drawn(page, "panel-2/note", "text") == ["NOTE at 20"]
    (bench.package / "frames.py").write_text(FRAMES.replace("NOTE", "EDIT"))  # as long, in the same second
    now = f"() => window.__mi?.ready && ({DRAWN})(['panel-2/note', 'text'])[0] === 'EDIT at 20'"
    page.wait_for_function(now, timeout=60_000)

    (bench.package / "plugin.py").write_text("import nowhere_to_be_found\n" + PLUGIN)
    wait_for(page, 2, "This panel failed")
    assert "plugin edited (mi-edited 3.0)" in card(page, 2).inner_text()
    assert any(
        "plugin edited (mi-edited 3.0) failed in import: ModuleNotFound" in line for line in bench.said
    )
    (bench.package / "plugin.py").write_text(PLUGIN)
    page.wait_for_function("document.querySelectorAll('figure.card.ok').length === 3", timeout=60_000)


def test_a_report_is_read_anew_and_a_new_file_is_not_run_before_it_is_trusted(
    bench: Bench, page: Page
) -> None:
    page.goto(f"{bench.site.url}{PAGE}&report=dev")
    wait_for(page, 1, "First")
    other = bench.file.with_name("other.py")
    other.write_text(local("Other").replace("gap.losses", "other.losses") + "\nopen('ran', 'w')\n")
    write_report(bench.report, "other.losses")
    wait_for(page, 0, "Not trusted yet")
    assert "mi trust other" in card(page, 0).inner_text()
    assert not Path("ran").exists()
    assert any("local plugin other" in line and "it was never trusted" in line for line in bench.said)

    other.write_text(local("Other").replace("gap.losses", "other.losses"))
    assert run("-w", str(bench.workspace.root), "trust", "other", "--yes").code == 0
    page.wait_for_function("document.querySelectorAll('figure.card.ok').length === 1", timeout=60_000)


def test_pages_without_a_figure_reload_too(bench: Bench, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{bench.site.url}{PAGE}&report=dev")
    wait_for(page, 1, "First")
    bench.report.write_text("{")
    page.get_by_text("Report dev cannot be read").wait_for(timeout=60_000)
    write_report(bench.report, "gap.losses")  # the page that says why there is none heals too
    wait_for(page, 0, "First")
    page.goto(f"{bench.site.url}/")
    assert "connect-src 'self'" in bench.site.get("/").headers["Content-Security-Policy"]
    bench.report.with_name("more.json").write_text(bench.report.read_text())
    page.get_by_role("link", name="more").wait_for(timeout=60_000)
    page.close()


def test_without_dev_nothing_is_watched_and_nobody_asks(bench: Bench) -> None:
    with served(bench.workspace) as plain:
        assert plain.get("/dev").status == 404
        assert plain.running.site.dev is None
        for path in ("/", f"{PAGE}&report=dev", "/nowhere"):
            assert "dev.js" not in plain.get(path).body
            assert "dev.js" in bench.site.get(path).body
        assert "connect-src" not in plain.get("/").headers["Content-Security-Policy"]
