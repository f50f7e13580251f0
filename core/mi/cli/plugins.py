"""``mi plugins``: what is installed, what each offers, and what went wrong; it works when all are broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mi.cli.common import json_option, print_listing, timeout_option
from mi.cli.wrapped import paragraph
from mi.plural import counted

Rows = Sequence[Mapping[str, Any]]


@click.command()
@click.argument("name", required=False)
@json_option
@click.option(
    "--hook", metavar="HOOK", help="Only plugins that implement HOOK, with the ids that they offer."
)
@click.option("--check", is_flag=True, help="Load each in a process of its own; exit code 2 when one fails.")
@timeout_option("With NAME or --check: how long a plugin may take.")
@click.pass_context
def plugins(
    ctx: click.Context, name: str | None, as_json: bool, hook: str | None, check: bool, timeout: float
) -> None:
    """List plugins, without loading one: their metadata, and what the last load of each recorded.

    With NAME or --check they are loaded, each in a process of its own: every hook is asked for every family,
    and every function that they name is imported. NAME shows the full record, tracebacks included.
    """
    from mi.plugins.overview import check_rows, overview

    if hook is not None:
        _known_hook(hook)
    root = workspace_folder(ctx.find_root().obj)
    checking = check or name is not None
    rows = check_rows(root, name, timeout) if checking else overview(root)
    shown = [row for row in rows if hook is None or hook in row["hooks"]]
    if as_json:
        print_listing(shown, {}, True, "")
    else:
        from mi.cli.plugin_text import blocks

        for text in blocks(shown, hook=hook, full=name is not None):
            click.echo(text)
        if hook is None and not checking:
            click.echo(_closing(rows))
    if name is None:
        _say_strangers(rows)
    if hook is not None and not checking:
        _say_what_is_unknown(rows, shown, hook)
    if checking:
        _judge(ctx, rows, name, as_json)


def workspace_folder(named: str | None) -> Path | None:
    """The workspace's folder; None when there is none, since plugins are there without one.

    Raises:
        StoreError: one was named, and is none.
    """
    from mi.domain.place import find_workspace
    from mi.errors import MiError

    try:
        return find_workspace(named)
    except MiError:
        if named is not None:
            raise
        return None


def _known_hook(hook: str) -> None:
    from mi.errors import unknown
    from mi.plugins import HOOKS

    if hook not in HOOKS:
        raise unknown("hook", hook, HOOKS)


def _closing(rows: Rows) -> str:
    failed = sum(bool(row["failures"]) for row in rows)
    count = f"{len(rows)} {'plugin' if len(rows) == 1 else 'plugins'}"
    count += f", {failed} failed" if failed else ""
    return paragraph(
        f"{count}; none was loaded for this list, and ids are shown without `PLUGIN.`\n"
        "`mi plugins NAME` loads one and shows everything"
    )


def _say_strangers(rows: Rows) -> None:
    """Names in the environment that no plugin has."""
    from mi.plugins.survey import strangers

    for sentence in strangers([row["name"] for row in rows if row["kind"] != "commands"]).values():
        click.echo(f"mi: {sentence}", err=True)


def _say_what_is_unknown(rows: Rows, shown: Rows, hook: str) -> None:
    new = [row["name"] for row in rows if row["state"] == "ready" and row["kind"] != "commands"]
    if new:
        said = f"not loaded yet, so unknown: {', '.join(new)}; `mi plugins --check` asks them"
        click.echo(f"mi: {said}", err=True)
    elif not shown:
        click.echo(f"mi: no plugin implements {hook}", err=True)


def _judge(ctx: click.Context, rows: Rows, name: str | None, as_json: bool) -> None:
    """The summary sentence, and exit code 2 when something failed."""
    failed = [row["name"] for row in rows if row["failures"]]
    if failed:
        asked = sum(row["state"] == "loaded" or bool(row["failures"]) for row in rows)
        said = f"plugin {name}" if name is not None else f"{len(failed)} of {counted(asked, 'plugin')}"
        said += " failed" + ("" if name is not None else f": {', '.join(failed)}")
    else:
        said = "nothing is wrong with the plugins that were loaded"
        skipped = [row["name"] for row in rows if row["state"] in ("disabled", "untrusted")]
        said += f"; not loaded: {', '.join(skipped)}" if skipped else ""
    if failed:
        click.echo(f"mi: {said}", err=True)
        ctx.exit(2)
    if not as_json:
        click.echo(said)
