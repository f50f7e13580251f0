"""What a visualization declares: what it reads, its fields, and pure functions from artifacts to frames.

A visualization never touches a slider, a server or a document. It maps artifacts to plain arrays, one
*frame* an epoch, and builds its figure once over sources that hold one frame. Because frames are pure, the
core can prefetch, cache, scale, export and compare them.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from mi.domain.values import Option, as_tuple
from mi.errors import ParameterError
from mi.refs import Ref

KINDS = ("image", "line", "points", "bars", "text")
SCALES = ("linear", "log", "symmetric", "cyclic", "categorical")
DIFFERENCES = ("subtract", "wrap", "none")


@frozen
class Field:
    """One named piece of a frame: an image, or named columns, or a text.

    Attributes:
        kind: ``image`` (a 2D float array, rows from bottom to top), ``line``, ``points``, ``bars``
            (``{column: 1D array}``, all of one length, the same length at every epoch; pad with NaN) or
            ``text`` (a string).
        dims: names of the array's dimensions, for labels and comparison; for columns the one dimension.
        scale: how values map to colour or axis: ``linear``, ``log``, ``symmetric`` (about 0), ``cyclic``
            (angles in radians, period 2 pi) or ``categorical`` (whole numbers).
        range: (low, high), each None to take it from the data over *all* epochs, so that a colour means
            the same at every epoch.
        value: for columns, the column that ``scale`` and ``range`` describe.
        difference: how two frames compare: ``subtract``, ``wrap`` (angles) or ``none``.
        static: True when it spans all epochs: returned by ``static``, never by ``frame``.
        units: of the values.
    """

    kind: str
    dims: tuple[str, ...] = field(default=(), converter=as_tuple)
    scale: str = "linear"
    range: tuple[float | None, float | None] = (None, None)
    value: str = "y"
    difference: str = "subtract"
    static: bool = False
    units: str = ""

    def __attrs_post_init__(self) -> None:
        for name, given, known in (
            ("kind", self.kind, KINDS),
            ("scale", self.scale, SCALES),
            ("difference", self.difference, DIFFERENCES),
        ):
            if given not in known:
                raise ParameterError(f"{name} is {given!r}, expected one of {', '.join(known)}")


@frozen(kw_only=True)
class Visualization:
    """A pure mapping from artifacts to frames, and a figure built once.

    Attributes:
        id: ``<plugin>.<name>``.
        title: a few words for users.
        description: one or two sentences: what it tells, when it misleads.
        reads: ids of the analyzers whose artifacts it reads.
        losses: whether it reads the loss history.
        fields: name -> :class:`Field`.
        static: ``f(data: ViewData, options: dict) -> {field: value}`` for static fields, or None.
        frame: ``f(data: ViewData, epoch: int, options: dict) -> {field: value}`` for the others, or None.
        figure: ``f(sources: {field: ColumnDataSource}, context: FigureContext, options: dict) ->
            bokeh model``, called once; without one each field is drawn as its kind says
            (:func:`mi.views.default.default_figure`).
        options: name -> :class:`mi.domain.values.Option`.
        x: the meaning of the figure's x axis; ``epoch`` makes a click jump to the nearest checkpoint and
            draws the cursor as a line.
    """

    id: str
    title: str
    fields: Mapping[str, Field]
    figure: Ref | None = None
    description: str = ""
    reads: tuple[str, ...] = field(default=(), converter=as_tuple)
    losses: bool = False
    static: Ref | None = None
    frame: Ref | None = None
    options: Mapping[str, Option] = field(factory=dict)
    x: str = ""

    def __attrs_post_init__(self) -> None:
        if any(f.static for f in self.fields.values()) != (self.static is not None):
            raise ParameterError(f"visualization {self.id}: static fields need a `static` function")
        if any(not f.static for f in self.fields.values()) != (self.frame is not None):
            raise ParameterError(f"visualization {self.id}: other fields need a `frame` function")
