"""``mi analyze --profile``: where every second went, as tables and as a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from mi.engine.profile import Profile

DEFAULT = "mi-profile.json"
# The stages that the closing line of `mi analyze` names -> the recorded ones of the main thread in each.
GROUPS = {
    "plan": ("plan",),
    "load": ("load",),
    "forward": ("forward",),
    "analyze": ("functions", "derived", "hand-over", "trajectories", "families"),
    "write": ("write", "tidy"),
    "rest": ("rest",),
}


@contextmanager
def profiled(file: str | None) -> Iterator[None]:
    """Record what is done meanwhile; then print the tables and write the trace. None: do neither.

    Raises:
        ParameterError: no name of a trace, or of a folder that is there.
        StoreError: the trace cannot be written.
    """
    if file is None:
        yield
        return
    path = _checked(file)
    from mi.timing import recording

    with recording() as found:
        yield
    from mi.engine.profile import profile, write_trace

    write_trace(path, found)
    for line in profile_lines(profile(found)):
        click.echo(line)
    click.echo(f"trace: {path} (open it in chrome://tracing or ui.perfetto.dev)")


def _checked(file: str) -> Path:
    """The trace's path, before hours are spent on what it is to hold."""
    from mi.errors import ParameterError

    path = Path(file)
    if path.suffix != ".json":
        raise ParameterError(
            f"--profile {file!r}: expected a file whose name ends in .json "
            "(for the default, name the variants before --profile)"
        )
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ParameterError(f"--profile {file!r}: {what}, expected a file in a folder that is there")
    try:
        with TemporaryFile(dir=path.parent):  # tried: what modes say is not what a file system does
            pass
    except OSError as error:
        raise ParameterError(
            f"--profile {file!r}: the folder {path.parent} cannot be written ({error.strerror})"
        ) from None
    return path


def profile_lines(found: Profile) -> list[str]:
    """The tables: the main thread by stage, the other threads, the analyzers."""
    tables = [_stages(found)]
    if found.others:
        others = _table("thread, beside it", "seconds", "calls", "per call")
        for role, rows in found.others.items():
            for row in rows:
                name = f"  {row.part}" if row.part else f"{role}: {row.stage}"
                others.add_row(name, _seconds(row.seconds), str(row.calls), _brief(row.seconds / row.calls))
        tables.append(others)
    if found.analyzers:
        shares = _table(
            "analyzer", "function", "derived", "hand-over", "writing", "calls", "per call", "bytes"
        )
        for one in found.analyzers:
            times = map(_seconds, (one.function, one.derived, one.handover, one.writing))
            each = _brief(one.function / one.calls) if one.calls else ""
            shares.add_row(one.analyzer, *times, str(one.calls), each, f"{one.bytes:,}")
        tables.append(shares)
    return [line for table in tables for line in [*_lines(table), ""]]


def _stages(found: Profile) -> Table:
    """The main thread by the stages that the closing line names, each before what it consists of."""
    table = _table("stage", "seconds", "share", "calls", "per call")
    for stage, parts in GROUPS.items():
        rows = [row for row in found.main if row.stage in parts]
        if not rows:
            continue
        whole = sum(row.seconds for row in rows if not row.part)
        share = f"{100 * whole / found.seconds:.1f} %"
        own = next((row for row in rows if row.stage == stage and not row.part), None)
        if own is not None and parts == (stage,):
            table.add_row(stage, _seconds(whole), share, str(own.calls), _brief(whole / own.calls))
        else:
            table.add_row(stage, _seconds(whole), share, "", "")
        for row in rows:
            if row is not own:
                indent = "  " if row.stage == stage or not row.part else "    "
                spent = _seconds(row.seconds), "", str(row.calls), _brief(row.seconds / row.calls)
                table.add_row(f"{indent}{row.part or row.stage}", *spent)
    table.add_row("wall time", _seconds(found.seconds), "100.0 %", "", "")
    return table


def _table(first: str, *others: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _lines(table: Any) -> list[str]:
    from rich.console import Console

    console = Console(width=1000)  # names are never wrapped, so that they can be searched for
    with console.capture() as captured:
        console.print(table, markup=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _brief(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
