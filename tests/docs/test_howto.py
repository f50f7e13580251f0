"""The how-to pages as a reader follows them: their files make one plugin, their commands are run in order."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from docs.documents import DOCS, ROOT, blocks, write_files
from sample_plugin import run

from mi.plugins import HOOKS

PAGES = [
    DOCS / "plugins" / f"{name}.md" for name in ("family", "probe", "analyzer", "visualization", "command")
]

CONFIG = 'line-length = 110\nlint.isort.known-first-party = ["mi"]'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages' package, installed: its files and a dist-info made from its own pyproject.toml."""
    folder = tmp_path_factory.mktemp("howto") / "site"
    write_files(PAGES, folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"mi_compare-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {text}\n" for text in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    )
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in project["entry-points"].items()
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("MI_LOAD_PLUGINS", "compare")
        for name in ("MI_WORKSPACE", "MI_DISABLE_PLUGINS", "MI_STRICT_PLUGINS"):
            patch.delenv(name, raising=False)
        yield folder
    for name in [n for n in sys.modules if n.partition(".")[0] == "mi_compare"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def workspace(site: Path) -> Iterator[Path]:
    """A workspace in which every command of the pages was run, in order, from within."""
    folder = site.parent / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        assert run("init", str(folder)).code == 0
        patch.chdir(folder)
        commands = [
            line for page in PAGES for b in blocks(page) if b.kind == "bash" for line in b.code.splitlines()
        ]
        assert len(commands) >= 9
        for line in commands:
            words = shlex.split(line, comments=True)
            assert words[0] == "mi", line
            ran = run(*words[1:])
            assert (ran.code, ran.err.count("failed")) == (0, 0), f"{line}\n{ran.err}"
        yield folder


def test_every_hook_has_a_page_with_its_exact_signature() -> None:
    reference = (DOCS / "reference" / "hooks.md").read_text()
    for hook, page in zip(HOOKS, PAGES, strict=False):
        shown = blocks(page)[0].code.strip()
        assert shown.startswith(f"def {hook}("), page
        assert shown in reference, f"{page}: the signature differs from the reference"


def test_the_shown_package_trains_and_reports(workspace: Path) -> None:
    variant = workspace / "results" / "compare_mlp" / "n12_seed0"
    assert json.loads((variant / "config.json").read_text())["parameters"]["size"] == 12
    page = (workspace / "report.html").read_text()
    for title in ("Margin by distance", "When each distance was learned", "Loss and accuracy"):
        assert title in page
    assert "no artifacts" not in page


def test_the_network_of_the_pages_learns(workspace: Path) -> None:
    import mi

    margin = mi.open(workspace).variant("n12_seed0").artifacts("compare.margin")["margin"]
    assert margin.shape == (11, 23)
    assert float(margin[-1].sel(distance=11)) > 3
    assert float(margin[0].sel(distance=11)) < 1


def test_the_streaming_analyzer_of_the_pages_sums_over_all_rows(workspace: Path) -> None:
    import mi

    variant = mi.open(workspace).variant("n12_seed0")
    activity = variant.artifacts("compare.activity")
    _, cache = variant.at(300).run_with_cache("hook_hidden")
    hidden = cache["hook_hidden"].double()
    assert hidden.shape == (144, 16)
    np.testing.assert_allclose(activity["mean"].sel(epoch=300), hidden.mean(0), rtol=1e-6)
    np.testing.assert_allclose(activity["firing"].sel(epoch=300), (hidden > 0).double().mean(0), rtol=1e-6)


def test_the_probe_of_the_pages_holds_what_it_says(workspace: Path) -> None:
    ran = run("-w", str(workspace), "probe", "show", "compare_mlp", "hard")
    assert "54" in ran.out  # 12 + 2 * 11 + 2 * 10 pairs
    ran = run("-w", str(workspace), "probe", "show", "compare_mlp", "steps", "--rows", "14", "--json")
    shown = json.loads(ran.out)[0]
    assert shown["rows"] == 144
    assert (shown["head"][13]["x"], shown["head"][13]["y"]) == (1, 2)


def test_python_without_a_file_runs_in_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    snippets = [
        b.code
        for page in PAGES
        for b in blocks(page)
        if b.kind == "python" and not b.path and not b.code.startswith("def ")
    ]
    assert snippets
    for code in snippets:
        exec(compile(code, "docs", "exec"), {})


def test_the_shown_code_is_formatted_and_without_faults(site: Path) -> None:
    for command in (["check", "--select", "E,F,W,I,B,UP"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", command[0], "--isolated", "--config", CONFIG, *command[1:], site],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
