"""`mi plugin new` in a stranger's hands: docs/plugins/start.md, command by command, down to Chromium."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import frozen
from filelock import FileLock
from packages.clean_venv import CleanVenv, make_once, pip
from packages.distributions import ROOT, Distribution, build
from packages.stranger import Shell, commands

from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = ROOT / "docs" / "plugins" / "start.md"
NAME, FAMILY, VARIANT = "rank_watch", "rank_watch_larger", "n12_seed0"
START, USE, LIBRARY = 0, 1, 2  # the page's blocks of commands
INSTALL = ["pip", "install", "--editable", ".", "--group", "dev"]
# What the panel of shares holds now.
SHARES = """() => {
  for (const root of Bokeh.documents[0].roots())
    for (const model of root.references())
      if (model.name === "panel-2/share") return [...model.get_column("y")];
}"""


@frozen
class Made:
    """A plugin that a stranger has made, and installed as a wheel beside ours.

    Attributes:
        folder: the package.
        venv: where it is installed, with pytest.
    """

    folder: Path
    venv: CleanVenv


@pytest.fixture(scope="session")
def made(shared: Path, distributions: list[Distribution]) -> Made:
    """The page's first command, run where only the core's wheel and pytest are; its own wheel beside them."""
    core = [d.wheel for d in distributions if d.name == "mi-core"]
    venv = make_once(shared / "stranger", core, ["pytest"])
    folder, dist = shared / f"mi-{NAME.replace('_', '-')}", shared / "stranger-dist"
    with FileLock(shared / "stranger.lock"):
        if not dist.exists():
            Shell(venv, shared).run(commands(PAGE)[START][0])
            build(folder, dist, "--sdist", "--wheel")
            pip(venv, "install", "--no-index", "--no-deps", *map(str, dist.glob("*.whl")))
    return Made(folder, venv)


def test_it_installs_beside_the_core_alone_with_all_that_it_declares(made: Made) -> None:
    pip(made.venv, "check")
    rows = {row["id"]: row for row in json.loads(made.venv.mi("plugins", "--json", cwd=made.venv.home))}
    assert rows.keys() == {"core", NAME}
    assert rows[NAME]["distribution"] == "mi-rank-watch"
    assert not made.folder.is_relative_to(ROOT)


def test_its_own_tests_pass(made: Made) -> None:
    new, cd, install, test = commands(PAGE)[START]
    assert (new[:3], cd, install) == (["mi", "plugin", "new"], ["cd", made.folder.name], INSTALL)
    # Installed as a wheel, which takes no network; so the tests of the source run against what was shipped.
    said = Shell(made.venv, made.folder).run([*test, "-p", "no:cacheprovider"])
    passed = said.strip().splitlines()[-1]
    assert "passed" in passed
    # What needs a streaming analyzer, or a declared cost, has nothing to say of others.
    skipped = set(re.findall(r"^SKIPPED .*: (.*)$", said, re.MULTILINE))
    assert skipped <= {"it sees all rows at once", "it declares no cost"}, said


def test_the_page_makes_a_library_too(made: Made, tmp_path: Path) -> None:
    (command,) = commands(PAGE)[LIBRARY]
    Shell(made.venv, tmp_path).run(command)
    package = tmp_path / "mi-rank-library" / "src" / "mi_rank_library"
    assert {path.stem for path in package.glob("*.py")} == {"__init__", "plugin", "dimension", "figures"}


def test_the_readme_says_what_the_page_says(made: Made) -> None:
    page, readme = commands(PAGE), commands(made.folder / "README.md")
    assert page[USE] in readme
    assert INSTALL in readme[0]


@pytest.mark.browser
def test_from_nothing_to_its_panels_in_chromium(made: Made, page: Page, tmp_path: Path) -> None:
    shell = Shell(made.venv, tmp_path)
    *before, serve = commands(PAGE)[USE]
    said = [shell.run(command) for command in before]
    assert "17 forward passes" in said[-1]
    listed = shell.run(["mi", "plugins", NAME])
    assert "mi-rank-watch" in listed
    shown = ArtifactReader(VariantPaths(shell.cwd / "results" / FAMILY / VARIANT)).dataset(
        "full", f"{NAME}.dimension"
    )
    assert 1 <= float(shown["dimension"].min()) <= float(shown["dimension"].max()) <= 32
    with shell.serve(serve) as url, closing(page):
        page.goto(f"{url}/report?family={FAMILY}&variant={VARIANT}")
        page.wait_for_function("window.__mi?.ready", timeout=60_000)
        assert page.locator("figure.card.ok h2").all_inner_texts() == [
            "Loss and accuracy",
            "Effective dimension",
            "Shares of the variance",
        ]
        expect(page, shown, 400)
        page.keyboard.press("Home")
        expect(page, shown, 0)
        page.keyboard.press("ArrowRight")
        expect(page, shown, 10)


def expect(page: Page, stored: Any, epoch: int) -> None:
    """The bars are the stored shares of this epoch."""
    page.wait_for_function(f"__mi.drawn === {epoch}", timeout=60_000)
    bars = np.array(page.evaluate(SHARES))
    np.testing.assert_allclose(bars, stored["share"].sel(epoch=epoch).values, rtol=1e-6)
