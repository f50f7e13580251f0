"""The Bokeh application: one report page a session, built off the loop, following its cursor."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any

from attrs import define
from bokeh.application.handlers.handler import Handler

from mi.errors import MiError
from mi.server.query import parse_query
from mi.server.target import Missing, Target, relative, resolve_target

if TYPE_CHECKING:
    from bokeh.document import Document

    from mi.server.query import Query
    from mi.server.site import Site
    from mi.views.page import ReportPage

log = logging.getLogger(__name__)
BUILD_SECONDS = 120


@define(eq=False)
class Prepared:
    """What a session's page is made of."""

    target: Target
    page: ReportPage


class ReportApp(Handler):
    """Builds a session's document in two steps: read and draw on a worker thread, attach on the loop.

    What is made is kept on the session's own context; nothing outlives the session.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    async def on_session_created(self, session_context: Any) -> None:
        """Prepare the page; a failure is kept for the page that says so."""
        request = session_context.request
        query = parse_query(request.arguments if request is not None else {})
        session_context.prepared = await self._prepare(query)

    def modify_document(self, doc: Document) -> None:
        """Attach what was prepared; never raises, since Bokeh would leave a blank tab behind."""
        context: Any = doc.session_context
        prepared = context.prepared
        if isinstance(prepared, Missing):
            return
        try:
            from mi.server.follow import attach

            attach(doc, prepared.target, prepared.page)
        except Exception:
            doc.clear()
            context.prepared = failure("The page could not be shown.")

    async def _prepare(self, query: Query) -> Prepared | Missing:
        try:
            return await asyncio.wait_for(self.site.in_thread(self._build, query), BUILD_SECONDS)
        except Missing as missing:
            return missing
        except TimeoutError:
            return Missing(503, "This page takes too long", f"It was not ready after {BUILD_SECONDS} s.")
        except Exception:
            return failure("The page could not be built.")

    def _build(self, query: Query) -> Prepared:
        """On a worker thread: no document exists yet, so models may be made freely."""
        from mi.views.page import build_page

        target = resolve_target(self.site.workspace, query)
        try:
            return Prepared(target, build_page(target.variant, target.report, epoch=target.epoch))
        except MiError as error:
            sentence = relative(self.site.workspace, str(error))
            raise Missing(409, "This report cannot be shown", sentence, chooser=target.chooser) from None
        except Exception:
            raise failure("The page could not be built.", target) from None


def failure(sentence: str, target: Target | None = None) -> Missing:
    """The page for an exception that is being handled; its traceback goes to the terminal alone."""
    reference = secrets.token_hex(4)
    log.exception("report page %s failed", reference)
    return Missing(
        500,
        "Something went wrong",
        sentence,
        chooser=target.chooser if target is not None else None,
        details=f"The terminal that runs mi serve shows what happened under {reference}.",
    )
