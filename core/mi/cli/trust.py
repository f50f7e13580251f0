"""``mi trust``: let files of ``local_plugins/`` run, after a look at them. Loads no plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, print_listing
from mi.plural import counted

if TYPE_CHECKING:
    from mi.plugins.local import LocalFile
    from mi.plugins.trust import Trust

FIRST_LINES, DIFF_LINES = 40, 200
COLUMNS = {"id": "plugin", "state": "state", "path": "file", "error": ""}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listing", is_flag=True, help="List local plugins and all that was ever trusted.")
@click.option("--remove", is_flag=True, help="Trust these no longer: names, or files of other workspaces.")
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal, unless MI_TRUST=1.")
@json_option
@click.pass_context
def trust(
    ctx: click.Context, names: tuple[str, ...], listing: bool, remove: bool, yes: bool, as_json: bool
) -> None:
    """Allow local plugins (local_plugins/NAME.py) to run; without NAME each that may not.

    Shows a file, or what has changed in it since it was trusted, and asks. What is kept, in your own folder,
    is its path and its SHA-256: a file that changes is asked about again. It runs with all your rights.
    """
    from mi.plugins.trust import Trust

    known, files = Trust.read(), _files(ctx.find_root().obj, needed=not (listing or as_json or remove))
    if listing or as_json:
        print_listing(_rows(known, files), COLUMNS, as_json, "no local plugins: they are local_plugins/*.py")
    elif remove:
        _remove(known, files, names)
    else:
        _allow(known, _chosen(known, files, names), yes)


def _files(workspace: str | None, needed: bool) -> dict[str, LocalFile]:
    """Name -> local plugin of the workspace; outside one there is none, which is an error where needed."""
    from mi.domain.place import find_workspace
    from mi.errors import StoreError
    from mi.plugins.local import local_files

    try:
        root = find_workspace(workspace)
    except StoreError:
        if needed or workspace is not None:
            raise
        return {}
    return {file.name: file for file in local_files(root)}


def _chosen(known: Trust, files: dict[str, LocalFile], names: tuple[str, ...]) -> list[LocalFile]:
    from mi.errors import unknown

    for name in names:
        if name not in files:
            raise unknown("local plugin", name, files)
    if names:
        return [files[name] for name in dict.fromkeys(names)]
    chosen = [file for file in files.values() if not known.holds(file.path, file.digest)]
    if not chosen:
        count = f"{len(files)} local plugin{'s' if len(files) != 1 else ''}"
        click.echo(
            f"nothing to ask: {count}, all trusted" if files else "no local plugins: local_plugins/*.py"
        )
    return chosen


def _allow(known: Trust, files: list[LocalFile], yes: bool) -> None:
    """Show each file, ask, keep the answer.

    Raises:
        MiError: a file that cannot be a plugin, or nobody to ask.
    """
    from mi.errors import MiError

    for file in files:
        if file.problem:
            raise MiError(f"{file.path}: {file.problem}; mend it first")
    asking = [file for file in files if known.digests.get(str(file.path)) != file.digest]
    if asking and not (yes or known.everything or sys.stdin.isatty()):
        raise MiError("there is no terminal to ask on; look at the files, then give --yes or set MI_TRUST=1")
    for file in files:
        if file not in asking:
            click.echo(f"{file.name} is trusted already")
            continue
        for line in _look(file, known.before(file.path), known.knows(file.path)):
            click.echo(line)
        if yes or known.everything or click.confirm(f"Let {file.name} run?"):
            known.add(file)
            click.echo(f"{file.name} may run until it changes")
        else:
            click.echo(f"{file.name} will not run")


def _look(file: LocalFile, before: bytes | None, known: bool) -> Iterator[str]:
    """The file for a person: where, how large, and its first lines or its change."""
    from mi.faults import spelt

    text = file.content.decode("utf-8", "replace").splitlines()
    much = f"{counted(len(file.content), 'byte')}, {counted(len(text), 'line')}"
    yield f"{file.path}: {much}, SHA-256 {file.digest[:12]}…"
    if before is None:
        lines = [f"{i:>4}  {spelt(line)}" for i, line in enumerate(text, 1)]
        yield "It has changed since it was trusted; what it was then is lost." if known else "It begins:"
        limit = FIRST_LINES
    else:
        old = before.decode("utf-8", "replace").splitlines()
        lines = [spelt(line) for line in unified_diff(old, text, "trusted", "now", lineterm="")]
        yield "Since it was trusted it has changed:"
        limit = DIFF_LINES
    yield from lines[:limit]
    if len(lines) > limit:
        yield f"      … and {counted(len(lines) - limit, 'more line')}: look at the file"


def _remove(known: Trust, files: dict[str, LocalFile], names: tuple[str, ...]) -> None:
    from mi.errors import MiError, unknown

    if not names:
        raise MiError("name what to trust no longer (see `mi trust --list`)")
    paths = []
    for name in names:
        path = files[name].path if name in files else Path(name).absolute()
        if not known.knows(path):
            raise unknown("trusted plugin", name, [n for n, f in files.items() if known.knows(f.path)])
        paths.append(path)
    for path in paths:
        known.remove(path)
        click.echo(f"{path} is not trusted any more")


def _rows(known: Trust, files: dict[str, LocalFile]) -> list[dict[str, Any]]:
    """One object a file: those of this workspace, then what was trusted in others; see docs/cli-json.md."""
    from mi.plugins.local import read_local

    here = {str(file.path) for file in files.values()}
    elsewhere = [read_local(Path(path)) for path in known.digests if path not in here]
    return [_row(known, file) for file in [*files.values(), *elsewhere]]


def _row(known: Trust, file: LocalFile) -> dict[str, Any]:
    state = "trusted" if known.holds(file.path, file.digest) else "untrusted"
    if state == "untrusted" and known.knows(file.path):
        state = "changed"
    if file.problem:
        state = "broken" if file.path.exists() else "gone"
    return {
        "id": file.name,
        "state": state,
        "path": str(file.path),
        "digest": file.digest if file.content else "",
        "bytes": len(file.content),
        "error": file.problem,
    }
