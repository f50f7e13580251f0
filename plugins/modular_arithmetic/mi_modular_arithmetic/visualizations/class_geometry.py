"""Figures of the classes: centroids at the cursor, separation and circles over training, distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mi.errors import unknown
from mi_fourier_library import energy_share
from mi_modular_arithmetic.visualizations.parts import epochs_of

if TYPE_CHECKING:
    import xarray as xr

    from mi.views.context import FigureContext
    from mi.views.data import ViewData

Options = Mapping[str, Any]
GEOMETRY = "modular_arithmetic.class_geometry"
POSITIONS = "modular_arithmetic.class_positions"
MEASURES = {
    "snr": "signal to noise",
    "fisher_mean": "Fisher's criterion, mean of pairs",
    "fisher_least": "Fisher's criterion, worst pair",
    "centroid_dimension": "dimensions of the centroids",
    "cloud_dimension": "dimensions of a class",
    "circularity": "circularity of distances",
    "spread": "spread of the centroids",
}


def scatter_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``centroids``: columns ``x``, ``y``, ``residue`` and ``angle``, 2π k c / n of class c: (n,) each."""
    artifacts = data.at(POSITIONS, epoch)
    place = artifacts[options["basis"]].values[_site(artifacts, options)]  # (n, components)
    residue = artifacts["residue"].values
    turns = residue * options["frequency"] / len(residue)
    angle = 2 * np.pi * (turns - np.round(turns))
    x, y = place[:, options["x"] - 1], place[:, options["y"] - 1]
    return {"centroids": {"x": x, "y": y, "residue": residue, "angle": angle}}


def scatter_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One point a class; both axes have one scale, the same at every epoch."""
    from mi.views.recipes import points

    half = max(abs(end) for axis in ("x", "y") for end in context.extent("centroids", axis))
    return points(
        sources,
        context,
        "centroids",
        x_label=f"component {options['x']}",
        y_label=f"component {options['y']}",
        x_range=(-half, half),
        y_range=(-half, half),
        color=context.color("centroids", "angle"),
        size=8,
        square=True,
        tooltips=[("class", "@residue")],
    )


def separation_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``lines``: the chosen measure by site and epoch."""
    artifacts = data.artifacts[GEOMETRY]
    values = artifacts["measures"].sel(measure=options["measure"]).values  # (epochs, sites)
    columns = {str(site): values[:, i] for i, site in enumerate(artifacts["site"].values)}
    return {"lines": {"epoch": artifacts["epoch"].values, **columns}}


def separation_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line a site."""
    from mi.views.recipes import epoch_lines

    sites = [str(site) for site in context.data.artifacts[GEOMETRY]["site"].values]
    shown = {site: site for site in sites}
    return epoch_lines(sources, context, "lines", shown, y=MEASURES[options["measure"]])


def distance_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``distance``: columns ``d`` and ``y``, root mean square distance by class difference, (n,) each."""
    artifacts = data.at(GEOMETRY, epoch)
    square = artifacts["distance"].values[_site(artifacts, options)]
    return {"distance": {"d": artifacts["residue"].values, "y": np.sqrt(square)}}


def distance_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One line; waves are circles."""
    from mi.views.recipes import lines

    return lines(
        sources,
        context,
        "distance",
        {"y": "distance"},
        x="d",
        x_label="difference of the classes",
        y="distance of centroids",
    )


def transform_frame(data: ViewData, epoch: int, options: Options) -> dict[str, Any]:
    """``transform``: columns ``k`` and ``y``, the share of each frequency in the distances, (n//2,) each."""
    artifacts = data.at(GEOMETRY, epoch)
    distance = np.sqrt(artifacts["distance"].values[_site(artifacts, options)].astype(np.float64))
    return {"transform": {"k": artifacts["freq"].values, "y": energy_share(distance)}}


def transform_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """One bar a frequency, in its own colour."""
    from mi.views.recipes import bars
    from mi_fourier_library.views import frequency_color

    return bars(
        sources,
        context,
        "transform",
        x="k",
        x_label="frequency k",
        y="share of the distances' energy",
        color=frequency_color(context, "k", sources["transform"].data["k"]),
    )


def power_static(data: ViewData, options: Options) -> dict[str, Any]:
    """``power``: share of each circle in the centroids over all epochs, (n//2, epochs)."""
    artifacts = data.artifacts[GEOMETRY]
    power = artifacts["circle_power"].isel(site=_site(artifacts, options))
    return {"power": power.transpose("freq", "epoch").values}


def power_figure(sources: Any, context: FigureContext, options: Options) -> Any:
    """Frequency by epoch."""
    from mi.views.recipes import epoch_heatmap

    return epoch_heatmap(
        sources,
        context,
        "power",
        y="frequency k",
        epochs=epochs_of(context.data, GEOMETRY),
        title="share of the centroids' variance",
    )


def _site(artifacts: xr.Dataset, options: Options) -> int:
    """Place of the chosen site.

    Raises:
        UnknownNameError: the network has no such site.
    """
    names = [str(name) for name in artifacts["site"].values]
    if options["site"] not in names:
        raise unknown("site", options["site"], names)
    return names.index(options["site"])
