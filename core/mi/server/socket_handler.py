"""The websocket of one open report page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from bokeh.server.views.ws import WSHandler
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload

if TYPE_CHECKING:
    from bokeh.server.tornado import BokehTornado


class SessionSocket(WSHandler):
    """Bokeh's, without Nagle's delay, and open only to a page whose session lives."""

    async def prepare(self) -> None:
        """Refuse before the upgrade what could only raise after it."""
        await super().prepare()  # type: ignore[no-untyped-call]
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [part.strip() for part in offered.split(",")]
        session = self._session_of(protocols[1]) if len(protocols) == 2 else None
        if session is None or protocols[0] != "bokeh":
            self.set_status(403)
            await self.finish("This page belongs to a server that has ended. Reload it.")
        elif session not in self.application_context._sessions:
            # Bokeh would build a new document, whose models are not those that the page shows.
            self.set_status(410)
            await self.finish("This page was left for too long. Reload it.")

    def _session_of(self, token: str) -> str | None:
        """The session that a token signed by this server opens, or None."""
        app = cast("BokehTornado", self.application)
        try:
            if not check_token_signature(token, signed=app.sign_sessions, secret_key=app.secret_key):
                return None
            if time.time() >= get_token_payload(token)["session_expiry"]:
                return None
            return str(get_session_id(token))
        except Exception:  # whatever a forged token makes the decoder raise
            return None

    async def _async_open(self, token: str) -> Any:
        # Bokeh sends a message as several small frames; with Nagle's algorithm and delayed
        # acknowledgements each step would take 40 ms.
        self.set_nodelay(True)
        return await super()._async_open(token)
