"""Start a server, and run it until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import frozen

from mi.errors import ParameterError
from mi.server.hosts import HostGuard, allowed_hosts, is_loopback
from mi.server.sockets import bind

if TYPE_CHECKING:
    from bokeh.server.server import BaseServer

    from mi.domain.workspace import Workspace
    from mi.server.site import Site

# A page of ours sends no body; a request that does is not for us.
MAX_BODY_BYTES = 64 * 1024
IDLE_SECONDS, BODY_SECONDS = 120, 10


@frozen
class Running:
    """A server that accepts requests."""

    url: str
    port: int
    base: BaseServer
    site: Site
    close: Callable[[], Awaitable[None]]


def check_host(host: str, allow_hosts: Sequence[str]) -> None:
    """Refuse an address that others can reach, unless the names it is reached by are given.

    Raises:
        ParameterError: as above.
    """
    if not host:
        raise ParameterError("--host is '', expected an address such as 127.0.0.1")
    if not is_loopback(host) and not allow_hosts:
        raise ParameterError(
            f"--host {host} can be reached from other machines, and pages ask for no password; if that is "
            "what you want, name the host that browsers will use with --allow-host"
        )


def start(
    workspace: Workspace,
    host: str,
    port: int,
    allow_hosts: Sequence[str] = (),
    dev: Callable[[str], None] | None = None,
) -> Running:
    """Listen on ``host`` and ``port`` (0 for a free one) with the running event loop.

    Args:
        workspace, host, port, allow_hosts: as for the command ``mi serve``.
        dev: prints a line: plugins are watched, and loaded anew when they are saved.

    Raises:
        ParameterError: the address cannot be had, or is not allowed.
    """
    check_host(host, allow_hosts)
    allowed_hosts(port, allow_hosts)  # a bad name is refused before anything is opened
    sockets, port = bind(host, port)
    from bokeh.server.server import BaseServer
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop, PeriodicCallback

    from mi.server.site import Site
    from mi.server.tornado_app import MiTornado

    guard = HostGuard(allowed_hosts(port, [*allow_hosts, *_own_name(host)]))
    site = Site(workspace, guard)
    if dev is not None:
        from mi.server.dev import INTERVAL_MS, Dev

        site.dev = Dev(site, dev)
        watch = PeriodicCallback(site.dev.tick, INTERVAL_MS)
    tornado = MiTornado(site)
    http = HTTPServer(
        tornado,
        max_body_size=MAX_BODY_BYTES,
        idle_connection_timeout=IDLE_SECONDS,
        body_timeout=BODY_SECONDS,
    )
    http.add_sockets(sockets)
    base = BaseServer(IOLoop.current(), tornado, http)
    base.start()
    if dev is not None:
        watch.start()

    async def close() -> None:
        if dev is not None:
            watch.stop()
        base.stop()
        await http.close_all_connections()
        site.close()

    shown = f"[{host}]" if ":" in host else host
    return Running(f"http://{shown}:{port}/", port, base, site, close)


def serve(
    workspace: Workspace,
    host: str,
    port: int,
    allow_hosts: Sequence[str],
    ready: Callable[[Running], None],
    dev: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C or a termination signal; ``ready`` is called once, when requests are accepted.

    ``dev`` is as for :func:`start`.
    """
    for name in ("bokeh", "tornado"):
        logging.getLogger(name).setLevel(logging.ERROR)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
                loop.add_signal_handler(number, stop.set)
        running = start(workspace, host, port, allow_hosts, dev)
        ready(running)
        running.site.warm()
        try:
            await stop.wait()
        finally:
            await running.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(main())


def _own_name(host: str) -> list[str]:
    """The bound address as a name to be reached by, but not one that stands for every interface."""
    return [] if host in ("0.0.0.0", "::") else [f"[{host}]" if ":" in host else host]
