"""One analyzer bound to a variant and a probe: options, sites and identity resolved."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.keep import Keep
from mi.domain.needs import Derived, GradientNeed
from mi.domain.site import Site
from mi.domain.values import check_options
from mi.domain.workspace import Variant
from mi.engine.broken import owner_of
from mi.engine.data import Subject
from mi.errors import PlanError, PluginError, nearest, unknown
from mi.faults import place, sentence, spot
from mi.refs import resolve
from mi.store.schema import digest_of

_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")


@frozen(eq=False)
class Item:
    """One analyzer, ready to run.

    Attributes:
        analyzer: its declaration.
        options: all options, checked.
        sites: every site of its own and of the derived quantities that it reads, patterns expanded.
        globs: key of each pattern among these and those of gradients -> the hooks that it stands for, in
            natural order.
        gradients: rows (a mask's name; empty for all) -> gradients over them, patterns expanded.
        plugin: plugin, distribution and version that it comes from, for messages.
        identity: digest of the declaration, options, derived quantities, context, probe and dtype.
        keep: the request that it stands for, where it is no plugin's analyzer but keeps a site's activations.
        attributes: what is recorded with its group beside what is recorded with every group (JSON).
    """

    analyzer: Analyzer
    options: Mapping[str, Any]
    sites: tuple[Site, ...]
    plugin: str
    identity: str
    globs: Mapping[str, tuple[str, ...]] = field(factory=dict)
    gradients: Mapping[str, GradientNeed] = field(factory=dict)
    keep: Keep | None = None
    attributes: Mapping[str, Any] = field(factory=dict)

    @property
    def gradient_sites(self) -> tuple[Site, ...]:
        """Sites whose gradients are read, whatever the rows, patterns expanded."""
        return tuple(dict.fromkeys(site for need in self.gradients.values() for site in need.sites))

    @property
    def called(self) -> str:
        """What messages call it."""
        if self.keep is not None:
            return f"keeping {self.keep.site.key}"
        return f"analyzer {self.id} of plugin {self.plugin}"

    @property
    def id(self) -> str:
        """The analyzer's id."""
        return self.analyzer.id

    @cached_property
    def function(self) -> Callable[..., Any]:
        """Its function, imported when it is first asked for: where all is fresh, nothing needs torch.

        Raises:
            PluginError: it cannot be imported.
        """
        return resolve(self.analyzer.function)  # type: ignore[no-any-return]

    def load(self) -> None:
        """Import its function and those of its derived quantities: what cannot be is known before any work.

        Raises:
            PluginError: one of them cannot be imported, or a streaming one's class lacks a step.
        """
        for function in (self.analyzer.function, *(d.function for d in self.analyzer.all_derived())):
            resolve(function)
        if self.analyzer.streaming and isinstance(self.function, type):
            check_streaming(self.function)

    @property
    def weights(self) -> bool:
        """Whether weights are read, by it or by a derived quantity."""
        return self.analyzer.weights or any(d.weights for d in self.analyzer.all_derived())

    @property
    def file(self) -> bool:
        """Whether the checkpoint itself is read, and not only what a pass shows."""
        return self.weights or self.analyzer.model or bool(self.gradients)

    def said(self, error: BaseException) -> str:
        """What its function raised, in one line; with the line in its package or local file."""
        function = inspect.unwrap(self.function)
        function = inspect.unwrap(getattr(function, "update", function))  # of a streaming one's class
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


def check_streaming(thing: Any) -> None:
    """Refuse a streaming analyzer's class, or object of one, that lacks a step.

    Raises:
        PluginError: says which.
    """
    for step in ("start", "update", "finish"):
        if not callable(getattr(thing, step, None)):
            name = thing.__name__ if isinstance(thing, type) else type(thing).__name__
            raise PluginError(
                f"{name} has no {step}, expected start(data), update(state, batch) and finish(state) of what "
                "is streaming"
            )


def make_item(variant: Variant, analyzer: Analyzer, subject: Subject, dtype: str) -> Item:
    """Bind an analyzer to a variant.

    Raises:
        PlanError: its declaration does not fit the variant.
    """
    options = options_of(variant.family, analyzer)
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
    gradients = _gradients(analyzer, options, globs)
    identity = digest_of(
        {
            "analyzer": [analyzer.id, analyzer.version, analyzer.scope],
            "options": options,
            "outputs": said_outputs(analyzer),
            "sites": sorted(site.key for site in sites),
            "derived": sorted([d.id, d.version] for d in derived),
            "context": context,
            "probe": subject.probe.digest,
            "dtype": dtype,
            **({"model": True} if analyzer.model else {}),
            **({"streaming": True} if analyzer.streaming else {}),
            **({"gradients": [_said(rows, need) for rows, need in gradients.items()]} if gradients else {}),
            **sources_of(analyzer, derived),
        }
    )
    return Item(
        analyzer=analyzer,
        options=options,
        sites=sites,
        plugin=owner_of(variant.workspace.host, analyzer.id),
        identity=identity,
        globs=globs,
        gradients=gradients,
    )


def _gradients(
    analyzer: Analyzer, options: Mapping[str, Any], globs: Mapping[str, tuple[str, ...]]
) -> dict[str, GradientNeed]:
    """Rows -> one need with everything that is declared over them, sorted by rows; patterns expanded."""
    found: dict[str, GradientNeed] = {}
    for need in sorted(analyzer.gradients, key=lambda n: n.over(options)):
        rows = need.over(options)
        sites = [Site(h, s.position) for s in need.sites for h in (globs[s.key] if s.glob else (s.hook,))]
        before = found.get(rows)
        found[rows] = GradientNeed(
            weights=need.weights or (before is not None and before.weights),
            sites=tuple(dict.fromkeys([*(before.sites if before else ()), *sites])),
            rows=rows,
        )
    return found


def _said(rows: str, need: GradientNeed) -> list[Any]:
    return [rows, need.weights, sorted(site.key for site in need.sites)]


def options_of(family: Family, analyzer: Analyzer) -> dict[str, Any]:
    """All its options, those of family.json checked.

    Raises:
        PlanError: its id is none.
        ParameterError: an option that it does not have, or a value that it refuses.
    """
    if _ID.fullmatch(analyzer.id) is None:
        raise PlanError(f"analyzer id is {analyzer.id!r}, expected '<plugin>.<name>' in lower case")
    given = family.use("analyzer", analyzer.id).options
    return check_options(f"analyzer {analyzer.id}", analyzer.options, given)


def _globs(analyzer: Analyzer, options: Mapping[str, Any], subject: Subject) -> dict[str, tuple[str, ...]]:
    """Key of each site pattern -> the model's hooks that it stands for.

    Raises:
        PlanError: it stands for none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for site in (*analyzer.all_sites(options), *analyzer.gradient_sites()):
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


def said_outputs(analyzer: Analyzer) -> dict[str, Any]:
    """Declared outputs, as an identity has them."""
    return {
        n: [list(o.dims), o.dtype, repr(o.fill_value), o.units, *(["gaps"] if o.gaps else [])]
        for n, o in analyzer.outputs.items()
    }


def sources_of(analyzer: Analyzer, derived: Iterable[Derived]) -> dict[str, Any]:
    """Digests of the local files that these were declared in; {} for what packages declare."""
    declared: list[Analyzer | Derived] = [analyzer, *derived]
    sources = sorted([one.id, one.source] for one in declared if one.source)
    return {"sources": sources} if sources else {}
