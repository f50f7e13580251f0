"""A real server in a thread, and raw requests to it."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

from mi.domain.workspace import Workspace
from mi.server.run import Running, start


@frozen
class Answer:
    """A response, whole."""

    status: int
    headers: Mapping[str, str]
    body: str = field(repr=False)


@frozen
class Served:
    """A running server.

    Attributes:
        running: what ``start`` returned.
        loop: the event loop it runs on, for a look inside.
    """

    running: Running
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return self.running.port

    @property
    def url(self) -> str:
        return self.running.url.rstrip("/")

    @property
    def sessions(self) -> list[Any]:
        """Bokeh sessions that exist now."""
        return self.running.base.get_sessions()

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """One request as written: the path is not normalized, ``Host`` is ours unless given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        given = {"Host": f"127.0.0.1:{self.port}"} | dict(headers or {})
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            return Answer(response.status, {k.title(): v for k, v in response.getheaders()}, text)
        finally:
            connection.close()

    def socket(
        self, path: str, host: str | None = None, origin: str | None = None, token: str = "x"
    ) -> Answer:
        """The answer to a websocket's opening request: 101 when it was let in."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": f"bokeh, {token}",
        }
        if host is not None:
            headers["Host"] = host
        if origin is not None:
            headers["Origin"] = origin
        return self.get(path, headers)


@contextmanager
def served(workspace: Workspace, **options: Any) -> Iterator[Served]:
    """Serve ``workspace`` on a free port from a thread with an event loop of its own."""
    box: dict[str, Any] = {}
    ready = threading.Event()

    async def main() -> None:
        box["stop"] = asyncio.Event()
        box["loop"] = asyncio.get_running_loop()
        try:
            box["running"] = start(workspace, "127.0.0.1", 0, **options)
        finally:
            ready.set()
        await box["stop"].wait()
        await box["running"].close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="served")
    thread.start()
    assert ready.wait(120)
    assert "running" in box
    try:
        yield Served(box["running"], box["loop"])
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(120)
        assert not thread.is_alive()
