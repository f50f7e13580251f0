"""What an analyzer declares: sites, needs, outputs, and the pure function that maps one to the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from mi.domain.values import Option, as_tuple
from mi.errors import ParameterError, PlanError
from mi.refs import Ref

SCOPES = ("checkpoint", "trajectory", "family")
MOMENTS = ("checkpoint", "reference", "all")


@frozen
class Site:
    """A hook point and, optionally, one position of it.

    Attributes:
        hook: TransformerLens' name of the hook point, ``blocks.0.mlp.hook_post``. A ``*`` stands for any text
            without a dot: ``blocks.*.mlp.hook_post`` is that hook of every layer that has it.
        position: index along the sequence (negative from the end); None keeps all positions.
            For attention patterns and scores it is the *query* position.
    """

    hook: str
    position: int | None = None

    @property
    def key(self) -> str:
        """``hook`` or ``hook@position``: the site as one string."""
        return self.hook if self.position is None else f"{self.hook}@{self.position}"

    @property
    def glob(self) -> bool:
        """Whether the hook is a pattern."""
        return "*" in self.hook

    @property
    def position_axis(self) -> int:
        """The axis that ``position`` indexes: the second, or the query's of patterns and scores.

        Patterns and scores are (rows, head, query, key).
        """
        return 2 if self.hook.endswith(("hook_attn_scores", "hook_pattern")) else 1

    def expand(self, hooks: Iterable[str]) -> tuple[Site, ...]:
        """The sites that it stands for among these hooks; ``blocks.2`` comes before ``blocks.10``.

        ``()`` where there is none; a site that is no pattern stands for itself.
        """
        pattern = re.compile(re.escape(self.hook).replace(r"\*", "[^.]*"))
        found = sorted((h for h in hooks if pattern.fullmatch(h)), key=natural)
        return tuple(Site(hook, self.position) for hook in found)

    @classmethod
    def parse(cls, text: str) -> Site:
        """The site that a key stands for.

        Raises:
            PlanError: the position is not a whole number.
        """
        hook, at, position = text.partition("@")
        try:
            return cls(hook, int(position) if at else None)
        except ValueError:
            raise PlanError(f"site {text!r}: the position is {position!r}, expected a whole number") from None


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key of a hook's name in which numbers count as numbers."""
    pieces = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in pieces]


@frozen
class Output:
    """One named array that an analyzer returns.

    Attributes:
        dims: names of its dimensions, without ``epoch`` (which the store adds in front for scope
            ``checkpoint``). Each is resolved when work is planned: the analyzer's own
            ``coordinates``, the probe's axes (and ``row``), or the family's dimensions.
        dtype: numpy name of the stored dtype.
        units: physical or mathematical unit (``nats``, ``1``); empty when there is none.
        description: one line for users.
        fill: what stands for "missing"; NaN for floats, a sentinel that must be given for integers.
        gaps: whether NaN is an ordinary value that says that there is nothing to measure (the frequency of a
            dead neuron). Without it, NaN is flagged wherever the artifact shows, as an infinity always is.
    """

    dims: tuple[str, ...] = field(converter=as_tuple)
    dtype: str = "float32"
    units: str = ""
    description: str = ""
    fill: float | int | None = None
    gaps: bool = False

    @property
    def fill_value(self) -> float | int:
        """NaN for floats unless declared otherwise."""
        if self.fill is not None:
            return self.fill
        if self.dtype.startswith("float"):
            return float("nan")
        raise ParameterError(f"an output of dtype {self.dtype} must declare its `fill` sentinel")


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


