"""What analyzers of scope ``family`` receive: plain data of all variants that take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr


@frozen(eq=False)
class FamilySubject:
    """What is known of a family before anything is read.

    Attributes:
        family: its name.
        probe: name of the probe that artifacts are over.
        parameters: name of each variant that takes part -> its domain parameters, sorted by name.
    """

    family: str
    probe: str
    parameters: Mapping[str, Mapping[str, Any]]

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants that take part, sorted: the coordinates of a dimension ``variant``."""
        return tuple(self.parameters)


@define(eq=False)
class FamilyData:
    """Everything an analyzer of scope ``family`` declared that it needs, of each variant that takes part.

    A variant takes part when it holds everything that is needed; the others are named in the artifact's
    attributes and by `mi analyze`, and nothing here tells of them.

    Attributes:
        subject: names and parameters of the variants.
        artifacts: analyzer id -> variant -> Dataset over the epochs at which all that is needed over ``all``
            is committed, sorted, lazy.
        reference: analyzer id -> variant -> {output: numpy array} of the variant's last checkpoint.
        losses: variant -> Dataset with one variable a metric over every epoch of training; empty unless
            declared.
    """

    subject: FamilySubject
    artifacts: Mapping[str, Mapping[str, xr.Dataset]]
    reference: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]] = field(factory=dict)
    losses: Mapping[str, xr.Dataset] = field(factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants that take part, sorted."""
        return self.subject.variants

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Variant -> its domain parameters."""
        return self.subject.parameters
