"""A request bound to one variant and probe: options, dimensions and context resolved, fit checked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from attrs import field, frozen

from mi.domain.analyzer import Analyzer, Derived, Site
from mi.domain.probe import Probe
from mi.domain.values import check_options
from mi.domain.workspace import Variant
from mi.engine.broken import blamed, check_needs, owner_of
from mi.engine.capture import UnbuiltError
from mi.engine.data import Subject
from mi.engine.graph import close
from mi.engine.session import Session
from mi.errors import MiError, NotApplicableError, PlanError, PluginError, nearest, unknown
from mi.faults import is_fault, place, sentence, spot
from mi.refs import resolve
from mi.store.layout import VariantPaths
from mi.store.schema import RESERVED, ArraySpec, GroupSpec, coordinates, digest_of

_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@frozen(eq=False)
class Item:
    """One analyzer, ready to run.

    Attributes:
        analyzer: its declaration.
        options: all options, checked.
        function: its function, imported.
        sites: every site of its own and of the derived quantities that it reads, patterns expanded.
        globs: key of each pattern among them -> the hooks that it stands for, in natural order.
        plugin: plugin, distribution and version that it comes from, for messages.
        identity: digest of the declaration, options, derived quantities, context, probe and dtype.
    """

    analyzer: Analyzer
    options: Mapping[str, Any]
    function: Callable[..., Any]
    sites: tuple[Site, ...]
    plugin: str
    identity: str
    globs: Mapping[str, tuple[str, ...]] = field(factory=dict)

    @property
    def id(self) -> str:
        """The analyzer's id."""
        return self.analyzer.id

    @property
    def weights(self) -> bool:
        """Whether weights are read, by it or by a derived quantity."""
        return self.analyzer.weights or any(d.weights for d in self.analyzer.all_derived())

    def said(self, error: BaseException) -> str:
        """What its function raised, in one line; with the line in its package or local file."""
        function = inspect.unwrap(self.function)
        code, where = getattr(function, "__code__", None), ""
        if code is not None and self.analyzer.source:
            where = place(error, code.co_filename)
        elif code is not None:
            where = spot(error, code, str(function.__module__))
        return sentence(error) + (f" ({where})" if where else "")

    def own_sites(self) -> tuple[Site, ...]:
        """The sites that the analyzer itself declared, patterns as they are."""
        named = [Site.parse(self.options[name]) for name in self.analyzer.site_options]
        return (*self.analyzer.sites, *named)


@frozen(eq=False)
class Bench:
    """One variant, one probe, and the analyzers to run on them in the order of their needs."""

    variant: Variant
    paths: VariantPaths
    probe_name: str
    subject: Subject
    items: Mapping[str, Item]
    device: str
    dtype: str

    @property
    def probe(self) -> Probe:
        """The probe, built for this variant."""
        return self.subject.probe

    @property
    def provenance(self) -> dict[str, Any]:
        """With what results are made: recorded, never hashed, since it ought not to matter."""
        import torch

        threads = torch.get_num_threads()  # sums are split among them, so the last bits may differ
        cpu = torch.backends.cpu.get_cpu_capability()  # and over its vectors
        return {
            "versions": dict(_versions()),
            "device": self.device,
            "dtype": self.dtype,
            "threads": threads,
            "cpu": cpu,
        }

    def group(self, item: Item, epochs: tuple[int, ...] | None = None) -> GroupSpec:
        """What the analyzer's group looks like in the store.

        Args:
            item: the analyzer.
            epochs: for scope ``trajectory``: the coordinates of a dimension ``epoch``.

        Raises:
            PlanError: a dimension that resolves nowhere, a dtype that cannot be stored.
        """
        epochal = item.analyzer.scope == "checkpoint"
        own = _own_coordinates(item, self.subject)
        axes: dict[str, np.ndarray] = {}
        for name, output in item.analyzer.outputs.items():
            _check_output(item.id, name, output.dims, output.dtype, epochal)
            for dim in output.dims:
                if dim == "epoch":
                    axes[dim] = np.asarray(epochs or (), dtype=np.int64)
                elif dim not in axes:
                    axes[dim] = self._coordinates(item, name, dim, own)
        for name in item.analyzer.outputs:
            if name in axes or name in RESERVED:
                raise PlanError(f"analyzer {item.id}: output {name!r} has the name of a dimension")
        arrays = tuple(
            ArraySpec(
                name=name,
                dims=("epoch", *output.dims) if epochal else output.dims,
                dtype=output.dtype,
                fill=output.fill_value,
                attrs={k: v for k in ("units", "description") if (v := getattr(output, k))},
                gaps=output.gaps,
            )
            for name, output in item.analyzer.outputs.items()
        )
        shaped = {name: axes[name] for name in sorted(axes)}
        return GroupSpec(
            probe=self.probe_name,
            analyzer=item.id,
            axes=axes,
            arrays=arrays,
            identity=digest_of([item.identity, shaped]),
            attrs=self._attributes(item),
            epochal=epochal,
        )

    def _coordinates(self, item: Item, output: str, dim: str, own: Mapping[str, Any]) -> np.ndarray:
        id, probe, family = item.id, self.probe, self.subject.dimensions
        known: dict[str, Any] = {**family, **probe.axes, "row": range(len(probe)), **own}
        if dim not in known:
            names = {*known, *(["epoch"] if item.analyzer.scope == "trajectory" else [])}
            near = nearest(dim, names)
            tail = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(names))}"
            raise PlanError(f"analyzer {id}: dimension {dim!r} of output {output!r} is unknown; {tail}")
        try:
            return coordinates(known[dim])
        except TypeError as error:
            raise PlanError(f"analyzer {id}: dimension {dim!r}: {error}") from None

    def _attributes(self, item: Item) -> dict[str, Any]:
        analyzer = item.analyzer
        return {
            "analyzer": item.id,
            "version": analyzer.version,
            "title": analyzer.title,
            "description": analyzer.description,
            "options": dict(item.options),
            "plugin": item.plugin,
            "scope": analyzer.scope,
            "family": self.variant.family.name,
            "variant": self.variant.name,
            "parameters": dict(self.variant.parameters),
            "probe": self.probe_name,
            "probe_digest": self.probe.digest,
            **self.provenance,
        }


