"""How the classes of answers lie to one another at the sites of '=': their clouds, and circles among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mi.domain.site import Site
from mi_fourier_library import energy_share
from mi_geometry_library import (
    Clouds,
    aligned,
    by_difference,
    centroid_dimension,
    circularity,
    class_clouds,
    fisher,
    principal_components,
    signal_to_noise,
    squared_distances,
)
from mi_modular_arithmetic.analyzers.shared import needs_classes, row_classes

if TYPE_CHECKING:
    import torch

    from mi.engine.data import CheckpointData, Subject

ID = "modular_arithmetic.class_geometry"
CLOUDS = "modular_arithmetic.class_clouds"
COMPONENTS = 6  # three circles
MEASURES = (
    "spread",
    "snr",
    "fisher_mean",
    "fisher_least",
    "centroid_dimension",
    "cloud_dimension",
    "circularity",
)


def clouds(data: CheckpointData, patterns: Sequence[str]) -> list[Clouds]:
    """The clouds of the classes at every site, in the order of the coordinate ``site``."""
    classes, n = row_classes(data), len(data.context["classes"])
    return [class_clouds(x, classes, n) for pattern in patterns for x in data.sites(pattern, -1).values()]


def transformer_clouds(data: CheckpointData) -> list[Clouds]:
    """At the stations of the residual stream and at the neurons."""
    return clouds(data, TRANSFORMER)


def neuron_clouds(data: CheckpointData) -> list[Clouds]:
    """At the neurons alone, which is all that an MLP has."""
    return clouds(data, NEURONS)


TRANSFORMER = (
    "blocks.*.hook_resid_pre",
    "blocks.*.hook_attn_out",
    "blocks.*.mlp.hook_post",
    "blocks.*.hook_resid_post",
)
NEURONS = ("blocks.*.mlp.hook_post",)


def coordinates(subject: Subject) -> dict[str, Sequence[Any]]:
    """``site``: the sites that the model has, ``mlp_post.0`` those of its first layer; ``component`` from 1.

    ``channel``: features of the widest site.

    Raises:
        NotApplicableError: answers have no order in which their classes are cyclic.
    """
    needs_classes(subject)
    patterns = TRANSFORMER if any(Site(p).expand(subject.hooks) for p in TRANSFORMER[:1]) else NEURONS
    hooks = [site.hook for pattern in patterns for site in Site(pattern).expand(subject.hooks)]
    return {
        "site": [_label(hook) for hook in hooks],
        "measure": MEASURES,
        "component": range(1, COMPONENTS + 1),
        "channel": range(max(subject.hooks[hook][-1] for hook in hooks)),
    }


def class_geometry(data: CheckpointData) -> dict[str, torch.Tensor]:
    """See the declaration; axes are those of each site's own principal components, padded with 0."""
    import torch

    sites: list[Clouds] = data.derived(CLOUDS)
    widest = max(one.offset.shape[1] for one in sites)
    found = [_measures(one, widest) for one in sites]
    stacked = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    measures = torch.stack([stacked.pop(name) for name in MEASURES], dim=-1)  # (sites, measures)
    return {"measures": measures, **stacked}


def class_positions(data: CheckpointData) -> dict[str, torch.Tensor]:
    """Centroids in bases that do not jump.

    ``projected``: on the axes of the reference checkpoint. ``aligned``: on this checkpoint's own principal
    components, given the order, signs and (where they are tied) directions nearest to the reference's: see
    :func:`mi_geometry_library.alignment`.
    """
    import torch

    sites: list[Clouds] = data.derived(CLOUDS)
    own: Mapping[str, torch.Tensor] = data.artifacts[ID]
    reference = data.reference[ID]
    projected = [
        one.offset @ axis[:, : one.offset.shape[1]].to(one.offset.dtype).T
        for one, axis in zip(sites, reference["axis"], strict=True)
    ]
    turned = [aligned(score, goal) for score, goal in zip(own["score"], reference["score"], strict=True)]
    return {"projected": torch.stack(projected), "aligned": torch.stack(turned)}


def _measures(one: Clouds, widest: int) -> dict[str, torch.Tensor]:
    import torch

    square = squared_distances(one.offset)
    apart = fisher(one)
    components = principal_components(one.offset, COMPONENTS)
    padding = (0, widest - one.offset.shape[1])
    return {
        "spread": one.offset.square().sum(dim=1).mean().sqrt(),
        "radius": one.radius,
        "cloud_dimension": one.dimension.nanmean(),
        "snr": signal_to_noise(one),
        "fisher_mean": apart.mean,
        "fisher_least": apart.least,
        "centroid_dimension": centroid_dimension(one),
        "distance": by_difference(square),
        "circularity": circularity(square),
        "circle_power": energy_share(one.offset, axis=0),
        "variance": torch.where(
            components.total > 0, components.variance / components.total, components.variance * torch.nan
        ),
        "score": components.score,
        "axis": torch.nn.functional.pad(components.axis, padding),
    }


def _label(hook: str) -> str:
    """``blocks.0.mlp.hook_post`` -> ``mlp_post.0``."""
    _, layer, *rest = hook.split(".")
    return "_".join(rest).replace("hook_", "") + f".{layer}"
