"""One variant, one probe, the analyzers to run on them, and what each one's group looks like in the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from attrs import frozen

from mi.domain.keep import group_name
from mi.domain.probe import Probe
from mi.domain.workspace import Variant
from mi.engine.data import Subject
from mi.engine.item import Item
from mi.errors import MiError, PlanError, PluginError, nearest
from mi.faults import is_fault, sentence
from mi.numerics import settings
from mi.refs import resolve
from mi.store.layout import VariantPaths
from mi.store.schema import RESERVED, ArraySpec, GroupSpec, coordinates, digest_of

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@frozen(eq=False)
class Bench:
    """One variant, one probe, and the analyzers to run on them in the order of their needs.

    ``memory`` is what activations and probe may take, in bytes.
    """

    variant: Variant
    paths: VariantPaths
    probe_name: str
    subject: Subject
    items: Mapping[str, Item]
    device: str
    dtype: str
    memory: int

    @property
    def probe(self) -> Probe:
        """The probe, built for this variant."""
        return self.subject.probe

    @property
    def provenance(self) -> dict[str, Any]:
        """With what results are made: recorded, never hashed, since it ought not to matter."""
        return made_with(self.device, self.dtype)

    def store_of(self, item: Item) -> VariantPaths:
        """Where an item's group and commit records lie: kept activations have a hierarchy of their own."""
        return self.paths.kept if item.keep else self.paths

    def group(self, item: Item, epochs: tuple[int, ...] | None = None) -> GroupSpec:
        """What the analyzer's group looks like in the store.

        Args:
            item: the analyzer.
            epochs: for scope ``trajectory``: the coordinates of a dimension ``epoch``.

        Raises:
            PlanError: a dimension that resolves nowhere, a dtype that cannot be stored.
        """
        own = own_coordinates(item, self.subject)
        known = {**self.subject.dimensions, **self.probe.axes, "row": range(len(self.probe)), **own}
        if item.analyzer.scope == "trajectory":
            known["epoch"] = np.asarray(epochs or (), dtype=np.int64)
        return lay_out(item, self.probe_name, known, self._attributes(item))

    def _attributes(self, item: Item) -> dict[str, Any]:
        return {
            **told_of(item),
            "family": self.variant.family.name,
            "variant": self.variant.name,
            "parameters": dict(self.variant.parameters),
            "probe": self.probe_name,
            "probe_digest": self.probe.digest,
            **versions_of(self.device, self.dtype),
        }


def lay_out(item: Item, probe: str, known: Mapping[str, Any], attrs: Mapping[str, Any]) -> GroupSpec:
    """What an analyzer's group looks like, given the coordinates of every dimension that is known.

    Raises:
        PlanError: a dimension that resolves nowhere, a dtype that cannot be stored.
    """
    epochal = item.analyzer.scope == "checkpoint"
    axes: dict[str, np.ndarray] = {}
    for name, output in item.analyzer.outputs.items():
        _check_output(item.id, name, output.dims, output.dtype, epochal)
        for dim in output.dims:
            if dim not in axes:
                axes[dim] = _coordinates(item.id, name, dim, known)
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
            batched=item.keep is not None,
        )
        for name, output in item.analyzer.outputs.items()
    )
    shaped = {name: axes[name] for name in sorted(axes)}
    return GroupSpec(
        probe=probe,
        analyzer=group_name(item.keep.site) if item.keep else item.id,
        axes=axes,
        arrays=arrays,
        identity=digest_of([item.identity, shaped]),
        attrs=attrs,
        epochal=epochal,
    )


def _coordinates(id: str, output: str, dim: str, known: Mapping[str, Any]) -> np.ndarray:
    if dim not in known:
        near = nearest(dim, known)
        tail = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
        raise PlanError(f"analyzer {id}: dimension {dim!r} of output {output!r} is unknown; {tail}")
    try:
        return coordinates(known[dim])
    except TypeError as error:
        raise PlanError(f"analyzer {id}: dimension {dim!r}: {error}") from None


def told_of(item: Item) -> dict[str, Any]:
    """What is recorded of an analyzer with its group."""
    analyzer = item.analyzer
    return {
        "analyzer": item.id,
        "version": analyzer.version,
        "title": analyzer.title,
        "description": analyzer.description,
        "options": dict(item.options),
        "plugin": item.plugin,
        "scope": analyzer.scope,
        **item.attributes,
    }


def made_with(device: str, dtype: str) -> dict[str, Any]:
    """With what results are made: recorded with each commit, not hashed: it ought not to matter."""
    return {**versions_of(device, dtype), **settings(device)}


def versions_of(device: str, dtype: str) -> dict[str, Any]:
    """What of :func:`made_with` can be said without torch: recorded with the group."""
    return {"versions": dict(_versions()), "device": device, "dtype": dtype}


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("mi-core", "torch", "transformer-lens", "numpy", "zarr")}


def own_coordinates(item: Item, subject: Any) -> Mapping[str, Any]:
    """Coordinates that the analyzer itself gives, of a :class:`Subject` or a ``FamilySubject``.

    Raises:
        PluginError: its function failed.
    """
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
