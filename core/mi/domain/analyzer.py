"""What an analyzer declares, and the pure function that it is: from activations to named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mi.domain.needs import ArtifactNeed, Derived, GradientNeed, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.domain.values import Option, as_tuple
from mi.errors import ParameterError
from mi.refs import Ref

SCOPES = ("checkpoint", "trajectory", "family")


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
        checkpoints: at how many checkpoints at most it runs unless epochs are asked for by name (scope
            ``checkpoint``): the first, the last and others spread evenly between them in the order of
            checkpoints (:func:`mi.engine.epochs.spread`), and where other analyzers need it. None: at all.
            At others it has no artifacts, and views say so. It changes no result, so enters no fingerprint.
        cost: ``f(sizes, **options) -> floating-point operations`` of one call (scopes ``checkpoint`` and
            ``trajectory``), a multiplication and an addition counted as two; without the one pass, derived
            quantities and gradients, which are shared. ``sizes`` is what :func:`mi.engine.cost.sizes_of`
            gives, name -> whole number. ``mi analyze --dry-run`` shows it.
        summary: names of outputs with the leading dimension ``variant`` that `mi summary` shows as columns
            (scope ``family``): one value a variant, or with a second dimension a list of what is there.
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
    probe: ProbeNeed = field(factory=ProbeNeed)
    artifacts: tuple[ArtifactNeed, ...] = field(default=(), converter=as_tuple)
    derived: tuple[Derived, ...] = field(default=(), converter=as_tuple)
    context: tuple[str, ...] = field(default=(), converter=as_tuple)
    options: Mapping[str, Option] = field(factory=dict)
    coordinates: Ref | None = None
    checkpoints: int | None = None
    cost: Ref | None = None
    summary: tuple[str, ...] = field(default=(), converter=as_tuple)
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
        if self.checkpoints is not None and (self.scope != "checkpoint" or self.checkpoints < 2):
            raise ParameterError(
                f"analyzer {self.id}: checkpoints is {self.checkpoints} with scope {self.scope!r}, expected "
                "at least 2 (the first and the last) and scope 'checkpoint'"
            )
        if self.streaming:
            self._check_streaming()
        for name in self.summary:
            dims = self.outputs[name].dims if name in self.outputs else ()
            if self.scope != "family" or dims[:1] != ("variant",) or len(dims) > 2:
                raise ParameterError(
                    f"analyzer {self.id}: summary names {name!r}, expected outputs of scope 'family' with "
                    "dims (variant,) or (variant, one more)"
                )
        if not self.outputs:
            raise ParameterError(f"analyzer {self.id}: no outputs are declared")

    def _check_family_scope(self) -> None:
        """Refuse what no analyzer over variants can have.

        Raises:
            ParameterError: names it.
        """
        lacking = ("sites", "site_options", "weights", "model", "gradients", "derived", "context", "cost")
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
