"""A report as one HTML file: every frame inside, no network, no server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.domain.jsonfile import write_atomic
from mi.errors import StoreError

if TYPE_CHECKING:
    from mi.domain.report import Report
    from mi.domain.workspace import Variant
    from mi.views.page import ReportPage

# Beyond this a browser takes long to open the file and a mail server refuses it.
BUDGET_BYTES = 25 * 10**6
COMPRESSION = 6  # gzip level of the frames; 9 takes twice the time for 1 % less


@frozen
class ExportSummary:
    """What was written.

    Attributes:
        path: the file.
        bytes: its size.
        panels: how many panels the report has.
        epochs: how many checkpoints are inside.
        problems: one sentence for each panel without a figure.
        flagged: one sentence for each panel with values that are not finite.
        details: tracebacks of those that raised.
    """

    path: Path
    bytes: int
    panels: int
    epochs: int
    problems: tuple[str, ...]
    flagged: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def over_budget(self) -> bool:
        """Whether the file is larger than one cares to open or send."""
        return self.bytes > BUDGET_BYTES


def export_html(
    variant: Variant,
    report: Report,
    path: Path | str,
    *,
    epochs: Sequence[int] | None = None,
    probe: str | None = None,
) -> ExportSummary:
    """Write ``report`` of ``variant`` as one HTML file, atomically.

    The file works from ``file://``: slider, keys, play, tooltips, all by the script of the served page.
    Report, parameters and versions are in it as JSON too. A panel that fails is a card in the file and a
    sentence in the summary.

    Args:
        variant: an existing variant.
        report: the report.
        path: of the file; its folder is made.
        epochs: checkpoint epochs to put inside; all when None.
        probe: name of a saved probe; the report's, else the family's default, when None.

    Raises:
        StoreError: the file cannot be written.
        UnknownNameError: no such probe, or an epoch without a checkpoint.
    """
    from mi.views.page import build_page

    target = Path(path)
    if target.is_dir():
        raise StoreError(f"{target}: is a folder, expected the name of a file to write")
    page = build_page(variant, report, probe=probe, epochs=epochs)
    content = render(page).encode()
    write_atomic(target, content)
    problems = tuple(f"{card.title} ({card.visualization}): {card.sentence}" for card in page.failed)
    flagged = tuple(f"{c.title} ({c.visualization}): {c.flagged}" for c in page.cards if c.flagged)
    details = tuple(card.details for card in page.failed if card.details)
    return ExportSummary(target, len(content), len(page.cards), len(page.epochs), problems, flagged, details)


def render(page: ReportPage) -> str:
    """The page as HTML with everything inside."""
    from bokeh.embed import file_html
    from bokeh.resources import INLINE
    from bokeh.settings import settings

    from mi.domain.report import report_data
    from mi.views import assets

    state: dict[str, Any] = {
        "report": report_data(page.report),
        "provenance": page.provenance.as_dict(),
        "epochs": [int(e) for e in page.epochs],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    before = settings.compression_level()
    settings.compression_level.set_value(COMPRESSION)
    try:
        return file_html(
            page.roots,
            resources=INLINE,
            title=page.title,
            template=assets.template(),
            template_variables=page.variables(state=state),
            suppress_callback_warning=True,
        )
    finally:
        settings.compression_level.set_value(before)
