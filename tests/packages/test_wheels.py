"""What a stranger gets: wheels and sdists that hold everything and work without the repository."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from packages.clean_venv import CleanVenv, closure, installed, pip
from packages.distributions import ROOT, Distribution, sources
from packaging.utils import canonicalize_name

FAMILY = "modular_addition_1layer"
# One file of each kind of package data that is easily forgotten: it is what the check below compares with.
DATA = {
    "mi-core": {
        "mi/py.typed",
        "mi/server/templates/report.html.j2",
        "mi/server/assets/report.js",
        "mi/views/assets/page.html.j2",
        "mi/skeleton/templates/package/plugin.py.j2",
    },
    "mi-modular-arithmetic": {
        "mi_modular_arithmetic/py.typed",
        f"mi_modular_arithmetic/families/{FAMILY}/family.json",
        f"mi_modular_arithmetic/families/{FAMILY}/probes/full.json",
        f"mi_modular_arithmetic/families/{FAMILY}/reports/default.json",
    },
    "mi-fourier-library": {"mi_fourier_library/py.typed"},
    "mi-geometry-library": {"mi_geometry_library/py.typed"},
}


def test_every_distribution_of_the_repository_is_built(distributions: list[Distribution]) -> None:
    assert {d.name for d in distributions} >= DATA.keys()
    assert len(distributions) == len(sources(ROOT))


def test_a_wheel_holds_its_packages_whole_and_nothing_else(distributions: list[Distribution]) -> None:
    for one in distributions:
        info = f"{one.name.replace('-', '_')}-{one.project['version']}.dist-info/"
        files = {name for name in one.wheel_files() if not name.startswith(info)}
        assert files == one.package_files(), one.name
        assert files >= DATA.get(one.name, set())
        assert not [
            name for name in files if re.search(r"^tests/|(^|/)(test_\w+|conftest)\.py$|\.pyc$", name)
        ]
        typed = {f"{package.name}/py.typed" for package in one.packages}
        assert files >= typed, one.name


def test_a_wheel_says_who_may_use_it_and_what_it_is(distributions: list[Distribution]) -> None:
    for one in distributions:
        with zipfile.ZipFile(one.wheel) as archive:
            (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
            text = archive.read(name).decode()
            (license_file,) = [n for n in archive.namelist() if n.endswith("licenses/LICENSE")]
            assert archive.read(license_file) == (ROOT / "LICENSE").read_bytes(), one.name
        headers, _, readme = text.partition("\n\n")
        assert "License-Expression: MIT" in headers, one.name
        assert "Requires-Python: >=3.11" in headers, one.name
        assert len(readme) > 200, one.name


def test_an_sdist_builds_the_very_same_wheel(distributions: list[Distribution]) -> None:
    for one in distributions:
        assert content(one.rebuilt) == content(one.wheel), one.name


def test_an_sdist_holds_no_results_and_no_caches(distributions: list[Distribution]) -> None:
    for one in distributions:
        files = one.sdist_files()
        assert files >= {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"}, one.name
        unwanted = {"results", "__pycache__", ".venv", ".git", "model_families", "benchmarks"}
        assert not [name for name in files if unwanted & set(name.split("/"))], one.name


def test_the_environment_is_complete_and_holds_nothing_undeclared(
    clean: CleanVenv, distributions: list[Distribution]
) -> None:
    pip(clean, "check")
    found = installed(clean)
    assert {canonicalize_name(d.name): d.project["version"] for d in distributions}.items() <= found.items()
    assert not found.keys() & {"ruff", "mypy", "hatchling", "playwright", "pytest-xdist", "hypothesis"}
    ran = clean.run("python", "-c", "import mi, sys; print(mi.__file__); print(sys.path)", cwd=clean.home)
    where, path = ran.out.splitlines()
    assert Path(where).is_relative_to(clean.site)
    assert str(ROOT) not in path


def test_what_a_wheel_does_not_declare_is_left_out(distributions: list[Distribution], tmp_path: Path) -> None:
    """The check of the check: were the line `bokeh` forgotten, the environment would not have it."""
    core = next(d.wheel for d in distributions if d.name == "mi-core")
    assert "bokeh" in closure([core])
    short = tmp_path / core.name
    with zipfile.ZipFile(core) as source, zipfile.ZipFile(short, "w") as target:
        for name in source.namelist():
            lines = source.read(name).splitlines(keepends=True)
            target.writestr(name, b"".join(x for x in lines if not x.startswith(b"Requires-Dist: bokeh")))
    assert set(closure([core])) - set(closure([short])) >= {"bokeh", "xyzservices"}


def test_the_main_job_is_done_without_the_repository(clean: CleanVenv, tmp_path: Path) -> None:
    assert "made" in clean.mi("init", cwd=tmp_path)
    clean.mi("families", "add", FAMILY, cwd=tmp_path)
    size = ["prime=11", "train_fraction=0.5", "d_model=16", "d_mlp=16", "n_heads=2", "d_head=8"]
    settings = [part for one in size for part in ("--set", one)]
    clean.mi("train", FAMILY, *settings, "--epochs", "20", "--checkpoints", "0::10", cwd=tmp_path)
    (variant,) = json.loads(clean.mi("variants", "--json", cwd=tmp_path))
    said = clean.mi("analyze", variant["id"], "--threads", "1", cwd=tmp_path)
    assert "3 forward passes" in said
    page = tmp_path / "report.html"
    clean.mi("report", "build", "default", variant["id"], "--to", page, cwd=tmp_path)
    assert "Progress measures" in page.read_text()
    rows = {row["id"]: row for row in json.loads(clean.mi("plugins", "--json", cwd=tmp_path))}
    assert rows.keys() >= {"core", "modular_arithmetic", "fourier_library", "geometry_library"}
    assert [row["failures"] for row in rows.values() if row["failures"]] == []


def content(wheel: Path) -> dict[str, int]:
    """Names and checksums of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}
