"""What several commands share: the workspace, tables and JSON listings. Heavy imports inside."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mi.domain.family import Family
    from mi.domain.workspace import Workspace

json_option = click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects.")


def timeout_option(help: str) -> Callable[[Any], Any]:
    """The option ``--timeout`` of a command that starts processes."""
    positive = click.FloatRange(min=0, min_open=True)
    return click.option(
        "--timeout", metavar="SECONDS", type=positive, default=120, show_default=True, help=help
    )


wait_option = click.option("--wait", is_flag=True, help="Wait for another process that writes the variant.")

HOST = "mi.host"


def open_workspace(ctx: click.Context) -> Workspace:
    """The workspace of this call; what fails in a plugin is said when it happens, in one loud line."""
    from mi.domain.workspace import Workspace
    from mi.plugins.lastload import LastLoad

    workspace = Workspace.open(ctx.find_root().obj)
    workspace.host.announce(say)
    ctx.meta[HOST] = workspace.host
    # At the command's end, when the hooks that it asked have answered.
    ctx.call_on_close(lambda: LastLoad.read().remember(workspace.host.records))
    return workspace


def declared_families(workspace: Workspace) -> Iterator[Family]:
    """The workspace's families; one that is malformed is said on standard error and left out."""
    from mi.domain.family import Family

    for found in workspace.families().values():
        if isinstance(found, Family):
            yield found
        else:
            say(str(found))


def say(line: str) -> None:
    """A line on standard error."""
    click.echo(f"mi: {line}", err=True)


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` pairs of ``--set`` as a mapping, values as text.

    Raises:
        ParameterError: a pair without ``=``, or a name given twice.
    """
    from mi.errors import ParameterError

    settings: dict[str, str] = {}
    for pair in pairs:
        name, value = split_setting(pair)
        if name in settings:
            raise ParameterError(f"--set {name} is given twice")
        settings[name] = value
    return settings


def split_setting(pair: str) -> tuple[str, str]:
    """Name and text of one ``NAME=VALUE``.

    Raises:
        ParameterError: it has no ``=`` or no name.
    """
    from mi.errors import ParameterError

    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        raise ParameterError(f"--set {pair!r}: expected NAME=VALUE")
    return name.strip(), value


def print_listing(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], as_json: bool, empty: str
) -> None:
    """A listing: JSON (all keys) or a table (the columns named), or a sentence when there is nothing.

    Args:
        rows: one mapping an object.
        columns: key -> heading of the columns shown in the table.
        as_json: print JSON instead.
        empty: the sentence for an empty table.
    """
    if as_json:
        click.echo(json.dumps([_jsonable(row) for row in rows], indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        numeric = all(isinstance(r.get(key), int | float) or r.get(key) is None for r in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not markup: names and notes may hold brackets.
        table.add_row(*(Text(cell(row.get(key))) for key in columns))
    # A pipe has no width: wrapped names could not be searched for.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def cell(value: Any) -> str:
    """A value as text for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={cell(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return str(value)


def _jsonable(value: Any) -> Any:
    """Plain JSON: NaN and infinity, which JSON does not know, as null."""
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
