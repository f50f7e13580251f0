"""The variants that a command is told to work on, and a bar that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from mi.domain.workspace import Variant, Workspace


def chosen_variants(workspace: Workspace, names: tuple[str, ...], every: bool, doing: str) -> list[Variant]:
    """Those named, each once, or all there are.

    Raises:
        MiError: neither names nor ``--all``, or both.
        UnknownNameError: no variant of that name, or none at all.
    """
    from mi.errors import MiError, UnknownNameError

    if every == bool(names):
        raise MiError(f"name the variants to {doing}, or give --all (see `mi variants`)")
    if not every:
        return list({v.id: v for v in (workspace.variant(name) for name in names)}.values())
    found = workspace.variants()
    if not found:
        raise UnknownNameError("there are no variants yet (see `mi train`)")
    return found


class Counter:
    """A bar on standard error, on a terminal: how many of how many."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        """A new line of the bar; the one before is left as it is."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if total == 0:
            return
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
            )
            self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def step(self) -> None:
        """One more is done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def end(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
