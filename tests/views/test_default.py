"""A visualization without a figure of its own: each field is drawn as its kind says."""

from __future__ import annotations

from bokeh.core.validation import check_integrity
from bokeh.models import Column, GlyphRenderer, Span
from views.workshop import report_of

from mi.domain.workspace import Variant
from mi.views.context import CURSOR
from mi.views.page import build_page


def test_each_field_is_drawn_as_its_kind_says(variant: Variant) -> None:
    (card,) = build_page(variant, report_of("plain")).cards
    assert (card.state, card.sentence) == ("ok", "")
    assert isinstance(card.root, Column)
    assert check_integrity(card.root.references()).error == []
    drawn = {}
    for plot, name in zip(card.root.children, card.frames.visualization.fields, strict=True):
        renderers = [r for r in plot.renderers if isinstance(r, GlyphRenderer)]
        assert {r.data_source.name for r in renderers} == {f"panel-0/{name}"}
        cursor = bool([m for m in plot.references() if isinstance(m, Span) and m.name == CURSOR])
        drawn[name] = (plot.xaxis[0].axis_label, renderers[0].glyph.__class__.__name__, cursor)
    assert drawn == {
        "history": ("epoch", "Image", True),
        "curves": ("epoch", "Line", True),
        "map": ("x", "Image", False),
        "row": ("x", "Line", False),
        "bars": ("x", "VBar", False),
        "points": ("x", "Scatter", False),
        "note": (None, "Text", False),
    }
    bars, row = card.root.children[4], card.root.children[3]
    assert bars.renderers[0].glyph.top == "height"
    assert row.renderers[0].glyph.y == "right"
