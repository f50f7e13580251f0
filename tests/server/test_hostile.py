"""One served page in which hostile panels stand among good ones: each says what failed and whose it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from plugins.hostile import FAILING, names, write_site
from plugins.work import write_work
from sample_plugin import FAMILY, SITE, run
from server.samples import add_variant, answers
from server.serving import Served, served

from mi.domain.report import Panel, Report, save_report
from mi.domain.workspace import Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

WORK = "plugin work (mi-work 2.0)"
# panel -> (state, what it says, whose it is)
EXPECTED = {
    "sample.right": ("ok", "", ""),
    "work.good": ("ok", "", ""),
    "work.closing": ("ok", "", ""),
    "work.base_frame": ("error", "Evil: no Exception at all", WORK),
    "work.ctrl_c_frame": ("error", "KeyboardInterrupt: not by hand", WORK),
    "work.mute_frame": ("error", "Mute: its message cannot be read (RuntimeError)", WORK),
    "work.huge_frame": ("error", "ValueError: xxxxx", WORK),
    "work.lines_frame": ("error", r"ValueError: one two\x1b[31m<b>three</b>", WORK),
    "work.deep_frame": ("error", "RecursionError: maximum recursion depth exceeded", WORK),
    "work.late_frame": ("error", "ZeroDivisionError: at 20", WORK),
    "work.static": ("error", "LookupError: in static", WORK),
    "work.figure": ("error", "LookupError: in figure", WORK),
    "work.absent": ("error", "cannot load 'mi_work_absent:frame': ModuleNotFoundError", WORK),
    "work.misspelt": ("unknown", "unknown visualization 'work.misspelt'", WORK),
    "absent.panel": (
        "error",
        "Plugin absent failed in import: ModuleNotFoundError",
        "plugin absent (mi-absent 1.0)",
    ),
    "leaving.panel": (
        "error",
        "Plugin leaving failed in visualize: SystemExit: 1",
        "plugin leaving (mi-leaving 1.0)",
    ),
    "major.panel": (
        "error",
        "Plugin major failed in discover: it needs mi-core>=7,<8",
        "plugin major (mi-major 1.0)",
    ),
    "twin.panel": ("error", "claimed by mi-twin-one and mi-twin-two", "plugin twin (mi-twin-one 1.0)"),
    "mine.panel": (
        "untrusted",
        "Local plugin mine is not run, for it was never trusted",
        "local_plugins/mine.py",
    ),
    "broken.panel": ("error", "it is not Python ('(' was never closed, line 2)", "local_plugins/broken.py"),
    "nobody.panel": ("unknown", "unknown visualization 'nobody.panel'", ""),
    "core.losses": ("ok", "", ""),
}
COMMANDS = {
    "absent.panel": "mi plugins absent",
    "mine.panel": "mi trust mine",
    "broken.panel": "mi plugins broken",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All hostile plugins at once, served."""
    folder = tmp_path_factory.mktemp("hostile")
    root = folder / "ws"
    with pytest.MonkeyPatch.context() as patch:
        for path in (SITE, write_site(folder / "site", broken=False), write_work(folder / "work")):
            patch.syspath_prepend(path)
        patch.setenv("MI_HOME", str(folder / "home"))
        patch.setenv("MI_LOAD_PLUGINS", "sample")
        assert run("init", str(root)).code == 0
        assert run("-w", str(root), "families", "add", FAMILY).code == 0
        for name, content in {"mine": "raise AssertionError\n", "broken": "\nprint(\n"}.items():
            path = root / "local_plugins" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        patch.setenv("MI_LOAD_PLUGINS", names("work", "mine", "broken"))
        workspace = Workspace.open(root)
        add_variant(workspace, FAMILY, {"size": 7})
        panels = tuple(Panel(visualization=name) for name in EXPECTED)
        reports = root / "model_families" / FAMILY / "reports"
        save_report(Report(name="hostile", probe="full", panels=panels), reports)
        with served(workspace) as running:
            yield running
    for name in [n for n in sys.modules if n.startswith(("mi_hostile_", "mi_work_"))]:
        del sys.modules[name]


def test_every_panel_says_what_failed_and_whose_it_is_and_the_good_ones_live(
    page: Page, site: Served
) -> None:
    page.goto(f"{site.url}/report?family={FAMILY}&variant=n7_seed0&report=hostile&epoch=10")
    page.wait_for_function("window.__mi?.ready", timeout=60_000)
    cards = page.locator("figure.card")
    assert cards.count() == len(EXPECTED)
    for i, (panel, (state, sentence, owner)) in enumerate(EXPECTED.items()):
        card = cards.nth(i)
        text = card.inner_text()
        assert card.get_attribute("class") == f"card {state}", text
        assert sentence in text
        assert owner in text
        assert len(text) < 800
        assert COMMANDS.get(panel, "") in text
        assert str(site.running.site.workspace.root) not in text

    for key, epoch in (("ArrowRight", 15), ("End", 40), ("Home", 0)):
        page.keyboard.press(key)
        page.wait_for_function(f"__mi.drawn === {epoch}")
        shown = page.evaluate(
            """() => {
              const found = {};
              for (const root of Bokeh.documents[0].roots()) for (const model of root.references()) {
                if (model.name === "panel-0/right") found.image = [...model.get_column("image")[0]];
                if (model.name === "panel-1/note") found.note = model.get_column("text")[0];
                if (model.name === "mi-cursor") found.cursor = model.location;
              }
              return found;
            }"""
        )
        assert (shown["note"], shown["cursor"]) == (f"at {epoch}", epoch)
        decoded = [(code / 254 - 0.5) * 82 for code in shown["image"]]
        assert decoded == pytest.approx(answers(7, epoch).T.ravel().tolist(), abs=82 / 254)


def test_the_server_goes_on_for_others(site: Served) -> None:
    for _ in range(2):
        answer = site.get(f"/report?family={FAMILY}&variant=n7_seed0&report=hostile")
        assert answer.status == 200
        assert "Traceback" not in answer.body
    assert site.get("/").status == 200
    host = site.running.site.workspace.host
    assert {record.name for record, _ in host.failures()} >= {"leaving", "absent", "major", "twin"}
    asked = {name for name, plugin in FAILING.items() if plugin.hook in ("import", "register", "discover")}
    assert {record.name for record, _ in host.failures()} >= asked
