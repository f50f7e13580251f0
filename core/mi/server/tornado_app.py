"""The Tornado application: Bokeh's, reduced to the routes that are needed, with the guard in front of all."""

from __future__ import annotations

import secrets
from typing import Any

from bokeh.application import Application
from bokeh.resources import Resources
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.doc_handler import DocHandler
from bokeh.server.views.static_handler import StaticHandler
from bokeh.server.views.ws import WSHandler
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule

from mi.server.handlers import Asset, Generation, Health, Icon, Landing, NotFound, Refused
from mi.server.headers import SecurityHeaders
from mi.server.query import REPORT_PATH
from mi.server.report_app import ReportApp
from mi.server.report_handler import ReportHandler
from mi.server.site import Site
from mi.server.socket_handler import SessionSocket

# The browser sends clicks and released cursors, nothing large.
MAX_MESSAGE_BYTES = 1024 * 1024
# A page left open overnight reconnects; a session without a page is dropped after a minute.
TOKEN_SECONDS = 24 * 3600
UNUSED_MS, CHECK_UNUSED_MS = 60_000, 5_000


class MiTornado(BokehTornado):
    """Routes: the landing page, the report page with its websocket, BokehJS, health, icon. No other."""

    def __init__(self, site: Site) -> None:
        self.site = site
        super().__init__(
            {REPORT_PATH: Application(ReportApp(site))},
            extra_websocket_origins=sorted(site.guard.hosts),
            extra_patterns=[
                (r"/", Landing),
                (r"/healthz", Health),
                (r"/favicon\.ico", Icon),
                (r"/assets/([a-z.]{1,40})", Asset),
                *([(r"/dev", Generation)] if site.dev is not None else []),
            ],
            # A new key each start: a token of an earlier server, or of another, opens nothing.
            secret_key=secrets.token_bytes(32),
            sign_sessions=True,
            # Tokens are readable by whoever holds the page: no header and no cookie goes into them.
            include_headers=[],
            include_cookies=[],
            use_index=False,
            ico_path="none",
            session_token_expiration=TOKEN_SECONDS,
            unused_session_lifetime_milliseconds=UNUSED_MS,
            check_unused_sessions_milliseconds=CHECK_UNUSED_MS,
            websocket_max_message_size_bytes=MAX_MESSAGE_BYTES,
            default_handler_class=NotFound,
        )
        self.wildcard_router.rules = [
            kept for rule in self.wildcard_router.rules if (kept := _kept(rule)) is not None
        ]
        self.add_transform(SecurityHeaders)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a request; one that is not ours is refused before any route is looked at."""
        refusal = self.site.guard.refusal(request.headers)
        if refusal is not None:
            return self.get_handler_delegate(request, Refused, {"sentence": refusal})
        return super().find_handler(request, **kwargs)

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """BokehJS from this server, whatever ``BOKEH_RESOURCES`` says: pages work offline."""
        return Resources(mode="server", root_url="/", path_versioner=StaticHandler.append_version)


# Bokeh's handlers that stay, and what stands for them here. Those that are not named are dropped:
# `autoload.js` answers any origin with a session token, `metadata` makes a session for nothing.
_REPLACED: dict[type, type] = {DocHandler: ReportHandler, WSHandler: SessionSocket}
_OURS = (Landing, Health, Icon, Asset, Generation)


def _kept(rule: Rule) -> Rule | None:
    """The rule as it is to be served, or None where it is not."""
    if rule.target in _REPLACED:
        rule.target = _REPLACED[rule.target]
        return rule
    if rule.target in _OURS:
        return rule
    pattern = rule.matcher.regex.pattern if isinstance(rule.matcher, PathMatches) else ""
    return rule if rule.target is StaticHandler and pattern.startswith("/static/") else None
