"""`mi plugin new`: every choice of parts is clean code; bad input is one sentence and leaves nothing."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packages.distributions import ROOT, build
from packaging.requirements import Requirement
from packaging.version import Version

from mi.plugins import API_VERSION
from mi.skeleton import PARTS, create_plugin
from mi.skeleton.names import MAX_LENGTH
from mi.testing import run

NAME = "rank_watch"
NAMES = {NAME: "", "x": "-short", "x" * MAX_LENGTH: "-long"}  # lines must fit, whatever the name's length
SUBSETS = [subset for n in range(1, 5) for subset in itertools.combinations(PARTS, n)]
RUFF = (sys.executable, "-m", "ruff")


def initials(parts: tuple[str, ...]) -> str:
    return "".join(part[0] for part in parts)


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scaffold of every subset of parts, by their initials; for three names."""
    folder = tmp_path_factory.mktemp("scaffolds")
    for name, end in NAMES.items():
        for parts in SUBSETS:
            create_plugin(name, parts, folder / f"{initials(parts)}{end}")
    return folder


def checked(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_subset_holds_what_was_chosen_and_compiles(all_of_them: Path) -> None:
    modules = {
        "family": {"family.py", "model.py"},
        "probe": {"probes.py"},
        "analyzer": {"dimension.py"},
        "visualization": {"figures.py"},
    }
    hooks = {
        "family": "register_family",
        "probe": "provide_probe",
        "analyzer": "analyze",
        "visualization": "visualize",
    }
    for parts in SUBSETS:
        package = all_of_them / initials(parts) / "src" / f"mi_{NAME}"
        expected = {"__init__.py", "plugin.py"}.union(*(modules[part] for part in parts))
        assert {path.name for path in package.glob("*.py")} == expected
        source = (package / "plugin.py").read_text()
        assert {part for part in PARTS if f"def {hooks[part]}(" in source} == set(parts)
        assert (package / "families").exists() == ("family" in parts)
    for file in all_of_them.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")
    for file in all_of_them.rglob("*.json"):
        assert json.loads(file.read_text())["schema"] == 1


def test_every_subset_passes_its_own_rules_and_the_repositorys(all_of_them: Path) -> None:
    checked(*RUFF, "check", "--no-cache", cwd=all_of_them)  # each by its own pyproject.toml
    checked(*RUFF, "format", "--check", "--no-cache", cwd=all_of_them)
    # Copied, since what its rules say of "**/tests/**" is meant from where it lies.
    rules = shutil.copy(ROOT / "pyproject.toml", all_of_them)
    for name, end in NAMES.items():
        ours = f'lint.isort.known-first-party = ["mi", "mi_{name}"]'
        folders = [all_of_them / f"{initials(parts)}{end}" for parts in SUBSETS]
        configured = ("--no-cache", "--config", rules, "--config", ours)
        checked(*RUFF, "check", *configured, *folders, cwd=all_of_them)
        checked(*RUFF, "format", "--check", *configured, *folders, cwd=all_of_them)


def test_the_whole_passes_strict_types(all_of_them: Path, tmp_path: Path) -> None:
    # The repository's own cache, copied, spares a minute of reading torch's types.
    cache = tmp_path / "cache"
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", cache)
    for parts in (PARTS, ("visualization",)):
        folder = all_of_them / initials(parts)
        assert tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["mypy"]["strict"] is True
        checked(sys.executable, "-m", "mypy", "--cache-dir", cache, cwd=folder)


def test_requirements_are_bounded_and_only_what_is_imported(all_of_them: Path) -> None:
    stated = {r.name: r.specifier for r in map(Requirement, metadata.requires("mi-core") or ())}
    expected = {
        "family": {"numpy", "torch", "transformer-lens"},
        "probe": {"numpy"},
        "analyzer": {"torch"},
        "visualization": set(),
    }
    for parts in SUBSETS:
        project = tomllib.loads((all_of_them / initials(parts) / "pyproject.toml").read_text())["project"]
        assert project["entry-points"] == {"mi.plugins": {NAME: f"mi_{NAME}.plugin"}}
        needed = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
        core = needed.pop("mi-core")
        assert core.contains(API_VERSION)
        assert not core.contains(f"{Version(API_VERSION).major + 1}.0")
        assert needed == {name: stated[name] for part in parts for name in expected[part]}


def test_a_few_subsets_pass_their_own_tests(tmp_path: Path) -> None:
    """Between them each part stands without the others; test_stranger tests the whole, as a wheel."""
    site = tmp_path / "site"
    few = {"one": ("visualization",), "two": ("probe", "analyzer"), "three": ("family",)}
    for name, parts in few.items():
        build(create_plugin(name, parts, tmp_path / name), tmp_path / "dist", "--wheel")
    for wheel in (tmp_path / "dist").iterdir():
        shutil.unpack_archive(wheel, site, "zip")  # installed, without touching this environment
    # All in one process, which imports torch once; by the rules that each of them states.
    configured = ("-c", tmp_path / "one" / "pyproject.toml", "--rootdir", tmp_path, "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *configured, *(tmp_path / name / "tests" for name in few)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\d+ passed(, \d+ skipped)? in .*", done.stdout.splitlines()[-1]), done.stdout


def test_the_command_says_what_it_made_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("plugin", "new", NAME, "--with", "visualization, analyzer")
    assert (ran.code, ran.err) == (0, "")
    made = tmp_path / "mi-rank-watch"
    assert ran.out.startswith(f"made {made}; next: `cd {made} && pip install --editable .")
    assert [path.name for path in tmp_path.iterdir()] == ["mi-rank-watch"]
    assert made.stat().st_mode & 0o777 == 0o755
    assert (made / "src" / "mi_rank_watch" / "dimension.py").exists()
    assert not (made / "src" / "mi_rank_watch" / "probes.py").exists()


def test_an_empty_folder_is_filled_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    inode = folder.stat().st_ino
    monkeypatch.chdir(folder)  # as one who has made it and stands in it
    assert run("plugin", "new", NAME, "--to", ".").code == 0
    assert folder.stat().st_ino == inode
    assert (folder / "pyproject.toml").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ("Rank", "plugin name is 'Rank', expected a lower-case identifier such as 'rank_watch'"),
        ("rank-watch", "plugin name is 'rank-watch', expected a lower-case identifier"),
        ("rank.watch", "plugin name is 'rank.watch', expected a lower-case identifier"),
        ("2nd", "plugin name is '2nd', expected a lower-case identifier"),
        ("rank_", "plugin name is 'rank_', expected a lower-case identifier"),
        ("../rank", "plugin name is '../rank', expected a lower-case identifier"),
        ("x" * (MAX_LENGTH + 1), f"of at most {MAX_LENGTH} characters"),
        ("core", "plugin name 'core' is reserved for what mi itself brings"),
        ("fourier_library", "plugin fourier_library is installed already, by mi-fourier-library 0.1.0"),
        ("rank --with analyser", "--with analyser: unknown part 'analyser': did you mean analyzer?"),
        ("rank --with family,plot", "unknown part 'plot': known: analyzer, family, probe, visualization."),
        ("rank --with ,", "--with is ',', expected some of family,probe,analyzer,visualization"),
        ("rank --to full", "full: exists already and is not an empty folder; choose another with --to"),
        ("rank --to full/file", "full/file: exists already and is not an empty folder"),
        ("rank --to full/file/below", "full/file: is no folder, so nothing can be made in it"),
        ("rank --to full/file/far/below", "full/file/far/below: cannot be written (Not a directory)"),
        ("rank --to link", "link: exists already and is not an empty folder"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, sentence: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert sentence in run("plugin", "new", *arguments.split()).refusal()
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_a_package_of_that_name_is_not_shadowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mi_rank_watch.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    sentence = run("plugin", "new", NAME, "--to", str(tmp_path / "new")).refusal()
    assert sentence == "plugin name is 'rank_watch', but a package mi_rank_watch is installed already"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("exists", [False, True])
def test_when_writing_fails_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    target = tmp_path / "mine"
    if exists:
        target.mkdir()
    real, moved = Path.rename, []

    def rename(self: Path, to: Path) -> Path:
        if len(moved) == (2 if exists else 0):  # in the midst of it
            raise OSError(os.strerror(28))
        moved.append(to)
        return real(self, to)

    monkeypatch.setattr(Path, "rename", rename)
    sentence = run("plugin", "new", NAME, "--to", str(target)).refusal()
    assert sentence == f"{target}: cannot be written (No space left on device)"
    assert list(tmp_path.rglob("*")) == ([target] if exists else [])
