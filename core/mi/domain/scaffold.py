"""Making things in a workspace: the workspace itself, families that plugins ship, families like another."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

from mi.domain.family import load_family, parse_family
from mi.domain.jsonfile import parse_json, read_json, write_atomic, write_json
from mi.domain.values import is_slug
from mi.domain.workspace import FAMILIES, RESULTS, Workspace
from mi.errors import MiError, ParameterError, PluginError, StoreError, unknown
from mi.plugins import Host

_NEW_FILES = {
    f"{FAMILIES}/README.md": (
        "# Model families\n\n"
        "One folder a family: `family.json`, `probes/*.json`, `reports/*.json`. They are yours: keep them\n"
        "under version control. `mi families` lists them and those that plugins ship,\n"
        "`mi families add NAME` copies one here, `mi families new NAME --like OTHER` starts your own.\n"
    ),
    f"{RESULTS}/README.md": (
        "# Results\n\n"
        "`<family>/<variant>/`, made by `mi train` and `mi analyze`: weights, losses, artifacts. Everything\n"
        "here can be made again, so it stays out of version control.\n"
    ),
    f"{RESULTS}/.gitignore": "*\n!.gitignore\n!README.md\n",
}


def create_workspace(root: Path) -> list[Path]:
    """Make ``root`` a workspace; what exists is left as it is. The files that were made.

    Raises:
        StoreError: the folder cannot be written.
    """
    made = []
    for name, text in _NEW_FILES.items():
        path = root / name
        if not path.exists():
            write_atomic(path, text.encode())
            made.append(path)
    return made


def shipped_families(host: Host) -> dict[str, tuple[str, Traversable]]:
    """Families that plugins ship: name -> (id of the code that ships it, its folder), sorted.

    A folder that is missing or malformed is recorded as a failure of its plugin.
    """
    found: dict[str, tuple[str, Traversable]] = {}
    for id, code in sorted(host.family_codes().items()):
        for place in code.families:
            try:
                folder = _shipped(place)
                data = parse_json((folder / "family.json").read_bytes(), f"{place}/family.json")
                name = parse_family(data, f"{place}/family.json").name
                if name in found:
                    raise PluginError(f"family {name!r} is shipped by {found[name][0]} too")
                found[name] = (id, folder)
                owner = host.record_of(id)
                if owner is not None:
                    owner.offer("families", name)
            except (MiError, OSError, ImportError) as error:
                record = host.record_of(id)
                if record is not None and not any(str(error) in f.error for f in record.failures):
                    record.fail("register_family", error)
    return dict(sorted(found.items()))


def add_family(workspace: Workspace, name: str) -> Path:
    """Copy a family that a plugin ships into the workspace, whole or not at all.

    Raises:
        UnknownNameError: no plugin ships it.
        StoreError: the workspace has it already, or cannot be written.
    """
    shipped = shipped_families(workspace.host)
    if name not in shipped:
        raise unknown("family that a plugin ships", name, shipped)
    with _new_folder(workspace, name) as folder, as_file(shipped[name][1]) as source:
        _copy(source, folder)
    return workspace.root / FAMILIES / name


def new_family(workspace: Workspace, name: str, like: str) -> Path:
    """Copy a family of the workspace (or one that a plugin ships) under another name.

    Raises:
        ParameterError: the name cannot be a family's.
        UnknownNameError: there is no family ``like``.
        FormatError: that one's family.json is malformed.
        StoreError: the workspace has ``name`` already, or cannot be written.
    """
    if not is_slug(name):
        raise ParameterError(
            f"family name is {name!r}, expected lower-case letters, digits, '.', '_' and '-'"
        )
    declared, shipped = workspace.family_names(), shipped_families(workspace.host)
    if like not in declared and like not in shipped:
        raise unknown("family", like, [*declared, *shipped])
    other = workspace.root / FAMILIES / like if like in declared else shipped[like][1]
    with _new_folder(workspace, name) as folder, as_file(other) as source:
        load_family(source / "family.json")
        _copy(source, folder)
        data = read_json(folder / "family.json")
        write_json(folder / "family.json", {**data, "name": name})
    return workspace.root / FAMILIES / name


def _shipped(place: str) -> Traversable:
    package, _, path = place.partition(":")
    found = files(package)
    for part in filter(None, path.split("/")):
        found = found / part  # a package without __init__.py takes one part at a time
    return found


def _copy(source: Path, target: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.py", "*.pyc", ".*")
    shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)


@contextmanager
def _new_folder(workspace: Workspace, name: str) -> Iterator[Path]:
    """A folder to fill, which becomes ``model_families/<name>`` when all went well, else vanishes."""
    parent, target = workspace.root / FAMILIES, workspace.root / FAMILIES / name
    if os.path.lexists(target):
        raise StoreError(f"{target}: exists already; remove or rename it first")
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}.", suffix=".partial"))
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
