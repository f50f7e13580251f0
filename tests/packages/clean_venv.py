"""An empty virtual environment with our wheels and exactly what they declare that they require.

Third-party packages come from the development environment, file by file (links: no download, no gigabyte
copied), and only those that the wheels' requirements reach; so a requirement that is not declared is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import Parser
from importlib import metadata
from pathlib import Path

from attrs import frozen
from filelock import FileLock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCRIPTS = Path(sysconfig.get_path("scripts"))


@frozen
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@frozen
class CleanVenv:
    """A virtual environment.

    Attributes:
        folder: its own.
        home: an empty home for what runs in it.
        site: its site-packages.
    """

    folder: Path
    home: Path
    site: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def environ(self) -> dict[str, str]:
        """Nothing of the environment around: no PYTHONPATH, no MI_*, no user site."""
        here = {"HOME": str(self.home), "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        return here | {"OMP_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"}

    def run(self, *command: str | Path, cwd: Path, timeout: float = 280) -> Ran:
        """Run a command of this environment (``python``, ``mi``) in ``cwd``."""
        program, *arguments = map(str, command)
        done = subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            capture_output=True, text=True, check=False, cwd=cwd, env=self.environ(), timeout=timeout,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def mi(self, *arguments: str | Path, cwd: Path) -> str:
        """What ``mi ARGUMENTS`` prints; it must succeed without a word on standard error but progress."""
        ran = self.run("mi", *arguments, cwd=cwd)
        assert ran.code == 0, f"mi {' '.join(map(str, arguments))}\n{ran.out}{ran.err}"
        assert "failed" not in ran.err, ran.err
        return ran.out


def make_once(folder: Path, wheels: Sequence[Path], extra: Iterable[str] = ()) -> CleanVenv:
    """The environment in ``folder``, made by whoever asks first; pip installs ``wheels`` without an index.

    Args:
        folder: to be made.
        wheels: ours; their requirements on each other are met by them alone.
        extra: further third-party requirements, such as ``pytest``.
    """
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        home, done = folder / "home", folder / "done"
        if not done.exists():
            shutil.rmtree(folder / "venv", ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
            home.mkdir(exist_ok=True)
            _fill(_venv(folder), wheels, extra)
            done.touch()
    return _venv(folder)


def _venv(folder: Path) -> CleanVenv:
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    return CleanVenv(folder=folder / "venv", home=folder / "home", site=site)


def _fill(venv: CleanVenv, wheels: Sequence[Path], extra: Iterable[str]) -> None:
    for name in closure(wheels, extra):
        _link(metadata.distribution(name), venv)
    pip(venv, "install", "--no-index", "--no-deps", *map(str, wheels))


def pip(venv: CleanVenv, *arguments: str) -> str:
    """Run the development environment's pip on ``venv``; it must succeed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv.python)]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True, text=True, check=False, env=venv.environ(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(venv: CleanVenv) -> dict[str, str]:
    """Distributions in the environment: name -> version."""
    listed = json.loads(pip(venv, "list", "--format", "json"))
    return {canonicalize_name(row["name"]): row["version"] for row in listed}


def closure(wheels: Iterable[Path], extra: Iterable[str] = ()) -> list[str]:
    """Names of the third-party distributions that ``wheels`` and ``extra`` require, directly or not."""
    ours: set[str] = set()
    reached: dict[str, frozenset[str]] = {}
    pending: list[tuple[str, frozenset[str]]] = []

    def ask(requirements: Iterable[str], extras: frozenset[str]) -> None:
        for text in requirements:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras | {""}):
                pending.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))

    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
            headers = Parser().parsestr(archive.read(name).decode())
        ours.add(canonicalize_name(headers["Name"]))
        ask(headers.get_all("Requires-Dist") or (), frozenset())
    ask(extra, frozenset())
    while pending:
        name, extras = pending.pop()
        if name in ours or (name in reached and extras <= reached[name]):
            continue
        reached[name] = reached.get(name, frozenset()) | extras
        ask(metadata.distribution(name).requires or (), reached[name])
    return sorted(reached)


def _link(distribution: metadata.Distribution, venv: CleanVenv) -> None:
    """Every file of an installed distribution but its scripts, which name another interpreter."""
    assert distribution.files, f"{distribution.name} has no list of files"
    for file in distribution.files:
        source = Path(os.path.normpath(str(file.locate())))
        if SCRIPTS in source.parents or not source.is_file():
            continue
        inside = ".." not in file.parts
        target = venv.site / file if inside else venv.folder / source.relative_to(sys.prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            try:
                os.link(source, target)
            except OSError:  # another file system, such as a /tmp in memory
                target.symlink_to(source)
