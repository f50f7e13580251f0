"""A bar on standard error that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Counter:
    """How many of how many; where there is no terminal, its last state alone.

    Args:
        noting: a word before what :meth:`step` notes, such as ``epoch``; no such column by default.
    """

    def __init__(self, noting: str = "") -> None:
        self._noting = noting
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, what: str, total: int) -> None:
        """A new line of the bar; the one before is left as it is."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._task = None
        if total == 0:
            return
        if self._bar is None:
            noted = [TextColumn(f"{self._noting} {{task.fields[note]}}")] if self._noting else []
            columns = [BarColumn(), MofNCompleteColumn(), *noted, TimeRemainingColumn()]
            self._bar = Progress(
                TextColumn("{task.description}", markup=False), *columns, console=Console(stderr=True)
            )
            self._bar.start()
        self._task = self._bar.add_task(what, total=total, note="–")

    def step(self, note: str = "") -> None:
        """One more is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, note=note)
