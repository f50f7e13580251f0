"""Pages without a Bokeh session: landing, health, icon, and what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

import mi
from mi.server.catalog import read_catalog
from mi.server.headers import PLAIN_POLICY
from mi.server.render import ICON, read_asset, render_landing, render_missing
from mi.server.target import Missing

if TYPE_CHECKING:
    from mi.server.site import Site


class PageHandler(RequestHandler):
    """A handler whose errors are pages too."""

    @property
    def site(self) -> Site:
        """What the server's handlers share."""
        site: Site = self.application.site  # type: ignore[attr-defined]
        return site

    def begin(self) -> None:
        """Keep the generation that the page belongs to, before anything of it is read."""
        self._generation = self.site.generation
        if self._generation:
            self.set_header("Content-Security-Policy", f"{PLAIN_POLICY}; connect-src 'self'")

    @property
    def generation(self) -> str:
        """What :meth:`begin` kept."""
        return getattr(self, "_generation", "")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as a designed page: the reason phrase, never a traceback."""
        self.show(Missing(status_code, self._reason, "The server could not answer this request."))

    def show(self, missing: Missing) -> None:
        """End with the page of ``missing``."""
        if not self.generation:
            self.begin()
        self.set_status(missing.status)
        if missing.status == 503:
            self.set_header("Retry-After", "10")
        self.finish(render_missing(missing, self.generation))


class Landing(PageHandler):
    """``/``: all families with their variants."""

    async def get(self) -> None:
        """The page, read from disk on a worker thread."""
        self.begin()
        catalog = await self.site.in_thread(read_catalog, self.site.workspace)
        self.finish(render_landing(catalog, self.generation))


class Health(RequestHandler):
    """``/healthz``: that the server answers. Makes no session and reads no file."""

    def get(self) -> None:
        """Status and version as JSON."""
        self.finish({"status": "ok", "version": mi.__version__})


class Generation(PageHandler):
    """``/dev``: the generation; there with ``--dev`` alone."""

    def get(self) -> None:
        """It as JSON."""
        self.finish({"generation": self.site.generation})


class Icon(RequestHandler):
    """``/favicon.ico``."""

    def get(self) -> None:
        """The icon as SVG."""
        self.set_header("Content-Type", "image/svg+xml")
        self.set_header("Cache-Control", "public, max-age=86400")
        self.finish(ICON)


class Asset(PageHandler):
    """``/assets/NAME``: the few files that plain pages load; a name is looked up, never joined to a path."""

    def get(self, name: str) -> None:
        """The file, to be asked for again each time; the answer is mostly "not modified"."""
        content = read_asset(name)
        if content is None:
            self.show(Missing(404, "No such file", "There is nothing at this address."))
            return
        self.set_header(
            "Content-Type", f"text/{'css' if name.endswith('.css') else 'javascript'}; charset=utf-8"
        )
        self.set_header("Cache-Control", "no-cache")
        self.finish(content)


class NotFound(PageHandler):
    """Every other address."""

    def prepare(self) -> None:
        """Say so, whatever the method."""
        self.show(
            Missing(404, "No such page", "There is nothing at this address.", links=[("All variants", "/")])
        )


class Refused(RequestHandler):
    """A request that is not ours: plain text, and no word on what is served."""

    def initialize(self, sentence: str) -> None:
        """Take the reason."""
        self.sentence = sentence

    def prepare(self) -> None:
        """Refuse, whatever the method."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self.sentence)
