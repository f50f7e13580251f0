"""One open page: its roots on a document, and the server's answer when its cursor comes to rest."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from attrs import define

from mi.server.render import report_template
from mi.server.target import Target
from mi.views.panel import MISSING

if TYPE_CHECKING:
    from bokeh.document import Document

    from mi.views.page import ReportPage

# Of several cursors that come to rest within this time only the last is answered.
SETTLE_MS = 15


@define(eq=False)
class Follower:
    """Sends exact values for the epoch at which a page's cursor rests; the latest one wins."""

    document: Document
    page: ReportPage
    waiting: bool = False
    sent: int | None = None

    def on_state(self, attribute: str, old: Any, new: Any) -> None:
        """The page says where its cursor rests."""
        if not self.waiting:
            self.waiting = True
            self.document.add_timeout_callback(self.push, SETTLE_MS)

    def push(self) -> None:
        """Send what belongs to the latest epoch; copies slices of frames, reads nothing."""
        self.waiting = False
        epoch = self._epoch()
        if epoch is not None and epoch != self.sent:
            self.sent = epoch
            self.page.push_exact(epoch)

    def _epoch(self) -> int | None:
        """The framed epoch nearest to what the browser sent, which may be anything."""
        said = self.page.state.data.get("epoch")
        try:
            epoch = float(said[0])
        except (TypeError, ValueError, LookupError):
            return None
        if not len(self.page.epochs) or epoch != epoch:
            return None
        return int(self.page.epochs[self.page.nearest(epoch)])


def attach(document: Document, target: Target, page: ReportPage) -> None:
    """Put a built page on a session's document."""
    document.config.notify_connection_status = False  # the page says it in its own place and words
    with document.models.freeze():  # else the whole graph is walked again for each root, a second in all
        for root in page.roots:
            document.add_root(root)
    document.title = f"{page.variant.name} · {page.title} · mi"
    document.template = report_template()
    document.template_variables.update(
        page.variables(
            chooser=target.chooser, notices=target.notices, asked=_asked(target, page), absent=_absent(page)
        )
    )
    page.state.on_change("data", Follower(document, page).on_state)


def _absent(page: ReportPage) -> dict[str, Any] | None:
    """How many panels lack their artifacts, and the one command that mends all; None for less than two."""
    missing = [card for card in page.cards if card.state == MISSING]
    if len(missing) < 2:
        return None
    words, family = ["mi", "analyze", page.variant.name], page.variant.family
    wanted = list(dict.fromkeys(id for card in missing for id in card.absent))
    if not {use.id for use in family.analyzers}.issuperset(wanted):  # those run only when they are named
        words += ["--analyzers", ",".join(wanted)]
    if page.probe_name != family.default_probe:
        words += ["--probe", page.probe_name]
    command = shlex.join(words) if len(page.epochs) else missing[0].command
    return {"count": len(missing), "total": len(page.cards), "command": command}


def _asked(target: Target, page: ReportPage) -> dict[str, int] | None:
    """The epoch asked for and the one shown, where they differ."""
    if target.epoch is None or not len(page.epochs):
        return None
    shown = int(page.epochs[page.position])
    return None if shown == target.epoch else {"asked": target.epoch, "shown": shown}
