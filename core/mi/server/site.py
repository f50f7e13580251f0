"""What every handler of one server shares: the workspace, worker threads, the guard. Nothing of a session."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from mi.domain.workspace import Workspace
from mi.server.hosts import HostGuard

if TYPE_CHECKING:
    from mi.server.dev import Dev

T = TypeVar("T")
WORKERS = 4
MAX_SESSIONS = 32


@define(eq=False)
class Site:
    """One served workspace.

    Attributes:
        workspace: families, variants, reports.
        guard: which requests are answered.
        max_sessions: open report pages at most.
        dev: watches plugins and declarations; None unless asked for.
        pool: reads the store and builds pages, so that the loop stays free for other sessions.
    """

    workspace: Workspace
    guard: HostGuard
    max_sessions: int = MAX_SESSIONS
    dev: Dev | None = None
    pool: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(WORKERS, "mi-serve"))

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` on a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)

    @property
    def generation(self) -> str:
        """What pages compare with their own to know that they are old; empty where nobody watches."""
        return self.dev.generation if self.dev is not None else ""

    def warm(self) -> None:
        """Import on a worker thread what the first report page needs, before anybody asks for one."""
        self.pool.submit(importlib.import_module, "mi.views.page")

    def close(self) -> None:
        """Let waiting work go; what runs is not waited for."""
        self.pool.shutdown(wait=False, cancel_futures=True)
