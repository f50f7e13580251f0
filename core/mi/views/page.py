"""A report of a variant as a page: cards, the cursor, and the models that tie them together.

The same page is served and exported; the script in ``assets/`` moves the cursor in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define
from bokeh.models import ColumnDataSource, LayoutDOM, Spacer

from mi.views import assets
from mi.views.context import epoch_range
from mi.views.data import DataSource
from mi.views.notes import render_notes
from mi.views.panel import OK, Card, CardMaker
from mi.views.provenance import Provenance
from mi.views.sources import exact_images

if TYPE_CHECKING:
    from mi.domain.report import Report
    from mi.domain.workspace import Variant

WIRE = "mi-wire"


@define(eq=False)
class ReportPage:
    """One report of one variant, ready to be served or written to a file.

    Attributes:
        variant, report: what is shown.
        probe_name: the probe that the artifacts are over.
        epochs: of the framed checkpoints, sorted, int64, (E,).
        indices: of those checkpoints among all of the variant's, (E,).
        total: how many checkpoints the variant has.
        position: of the epoch shown first, in ``epochs``.
        cards: one a panel, in the report's order.
        state: source with the columns ``epoch`` and ``position`` (one row), which the page's script sets when
            the cursor comes to rest; a server listens with ``on_change("data", …)``.
        exact: source that carries exact values to the page; see :meth:`push_exact`.
        wire: an invisible root that holds state, exact values and all frames.
        provenance: what all of it was made with.
    """

    variant: Variant
    report: Report
    probe_name: str
    epochs: np.ndarray
    indices: np.ndarray
    total: int
    position: int
    cards: list[Card]
    state: ColumnDataSource
    exact: ColumnDataSource
    wire: LayoutDOM
    provenance: Provenance

    @property
    def title(self) -> str:
        """The report's title, else its name."""
        return self.report.title or self.report.name

    @property
    def roots(self) -> list[LayoutDOM]:
        """Models to add to a document, each named: ``panel-<i>`` for cards that are ok, and the wire."""
        return [card.root for card in self.cards if card.root is not None] + [self.wire]

    @property
    def failed(self) -> list[Card]:
        """Cards whose visualization failed, or that no plugin offers, or that lack artifacts."""
        return [card for card in self.cards if card.state != OK]

    def nearest(self, epoch: float) -> int:
        """Position of the checkpoint nearest to ``epoch``, the earlier of two equally near."""
        return nearest_position(self.epochs, epoch)

    def push_exact(self, epoch: int) -> None:
        """Send the exact image values at a framed epoch to the page, for its tooltips.

        Call it with the document's lock held. The page drops them when its cursor has moved on.
        """
        data: dict[str, Any] = {"epoch": [int(epoch)]}
        for card in self.cards:
            if card.frames is not None:
                data |= {f"{card.id}/{k}": [v] for k, v in exact_images(card.frames, epoch).items()}
        self.exact.data = data

    @property
    def spec(self) -> dict[str, Any]:
        """What the page's script must know, as plain JSON."""
        return {
            "epochs": [int(e) for e in self.epochs],
            "indices": [int(i) for i in self.indices],
            "total": self.total,
            "position": self.position,
            "panels": {card.id: card.spec for card in self.cards if card.spec},
            "family": self.variant.family.name,
            "variant": self.variant.name,
            "report": self.report.name,
        }

    def variables(self, **more: Any) -> dict[str, Any]:
        """Variables of the template ``assets.template()``.

        Args:
            more: ``chooser`` (the server's selects: families, variants and reports, each with entries of
                ``name``, ``url`` and ``chosen``; ``previous`` and ``next``), ``notices`` (sentences),
                ``state`` (JSON to keep in the file).
        """
        return {
            "page": self,
            "spec": self.spec,
            "notes": render_notes(self.report.notes),
            "style": assets.style(),
            "script": assets.script(),
            "chooser": None,
            "notices": (),
            "state": None,
            **more,
        }


def build_page(
    variant: Variant,
    report: Report,
    *,
    probe: str | None = None,
    epochs: Sequence[int] | None = None,
    epoch: float | None = None,
) -> ReportPage:
    """Build every panel of ``report`` for ``variant``.

    A panel that fails becomes a card that says so. Large artifacts take seconds: call it off the event loop.

    Args:
        variant: an existing variant.
        report: the report.
        probe: name of a saved probe; the report's, else the family's default, when None.
        epochs: checkpoint epochs to frame; all when None.
        epoch: the epoch to show first (the nearest framed checkpoint); the last when None.

    Raises:
        UnknownNameError: no such probe, or an epoch without a checkpoint.
    """
    source = DataSource.of(variant, probe or report.probe or None, epochs)
    everything = DataSource.of(variant, source.probe_name).epochs if epochs is not None else source.epochs
    at = source.epochs
    position = nearest_position(at, at[-1] if epoch is None else epoch) if len(at) else 0
    first = int(at[position]) if len(at) else 0
    maker = CardMaker(source, first, epoch_range(at))
    cards = [maker.make(i, panel) for i, panel in enumerate(report.panels)]
    state = ColumnDataSource(data={"epoch": [first], "position": [position]}, name="mi-state")
    exact = ColumnDataSource(data={"epoch": [first]}, name="mi-exact", syncable=False)
    stacks = [card.stack for card in cards if card.stack is not None]
    wire = Spacer(width=0, height=0, name=WIRE, tags=[state, exact, *stacks])
    return ReportPage(
        variant=variant,
        report=report,
        probe_name=source.probe_name,
        epochs=at,
        indices=np.searchsorted(everything, at),
        total=len(everything),
        position=position,
        cards=cards,
        state=state,
        exact=exact,
        wire=wire,
        provenance=Provenance.of(source, report),
    )


def nearest_position(epochs: np.ndarray, epoch: float) -> int:
    """Position of the entry of sorted ``epochs`` nearest to ``epoch``, the earlier of two equally near."""
    return int(np.argmin(np.abs(epochs - epoch)))
