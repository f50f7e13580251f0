"""The report page: refusals first, then a session, then its page."""

from __future__ import annotations

from typing import Any, cast

from bokeh.embed.bundle import bundle_for_objs_and_resources
from bokeh.embed.elements import html_page_for_render_items
from bokeh.embed.util import RenderItem
from bokeh.server.session import ServerSession
from bokeh.server.views.doc_handler import DocHandler
from tornado.web import HTTPError

from mi.server.handlers import PageHandler
from mi.server.headers import document_policy
from mi.server.limits import has_room
from mi.server.query import MAX_LENGTH, parse_query
from mi.server.target import Missing, resolve_target

_SESSION_ARGUMENTS = ("bokeh-session-id", "bokeh-token")


class ReportHandler(PageHandler, DocHandler):
    """``/report``: a session is made only for an address that names something."""

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """The report page, or a page that says why there is none."""
        if "Bokeh-Session-Id" in self.request.headers or any(
            name in self.request.arguments for name in _SESSION_ARGUMENTS
        ):
            # Bokeh would sign whatever id it is given, and so let one page join another's session.
            raise HTTPError(403)
        self.begin()
        try:
            if len(self.request.query) > MAX_LENGTH:
                raise Missing(414, "Address too long", f"A query has at most {MAX_LENGTH} characters.")
            query = parse_query(self.request.arguments)
            await self.site.in_thread(resolve_target, self.site.workspace, query)
            if not await has_room(self.application_context, self.site.max_sessions):
                raise Missing(
                    503,
                    "Too many open pages",
                    f"This server keeps {self.site.max_sessions} report pages open. Close one and reload.",
                )
            session = cast("ServerSession", await self.get_session())  # type: ignore[misc]
            context: Any = session.document.session_context
            if isinstance(context.prepared, Missing):
                session.request_expiration()
                raise context.prepared
        except Missing as missing:
            self.show(missing)
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", document_policy(self.request.host.lower()))
        self.finish(self._page(session))

    def _page(self, session: ServerSession) -> str:
        """As Bokeh's page for a session, with the bundles that its models need and no others."""
        document = session.document
        bundle = bundle_for_objs_and_resources(document.roots, self.application.resources())
        item = RenderItem(token=session.token, roots=document.roots, use_for_title=False)
        return html_page_for_render_items(
            bundle,
            {},
            [item],
            title=document.title,
            template=document.template,
            template_variables={**document.template_variables, "generation": self.generation},
        )
