"""What an analyzer reads beside sites: artifacts, the probe's shape, gradients, shared quantities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mi.domain.site import Site
from mi.domain.values import as_tuple
from mi.errors import ParameterError
from mi.refs import Ref

MOMENTS = ("checkpoint", "reference", "all")


@frozen
class ArtifactNeed:
    """Another analyzer's artifacts.

    Attributes:
        analyzer: id of the analyzer that writes them.
        at: ``checkpoint`` (the same checkpoint), ``reference`` (the reference checkpoint) or ``all``
            (all epochs: scopes ``trajectory`` and ``family``).
    """

    analyzer: str
    at: str = "checkpoint"

    def __attrs_post_init__(self) -> None:
        if self.at not in MOMENTS:
            raise ParameterError(f"`at` is {self.at!r}, expected one of {', '.join(MOMENTS)}")


@frozen
class ProbeNeed:
    """The probe's shape that an analyzer relies on.

    Attributes:
        axes: named axes that must exist, in this order.
        complete: the rows must be the complete grid over those axes, so that they fold into it.
        masks: masks over rows (``train``, ``test``) that must exist.
        labels: every row must have a label.
    """

    axes: tuple[str, ...] = field(default=(), converter=as_tuple)
    complete: bool = False
    masks: tuple[str, ...] = field(default=(), converter=as_tuple)
    labels: bool = False


@frozen(kw_only=True)
class GradientNeed:
    """Gradients of the family's loss: the mean of ``VariantCode.row_losses`` over rows of the probe.

    One pass with a graph a checkpoint serves every analyzer that asks for the same: one for weights, one for
    sites, for each choice of rows. Such passes are counted with those that analyzers make themselves.

    Attributes:
        weights: with respect to the checkpoint's tensors; the family must declare a functional ``forward``.
        sites: with respect to activations there; patterns as in :class:`Site`.
        rows: name of the mask over the probe's rows that the mean is over (``train``); all rows when empty.
        rows_option: name of an option (type ``str``) that says it instead of ``rows``.
    """

    weights: bool = False
    sites: tuple[Site, ...] = field(default=(), converter=as_tuple)
    rows: str = ""
    rows_option: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.weights and not self.sites:
            raise ParameterError("a gradient needs `weights=True` or `sites`: with respect to what it is")
        if self.rows and self.rows_option:
            raise ParameterError("a gradient has `rows` and `rows_option`, expected one of them")

    def over(self, options: Mapping[str, Any]) -> str:
        """Name of the mask over rows, with these options; empty for all rows."""
        return str(options[self.rows_option]) if self.rows_option else self.rows


@frozen(kw_only=True)
class Derived:
    """A quantity that several analyzers share: computed at most once a checkpoint, freed after the last.

    Attributes:
        id: ``<plugin>.<name>``.
        version: raised whenever the function would return something else.
        function: ``f(data) -> Any`` on a :class:`mi.engine.data.CheckpointData`.
        sites, weights, derived, context: what the function reads, as for an analyzer.
        source: as for an analyzer; never given by hand.
    """

    id: str
    version: int
    function: Ref
    sites: tuple[Site, ...] = field(default=(), converter=as_tuple)
    weights: bool = False
    derived: tuple[Derived, ...] = field(default=(), converter=as_tuple)
    context: tuple[str, ...] = field(default=(), converter=as_tuple)
    source: str = ""
