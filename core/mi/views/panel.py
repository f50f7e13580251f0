"""Panels as cards: a figure, or a sentence that says why there is none. One that fails harms no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrs import define, field
from bokeh.core.serialization import Serializer
from bokeh.models import ColumnDataSource, LayoutDOM, Range1d

from mi.domain.report import Panel
from mi.domain.values import check_options
from mi.domain.visualization import Visualization
from mi.errors import MiError, PluginError, unknown
from mi.faults import details, is_fault, place, sentence
from mi.plugins import Record
from mi.plural import counted
from mi.refs import resolve
from mi.views.cache import FRAMES, ByteCache
from mi.views.context import FigureContext
from mi.views.data import DataSource, MissingArtifacts, ViewData
from mi.views.frames import FrameSet, make_frames
from mi.views.palettes import ColorBook
from mi.views.sources import current_sources, describe, stacked_source

OK, MISSING, ERROR, UNTRUSTED, UNKNOWN = "ok", "missing", "error", "untrusted", "unknown"
DEFAULT_FIGURE = "mi.views.default:default_figure"


@define(eq=False)
class Card:
    """One panel of a page.

    Attributes:
        id: ``panel-<i>``, also the name of its Bokeh root.
        visualization: its id.
        title, description: for users.
        width: columns of the 12-column grid.
        plugin: name, distribution and version of the plugin.
        state: ``ok``, ``missing`` (artifacts), ``error`` (the visualization or its plugin failed),
            ``untrusted`` (a local plugin that may not run), ``unknown`` (no plugin offers it).
        sentence: why there is no figure, or what is missing of it; empty when nothing is.
        flagged: that values are not finite, and where; part of the sentence.
        command: what mends it, for a terminal; may be empty.
        absent: analyzers whose artifacts it waits for.
        provenance: what the figure was made from.
        details: traceback of what the plugin raised, for a terminal and never for a page.
        root: the figure; None unless ``ok``.
        stack: the source of all frames; None unless ``ok``.
        frames: the frames; None unless ``ok``.
        spec: what the page's script must know, as plain JSON.
    """

    id: str
    visualization: str
    title: str
    width: int
    description: str = ""
    plugin: str = ""
    state: str = OK
    sentence: str = ""
    flagged: str = ""
    command: str = ""
    absent: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()
    details: str = ""
    root: LayoutDOM | None = None
    stack: ColumnDataSource | None = None
    frames: FrameSet | None = None
    spec: dict[str, Any] = field(factory=dict)


@define(eq=False)
class CardMaker:
    """What the panels of one page share.

    Attributes:
        source: the variant's artifacts.
        epoch: the epoch shown first.
        x_epochs: range of every epoch axis.
        colors: one colour a key.
        cache: frames that other pages may have made.
    """

    source: DataSource
    epoch: int
    x_epochs: Range1d
    colors: ColorBook = field(factory=ColorBook)
    cache: ByteCache = FRAMES

    def make(self, i: int, panel: Panel) -> Card:
        """The card of a panel; never raises for what a visualization or a store does wrong."""
        card = Card(f"panel-{i}", panel.visualization, panel.title or panel.visualization, panel.width)
        variant = self.source.variant
        host = variant.workspace.host
        record = host.record_of(panel.visualization)
        if record is not None:
            card.plugin = self._relative(f"{record.name} ({record.source})")
        try:
            offered = host.visualizations(variant.family)
            if panel.visualization not in offered:
                return self._unoffered(card, record, offered)
            visualization = offered[panel.visualization]
            card.title = panel.title or visualization.title
            card.description = visualization.description
            self._draw(card, visualization, panel)
        except BaseException as error:  # a plugin's code may raise anything
            if not is_fault(error):
                raise
            card.root = card.stack = card.frames = None
            card.spec = {}
            card.state, card.sentence = ERROR, self._said(error, record)
            if not isinstance(error, MiError):
                card.details = details(error)
        return card

    def _unoffered(self, card: Card, record: Record | None, offered: Iterable[str]) -> Card:
        """The card of a visualization that no plugin offers, or that its plugin could not offer."""
        card.state, card.sentence = UNKNOWN, str(unknown("visualization", card.visualization, offered))
        if record is None:
            return card
        if record.failures:
            broken = record.failures[0]
            card.state, card.command = ERROR, f"mi plugins {record.name}"
            card.sentence = self._relative(f"Plugin {record.name} failed in {broken.hook}: {broken.error}")
        elif record.status == "untrusted":
            card.state, card.command = UNTRUSTED, f"mi trust {record.name}"
            card.sentence = self._relative(f"Local plugin {record.name} is {record.warnings[-1]}.")
        elif record.status == "disabled":
            card.sentence = f"Plugin {record.name} is disabled."
        return card

    def _draw(self, card: Card, visualization: Visualization, panel: Panel) -> None:
        family = self.source.variant.family
        given = {**family.use("visualization", visualization.id).options, **panel.options}
        options = check_options(f"visualization {visualization.id}", visualization.options, given)
        data = self.source.data(visualization)
        if isinstance(data, MissingArtifacts):
            card.state, card.sentence, card.command = MISSING, data.sentence, data.command
            card.absent = data.analyzers
            return
        # Each host has frames of its own: a plugin may have been edited and loaded anew under the same id.
        token = self.source.variant.workspace.host.token
        key = (token, visualization.id, data.token, repr(sorted(options.items())))
        frames = self.cache.get(key, lambda: make_frames(data, visualization, options))
        sources = current_sources(frames, self.epoch, card.id)
        context = FigureContext(
            visualization=visualization,
            data=data,
            scales=frames.scales,
            extents=frames.extents,
            epoch=self.epoch,
            x_epochs=self.x_epochs,
            colors=self.colors,
            width=panel.width,
            phases=self.source.phases,
        )
        root = resolve(visualization.figure or DEFAULT_FIGURE)(sources, context, options)
        _check_figure(visualization, root)
        root.name, card.root = card.id, root
        card.stack, card.frames, card.spec = stacked_source(frames, card.id), frames, describe(frames)
        card.provenance = self._provenance(visualization, data)
        if frames.missing:
            few = self.source.few(visualization.reads)
            card.sentence = _gaps(frames.missing, len(frames.epochs), few)
            card.command = self.source.command(visualization.reads, everywhere=True)
        if flagged := self.source.nonfinite(visualization):
            card.flagged = _not_finite(flagged, len(self.source.epochs))
            card.sentence = f"{card.sentence} {card.flagged}".strip()

    def _provenance(self, visualization: Visualization, data: ViewData) -> tuple[str, ...]:
        said = [f"probe {self.source.probe_name}"] if visualization.reads else []
        for id in visualization.reads:
            version = data.artifacts[id].attrs.get("version")
            said.append(f"{id} v{version}" if version is not None else id)
        if visualization.losses:
            said.append("loss history")
        n = len(self.source.epochs)
        said.append(counted(n, "checkpoint"))
        return tuple(said)

    def _said(self, error: BaseException, record: Record | None) -> str:
        """One line for users, with the line of a local file."""
        where = place(error, record.value) if record is not None and record.kind == "local" else ""
        return self._relative(sentence(error) + (f" ({where})" if where else ""))

    def _relative(self, text: str) -> str:
        """``text`` without the workspace's absolute path, which is nobody's business on a page."""
        return text.replace(f"{self.source.variant.workspace.root}/", "")


def _gaps(missing: tuple[int, ...], total: int, few: Mapping[str, int]) -> str:
    shown = ", ".join(f"{e:,}" for e in missing[:4]) + (", …" if len(missing) > 4 else "")
    why = "".join(f"; {id} runs at {most} by default" for id, most in few.items())
    return f"No artifacts at {len(missing)} of {counted(total, 'checkpoint')} (epoch {shown}){why}."


def _not_finite(flagged: list[int | None], total: int) -> str:
    epochs = [e for e in flagged if e is not None]
    if not epochs:
        return "Made from or holding non-finite values, which are shown as missing."
    shown = ", ".join(f"{e:,}" for e in epochs[:4]) + (", …" if len(epochs) > 4 else "")
    verb = "holds or comes" if len(epochs) == 1 else "hold or come"
    count = f"{len(epochs)} of {counted(total, 'checkpoint')} {verb}"
    return f"{count} from non-finite values, shown as missing (epoch {shown})."


def _check_figure(visualization: Visualization, root: Any) -> None:
    """Refuse now what would blank the whole page later.

    Raises:
        PluginError: no Bokeh model, ragged columns, or something that Bokeh cannot send.
    """
    owner = f"visualization {visualization.id}: figure"
    if not isinstance(root, LayoutDOM):
        raise PluginError(f"{owner} returned {type(root).__name__}, expected a Bokeh figure or layout")
    for model in root.references():
        if isinstance(model, ColumnDataSource):
            lengths = {str(name): len(column) for name, column in model.data.items()}
            if len(set(lengths.values())) > 1:
                raise PluginError(f"{owner} has a source with columns of different lengths: {lengths}")
            for name, column in model.data.items():
                if isinstance(column, np.ndarray) and column.dtype == np.float16:
                    raise PluginError(f"{owner}: column {name} is float16, expected float32")
    try:
        Serializer().encode(root)
    except Exception as error:
        raise PluginError(f"{owner} cannot be sent to a browser: {error}") from error