def set_up(
    variant: Variant,
    probe_name: str | None,
    asked: Iterable[str] | None,
    epochs: tuple[int, ...],
    device: str,
    dtype: str,
    session: Session | None = None,
) -> tuple[Bench, dict[str, str], dict[str, str]]:
    """Bind a request to a variant.

    Args:
        variant: an existing variant.
        probe_name: a saved probe; None for the family's default.
        asked: ids of analyzers; None for those that family.json lists.
        epochs: epochs of the variant's checkpoints.
        device, dtype: of the passes.
        session: holds the model, which is built where an analyzer's sites or dimensions depend on it.

    Returns:
        The bench; analyzers of family.json that do not apply to this probe, with the reason; and those that
        cannot be had at all (no plugin offers them, their code cannot be imported, their declaration does not
        fit the model), with the reason.

    Raises:
        UnknownNameError: an analyzer asked for by name, or the probe, does not exist.
        PlanError: an analyzer asked for by name does not apply or cannot be had; a need that cannot be met.
        PluginError: in strict mode, an analyzer that cannot be had.
    """
    family, host = variant.family, variant.workspace.host
    name, probe = variant.probe(probe_name)
    offered = host.analyzers(family)
    wanted = [use.id for use in family.analyzers] if asked is None else list(dict.fromkeys(asked))
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}
    for id in wanted:
        if id not in offered:
            error = host.unoffered(f"analyzer of family {family.name}", id, offered)
            if asked is not None:
                raise error
            broken[id] = str(error)
    usable = [id for id in wanted if id in offered]
    if asked is None:
        reasons = {id: _unfit(id, offered, probe) for id in usable}
        skipped = {id: reason for id, reason in reasons.items() if reason}
        usable = [id for id in usable if id not in skipped]
    chain = close(usable, offered)
    for analyzer in chain:
        reason = misfit(analyzer, probe)
        if reason:
            raise PlanError(f"analyzer {analyzer.id} on probe {name}: {reason}")
    subject = Subject(
        parameters=dict(variant.parameters),
        dimensions=dict(variant.code.dimensions()),
        context=dict(variant.code.context()),
        probe=probe,
        epochs=epochs,
        hooks=(session or Session()).hooks(variant, device, dtype, probe.tokens),
    )
    items: dict[str, Item] = {}
    bench = Bench(variant, VariantPaths(variant.folder), name, subject, items, device, dtype)
    for analyzer in chain:  # every complaint about a declaration comes before any work
        try:
            for need in analyzer.artifacts:
                if need.analyzer in skipped:
                    raise NotApplicableError(f"needs {need.analyzer}, which is {skipped[need.analyzer]}")
            check_needs(analyzer, broken)
            item = _item(variant, analyzer, subject, dtype)
            bench.group(item, epochs)
            items[item.id] = item
        except NotApplicableError as error:
            if asked is not None:
                raise PlanError(f"analyzer {analyzer.id} on probe {name}: {error}") from error
            skipped[analyzer.id] = str(error)
        except UnbuiltError:  # the family's fault, and nothing runs without its model
            raise
        except MiError as error:  # its code or its declaration is no good; the others' are
            if asked is not None:
                raise
            broken[analyzer.id] = blamed(variant, analyzer.id, error)
            if host.strict:
                raise PluginError(broken[analyzer.id]) from error
    return bench, skipped, broken


def misfit(analyzer: Analyzer, probe: Probe) -> str:
    """Why an analyzer does not apply to a probe; empty when it does."""
    need = analyzer.probe
    if need.axes and tuple(probe.axes) != need.axes:
        have = f"its axes are {', '.join(probe.axes)}" if probe.axes else "it has no named axes"
        return f"not applicable: needs the axes ({', '.join(need.axes)}); {have}"
    if need.complete and not probe.complete:
        return f"not applicable: needs the complete grid ({', '.join(need.axes or probe.axes)})"
    for mask in need.masks:
        if mask not in probe.masks:
            return f"not applicable: needs the mask {mask!r}"
    if need.labels and probe.labels is None:
        return "not applicable: needs a label for every row"
    return ""


