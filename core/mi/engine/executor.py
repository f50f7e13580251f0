"""Where tasks run. A task is a block of epochs of one variant: paths and ids, picklable, never a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Runs tasks that share nothing: no two of them write the same chunk."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Results as tasks finish; an exception of a task is raised from the iterator."""
        ...


class InProcess:
    """One task after another, in this process."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Results in the order of ``tasks``."""
        return map(function, tasks)
