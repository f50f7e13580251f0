"""Light where it must be, layered one way, and without a word of any task."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sample_plugin import SITE

import mi

CORE = Path(mi.__file__).parent
HEAVY = ("torch", "numpy", "zarr", "xarray", "bokeh", "transformer_lens", "pandas", "scipy")
SLOW = ("rich", "jinja2", "pluggy", "packaging", "asyncio", "mi.domain.family", "mi.plugins.host")
# Who may import whom: a package imports only those of a lower number, and itself.
LAYERS = {
    "domain": 0,
    "store": 1,
    "training": 2,
    "engine": 2,
    "views": 3,
    "export": 4,
    "server": 4,
    "lab": 4,
    "doctor": 4,
    "cli": 5,
}


def imported(code: str, folder: Path, names: tuple[str, ...]) -> list[str]:
    """Which of ``names`` a process has imported after ``code``, with all installed plugins."""
    script = f"{code}\nimport sys; print('IMPORTED', *[m for m in {names!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SITE), "MI_HOME": str(folder)},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()[-1].split()[1:]


def command(*arguments: str) -> str:
    return f"from mi.cli.group import cli; assert cli.run({list(arguments)!r}) == 0"


@pytest.mark.parametrize(
    "code",
    [
        "import mi",
        "import mi.hookspecs, mi.plugins, mi.builtin",
        "import mi; mi.hookimpl, mi.Analyzer, mi.Family, mi.Probe, mi.Visualization, mi.VariantCode",
        "from mi.plugins import load_host; assert any(r.status == 'loaded' for r in load_host().records)",
        command("doctor", "--help"),
        command("families", "--help"),
    ],
)
def test_nothing_heavy_is_imported(code: str, tmp_path: Path) -> None:
    assert imported(code, tmp_path, HEAVY) == []


@pytest.mark.parametrize("arguments", ["--help", "--version", "plugins", "plugins --json"])
def test_what_answers_at_once_imports_nothing_that_it_can_do_without(arguments: str, tmp_path: Path) -> None:
    # `packaging` alone would cost as much as all else that `mi plugins` does.
    assert imported(command(*arguments.split()), tmp_path, (*HEAVY, *SLOW)) == []


def test_the_test_of_imports_sees_an_import(tmp_path: Path) -> None:
    assert imported("import mi.store.commits, numpy", tmp_path, (*HEAVY, *SLOW)) == ["numpy"]


def test_help_lists_every_command(tmp_path: Path) -> None:
    from sample_plugin import run

    from mi.cli.group import COMMANDS

    text = run("--help").out
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


def test_every_command_imports_and_has_help() -> None:
    from sample_plugin import run

    from mi.cli.group import COMMANDS

    for name in COMMANDS:
        ran = run(name, "--help")
        assert ran.code == 0, name
        assert "Usage: mi" in ran.out


def imports(path: Path) -> list[str]:
    """Packages below `mi` that a file imports, at any depth of nesting."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            modules = [node.module or ""]
            if node.module == "mi":
                modules = [f"mi.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        found += [m.split(".")[1] for m in modules if m.startswith("mi.")]
    return found


def test_imports_point_one_way() -> None:
    seen = set()
    for path in sorted(CORE.rglob("*.py")):
        package = path.relative_to(CORE).parts[0].removesuffix(".py")
        if package not in LAYERS:
            continue
        for other in imports(path):
            seen.add((package, other))
            if other in LAYERS and other != package:
                assert LAYERS[other] < LAYERS[package], f"{path} imports mi.{other}"
    assert ("views", "store") in seen
    assert ("store", "domain") in seen
    # `training` and `engine` are siblings: neither knows the other.
    assert ("training", "engine") not in seen


def test_the_core_imports_no_plugin() -> None:
    for path in CORE.rglob("*.py"):
        assert not re.search(r"\bmi_[a-z]+", "\n".join(_names(path))), path


def _names(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found


def test_the_core_knows_no_task() -> None:
    words = re.compile(r"prime|fourier|residue", re.IGNORECASE)
    files = [
        p for p in CORE.rglob("*") if p.is_file() and p.suffix in (".py", ".js", ".css", ".html", ".json")
    ]
    assert len(files) > 40
    found = [
        f"{path.relative_to(CORE)}:{i}: {line.strip()}"
        for path in files
        for i, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert found == []
