"""The repository's distributions, found by their pyproject files, and their wheels and sdists, built once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from attrs import frozen
from filelock import FileLock

ROOT = Path(__file__).parents[2]
PLACES = (".", "plugins/*", "examples/*")
# What a build must never need: caches, environments, version control; and at the top what others made.
LEFT_OUT = ("__pycache__", "*.egg-info", ".?*")
LEFT_OUT_AT_TOP = ("results", "build", "dist")


@frozen
class Distribution:
    """One distribution of the repository, built.

    Attributes:
        project: the table ``project`` of its pyproject.toml.
        packages: the folders that its wheel is made of.
        wheel, sdist: built from a copy of the repository.
        rebuilt: the wheel built from the sdist alone.
    """

    project: dict[str, Any]
    packages: tuple[Path, ...]
    wheel: Path
    sdist: Path
    rebuilt: Path

    @property
    def name(self) -> str:
        return str(self.project["name"])

    def wheel_files(self, wheel: Path | None = None) -> set[str]:
        """Names of the files in the wheel."""
        with zipfile.ZipFile(wheel or self.wheel) as archive:
            return set(archive.namelist())

    def sdist_files(self) -> set[str]:
        """Names of the files in the sdist, without the folder that holds them all."""
        with tarfile.open(self.sdist) as archive:
            return {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}

    def package_files(self) -> set[str]:
        """Files of its packages as they lie in the repository, named as a wheel names them."""
        return {
            str(path.relative_to(package.parent))
            for package in self.packages
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }


def build_all(shared: Path) -> list[Distribution]:
    """Every distribution of the repository, built at most once below ``shared``, whoever asks."""
    with FileLock(shared / "distributions.lock"):
        tree, done = shared / "tree", shared / "built"
        if not done.exists():
            shutil.rmtree(tree, ignore_errors=True)
            shutil.copytree(ROOT, tree, ignore=_left_out)
            # Two cores; each build is a process of its own.
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda source: _build(source, shared), sources(tree)))
            done.touch()
    return [_found(source, shared) for source in sources(tree)]


def sources(tree: Path) -> list[Path]:
    """Folders below ``tree`` that hold a pyproject.toml with a build system."""
    files = sorted(file for place in PLACES for file in tree.glob(f"{place}/pyproject.toml"))
    return [file.parent for file in files if "build-system" in tomllib.loads(file.read_text())]


def build(source: Path, to: Path, *kinds: str) -> None:
    """``python -m build`` with the development environment's hatchling: no network."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(to), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _left_out(folder: str, names: list[str]) -> set[str]:
    patterns = (*LEFT_OUT, *LEFT_OUT_AT_TOP) if Path(folder) == ROOT else LEFT_OUT
    return shutil.ignore_patterns(*patterns)(folder, names)


def _build(source: Path, shared: Path) -> None:
    name = _project(source)["name"]
    built, unpacked = shared / "dist" / name, shared / "unpacked" / name
    build(source, built, "--sdist", "--wheel")
    with tarfile.open(_only(built, "*.tar.gz")) as archive:
        archive.extractall(unpacked, filter="data")
    build(_only(unpacked, "*"), shared / "rebuilt" / name, "--wheel")


def _found(source: Path, shared: Path) -> Distribution:
    project = _project(source)
    table = tomllib.loads((source / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    return Distribution(
        project=project,
        packages=tuple(source / package for package in table["packages"]),
        wheel=_only(shared / "dist" / project["name"], "*.whl"),
        sdist=_only(shared / "dist" / project["name"], "*.tar.gz"),
        rebuilt=_only(shared / "rebuilt" / project["name"], "*.whl"),
    )


def _project(source: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    return project


def _only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path