@frozen(kw_only=True)
class Analyzer:
    """A pure function from activations (and weights, and other artifacts) to named arrays.

    Attributes:
        id: ``<plugin>.<name>``; also the group's name in the store.
        version: raised whenever the function would return something else; enters the fingerprint.
        title: a few words for users.
        description: one or two sentences; formula and source where there is one.
        function: scope ``checkpoint``: ``f(data: CheckpointData, **options) -> {output: array}``;
            ``trajectory``: ``f(data: TrajectoryData, **options) -> {output: array}``;
            ``family``: ``f(data: FamilyData, **options) -> {output: array}``.
            A callable or ``"package.module:name"``. Of a streaming analyzer a class, or what makes an
            object of one: ``f(**options) -> mi.engine.data.Streaming``.
        outputs: name -> :class:`Output`.
        scope: ``checkpoint``; ``trajectory`` (all epochs of one variant, no forward pass); or ``family`` (all
            variants of one family that have what it needs; outputs may have a dimension ``variant``).
        streaming: whether the probe is seen batch by batch, so that it may be larger than memory (scope
            ``checkpoint``). What needs all rows at once cannot be declared then: gradients, derived
            quantities with sites, artifacts that are made from activations.
        sites: activations to keep from the one forward pass. Logits are a site too.
        site_options: names of options (type ``str``) whose values are further sites.
        weights: whether the checkpoint's weights are read.
        model: whether the model itself is read, or passes of the analyzer's own are made: ``data.model`` is
            then a :class:`mi.engine.model.Model` (scope ``checkpoint``). Such passes are counted apart.
        gradients: gradients of the family's loss (scope ``checkpoint``); read them with
            ``data.gradients(rows)``.
        losses: whether the loss history is read (scopes ``trajectory`` and ``family``).
        probe: the probe's shape that is relied on.
        artifacts: other analyzers' artifacts.
        derived: shared quantities.
        context: names of the family's precomputed values that are read.
        options: name -> :class:`mi.domain.values.Option`.
        coordinates: ``f(subject: mi.engine.data.Subject, **options) -> {dim: coordinates}`` for dims that
            neither the probe nor the family knows (scope ``family``: of a
            :class:`mi.engine.family_data.FamilySubject`). It may raise
            :class:`mi.errors.NotApplicableError` where the analysis does not fit the model or the probe:
            ``not applicable: …``.
        source: digest of the local file that declares it, set by the plugin host and never by hand; enters
            the fingerprint, so that an edit makes artifacts stale without a new ``version``. Empty for what
            a package declares.
    """

    id: str
    version: int
    title: str
    function: Ref
    outputs: Mapping[str, Output]
    description: str = ""
    scope: str = "checkpoint"
    streaming: bool = False
    sites: tuple[Site, ...] = field(default=(), converter=as_tuple)
    site_options: tuple[str, ...] = field(default=(), converter=as_tuple)
    weights: bool = False
    model: bool = False
    gradients: tuple[GradientNeed, ...] = field(default=(), converter=as_tuple)
    losses: bool = False
    probe: ProbeNeed = ProbeNeed()
    artifacts: tuple[ArtifactNeed, ...] = field(default=(), converter=as_tuple)
    derived: tuple[Derived, ...] = field(default=(), converter=as_tuple)
    context: tuple[str, ...] = field(default=(), converter=as_tuple)
    options: Mapping[str, Option] = field(factory=dict)
    coordinates: Ref | None = None
    source: str = ""

    def __attrs_post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ParameterError(
                f"analyzer {self.id}: scope is {self.scope!r}, expected one of {', '.join(SCOPES)}"
            )
        if self.scope == "checkpoint" and any(n.at == "all" for n in self.artifacts):
            raise ParameterError(
                f"analyzer {self.id}: artifacts at 'all' epochs need scope 'trajectory' or 'family'"
            )
        if self.scope == "family":
            self._check_family_scope()
        if self.model and self.scope != "checkpoint":
            raise ParameterError(f"analyzer {self.id}: the model needs scope 'checkpoint'")
        if self.gradients and self.scope != "checkpoint":
            raise ParameterError(f"analyzer {self.id}: gradients need scope 'checkpoint'")
        if self.streaming:
            self._check_streaming()
        if not self.outputs:
            raise ParameterError(f"analyzer {self.id}: no outputs are declared")

    def _check_family_scope(self) -> None:
        """Refuse what no analyzer over variants can have.

        Raises:
            ParameterError: names it.
        """
        lacking = ("sites", "site_options", "weights", "model", "gradients", "derived", "context")
        found = [name for name in lacking if getattr(self, name)]
        found += ["probe"] if self.probe != ProbeNeed() else []
        if found:
            raise ParameterError(
                f"analyzer {self.id}: `{found[0]}` is of one variant, and scope 'family' spans variants; let "
                "another analyzer read it, and need its artifacts"
            )
        if not self.artifacts and not self.losses:
            raise ParameterError(
                f"analyzer {self.id}: scope 'family' reads artifacts or losses; none is declared"
            )

    def _check_streaming(self) -> None:
        whole = [d.id for d in self.all_derived() if d.sites]
        what = (
            f"its scope is {self.scope!r}, expected 'checkpoint'"
            if self.scope != "checkpoint"
            else "gradients are over all rows at once"
            if self.gradients
            else f"derived quantity {whole[0]} is made from activations of all rows at once"
            if whole
            else "it declares no site, so there are no batches to see"
            if not self.sites and not self.site_options
            else ""
        )
        if what:
            raise ParameterError(f"analyzer {self.id} cannot be streaming: {what}")

    @property
    def captures(self) -> bool:
        """Whether it reads activations, itself or through derived quantities."""
        return bool(self.sites or self.site_options or any(d.sites for d in self.all_derived()))

    def all_sites(self, options: Mapping[str, Any]) -> tuple[Site, ...]:
        """The declared sites, those that options name, those of derived quantities; patterns as they are."""
        sites = list(self.sites) + [Site.parse(options[name]) for name in self.site_options]
        for quantity in self.all_derived():
            sites += quantity.sites
        return tuple(dict.fromkeys(sites))

    def gradient_sites(self) -> tuple[Site, ...]:
        """Sites whose gradients are declared, patterns as they are."""
        return tuple(dict.fromkeys(site for need in self.gradients for site in need.sites))

    def all_derived(self) -> tuple[Derived, ...]:
        """Derived quantities with those that they read, each once, prerequisites first."""
        found: dict[str, Derived] = {}

        def visit(quantity: Derived) -> None:
            for inner in quantity.derived:
                visit(inner)
            found.setdefault(quantity.id, quantity)

        for quantity in self.derived:
            visit(quantity)
        return tuple(found.values())
