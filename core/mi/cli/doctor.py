"""``mi doctor``: what is broken here and how to mend it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mi.cli.common import json_option, print_listing, timeout_option
from mi.cli.wrapped import labelled

if TYPE_CHECKING:
    from mi.doctor import Context, Finding

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@json_option
@click.option("--check", is_flag=True, help="Load every plugin too, each in a process of its own.")
@click.option("--deep", is_flag=True, help="Read every chunk, checkpoint and training state.")
@timeout_option("How long a process may take that imports torch or loads plugins.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, check: bool, deep: bool, timeout: float) -> None:
    """Look at everything that `mi` needs, and say how to mend what is broken.

    Python, dependencies, devices, plugins, the workspace's declarations and results, Chromium. Nothing is
    changed. Exit code 2 when something is broken, 0 with warnings alone.
    """
    from mi.doctor import examine

    context = _context(ctx.find_root().obj, check, deep, timeout)
    found, shown = [], ""
    for finding in examine(context):
        _say("")
        found.append(finding)
        if not as_json:
            shown = _print(finding, shown)
    if as_json:
        print_listing([_row(finding) for finding in found], {}, True, "")
    counts = [sum(f.state == state for f in found) for state in ("problem", "warning", "ok")]
    closing = f"{_count(counts[0], 'problem')}, {_count(counts[1], 'warning')}, {counts[2]} fine"
    if counts[0]:
        click.echo(f"mi: {closing}", err=True)
        ctx.exit(2)
    if not as_json:
        click.echo(f"\n{closing}")


def _context(named: str | None, check: bool, deep: bool, timeout: float) -> Context:
    from mi.cli.plugins import workspace_folder
    from mi.doctor import Context

    return Context(root=workspace_folder(named), load=check, deep=deep, limit=timeout, say=_say)


def _say(text: str) -> None:
    """How far a long check has come, on one line that the next one replaces."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "id": f"{finding.check}: {finding.subject}",
        "check": finding.check,
        "state": finding.state,
        "sentence": finding.sentence,
        "mend": finding.mend,
    }


def _print(finding: Finding, shown: str) -> str:
    """Print a finding, under its check's name when it is the first; the name."""
    if finding.check != shown:
        click.echo(("\n" if shown else "") + click.style(finding.check, bold=True))
    text = labelled(finding.state, finding.sentence, column=9)
    coloured = click.style(finding.state, fg=_COLOURS[finding.state])
    click.echo(text.replace(finding.state, coloured, 1))
    if finding.mend:
        click.echo(labelled("", f"→ {finding.mend}", column=9))
    return finding.check


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