def _unfit(id: str, offered: Mapping[str, Analyzer], probe: Probe) -> str:
    """As :func:`misfit`, looking through what the analyzer needs; problems of the graph are for `close`."""
    try:
        chain = close([id], offered)
    except PlanError:
        return ""
    for analyzer in reversed(chain):
        reason = misfit(analyzer, probe)
        if reason:
            return reason if analyzer.id == id else f"needs {analyzer.id}, which is {reason}"
    return ""


def _item(variant: Variant, analyzer: Analyzer, subject: Subject, dtype: str) -> Item:
    if _ID.fullmatch(analyzer.id) is None:
        raise PlanError(f"analyzer id is {analyzer.id!r}, expected '<plugin>.<name>' in lower case")
    options = check_options(
        f"analyzer {analyzer.id}", analyzer.options, variant.family.use("analyzer", analyzer.id).options
    )
    derived = analyzer.all_derived()
    names = sorted({*analyzer.context, *(n for d in derived for n in d.context)})
    context = {}
    for name in names:
        if name not in subject.context:
            raise PlanError(
                f"analyzer {analyzer.id}: {unknown('context value of the family', name, subject.context)}"
            )
        try:
            context[name] = digest_of(subject.context[name])
        except TypeError as error:
            raise PlanError(f"analyzer {analyzer.id}: context value {name!r}: {error}") from None
    globs = _globs(analyzer, options, subject)
    sites = tuple(
        dict.fromkeys(
            one
            for site in analyzer.all_sites(options)
            for one in ([Site(h, site.position) for h in globs[site.key]] if site.glob else [site])
        )
    )
    identity = digest_of(
        {
            "analyzer": [analyzer.id, analyzer.version, analyzer.scope],
            "options": options,
            "outputs": {
                n: [list(o.dims), o.dtype, repr(o.fill_value), o.units, *(["gaps"] if o.gaps else [])]
                for n, o in analyzer.outputs.items()
            },
            "sites": sorted(site.key for site in sites),
            "derived": sorted([d.id, d.version] for d in derived),
            "context": context,
            "probe": subject.probe.digest,
            "dtype": dtype,
            **({"model": True} if analyzer.model else {}),
            **_sources(analyzer, derived),
        }
    )
    plugin = owner_of(variant, analyzer.id)
    try:
        function = resolve(analyzer.function)
    except PluginError as error:
        raise PluginError(f"analyzer {analyzer.id} of plugin {plugin}: {error}") from error
    return Item(
        analyzer=analyzer,
        options=options,
        function=function,
        sites=sites,
        plugin=plugin,
        identity=identity,
        globs=globs,
    )


def _globs(analyzer: Analyzer, options: Mapping[str, Any], subject: Subject) -> dict[str, tuple[str, ...]]:
    """Key of each site pattern -> the model's hooks that it stands for.

    Raises:
        PlanError: it stands for none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for site in analyzer.all_sites(options):
        if not site.glob:
            continue
        hooks = tuple(one.hook for one in site.expand(subject.hooks))
        if not hooks:
            known = {re.sub(r"\d+", "*", hook) for hook in subject.hooks}
            near = nearest(site.hook, known)
            tail = f"; did you mean {' or '.join(near)}?" if near else ""
            raise PlanError(
                f"analyzer {analyzer.id}: site {site.key}: no hook of the model matches {site.hook!r}{tail}"
            )
        found[site.key] = hooks
    return found


def _sources(analyzer: Analyzer, derived: Iterable[Derived]) -> dict[str, Any]:
    """Digests of the local files that these were declared in; {} for what packages declare."""
    sources = sorted({analyzer.source, *(quantity.source for quantity in derived)} - {""})
    return {"sources": sources} if sources else {}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("mi-core", "torch", "transformer-lens", "numpy", "zarr")}


def _own_coordinates(item: Item, subject: Subject) -> Mapping[str, Any]:
    if item.analyzer.coordinates is None:
        return {}
    try:
        found: Mapping[str, Any] = resolve(item.analyzer.coordinates)(subject, **item.options)
    except MiError:
        raise
    except BaseException as error:
        if not is_fault(error):
            raise
        raise PluginError(
            f"analyzer {item.id} of plugin {item.plugin}: its coordinates raised {sentence(error)}"
        ) from error
    return found


def _check_output(id: str, name: str, dims: tuple[str, ...], dtype: str, epochal: bool) -> None:
    if _NAME.fullmatch(name) is None:
        raise PlanError(f"analyzer {id}: output name is {name!r}, expected letters, digits and '_'")
    for dim in dims:
        if dim == "committed" or (dim == "epoch" and epochal) or dims.count(dim) > 1:
            raise PlanError(f"analyzer {id}: output {name!r} cannot have the dimension {dim!r}")
    try:
        storable = np.dtype(dtype).kind in "biufc"
    except TypeError:
        storable = False
    if not storable:
        raise PlanError(f"analyzer {id}: output {name!r} has dtype {dtype!r}, expected a number type or bool")
