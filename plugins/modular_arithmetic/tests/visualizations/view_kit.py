"""A short training made by hand, analyzed by the real analyzers, and its frames and figures."""

from functools import cache
from typing import Any

import numpy as np
import torch
import xarray as xr
from analysis_kit import BY_ID, analyze, subject, trajectory
from attrs import define
from handmade_networks import NETWORKS, activations, relu, weights

from mi.domain.values import check_options
from mi.domain.visualization import Visualization
from mi.engine.data import Subject
from mi.refs import resolve
from mi.views.context import FigureContext, epoch_range
from mi.views.data import ViewData
from mi.views.frames import FrameSet, make_frames
from mi.views.palettes import ColorBook
from mi.views.sources import current_sources
from mi_fourier_library.plugin import HISTORY, SPECTRUM
from mi_modular_arithmetic.visualizations import VISUALIZATIONS

P = 7
EPOCHS = (0, 100, 250, 1000)
BY_NAME: dict[str, Visualization] = {v.id: v for v in (*VISUALIZATIONS, SPECTRUM, HISTORY)}


def stages() -> list[dict[str, torch.Tensor]]:
    """Weights that go from noise to a handmade circuit, one set an epoch."""
    generator = torch.Generator().manual_seed(0)
    goal = weights(P, NETWORKS[P])
    noise = {n: torch.randn(w.shape, generator=generator, dtype=w.dtype) for n, w in goal.items()}
    return [{n: (1 - t) * noise[n] + t * goal[n] for n in goal} for t in (0.0, 0.5, 0.8, 0.95)]


def dataset(
    name: str, data: Subject, found: list[dict[str, np.ndarray]] | dict[str, np.ndarray]
) -> xr.Dataset:
    """Outputs as the store gives them back: named dimensions, coordinates, ``epoch`` in front."""
    analyzer = BY_ID[name]
    options = check_options(name, analyzer.options, {})
    own = resolve(analyzer.coordinates)(data, **options) if analyzer.coordinates else {}
    known = {**data.dimensions, **data.probe.axes, "epoch": EPOCHS, **own}
    variables = {}
    for output, declared in analyzer.outputs.items():
        if isinstance(found, dict):
            variables[output] = (declared.dims, found[output])
        else:
            variables[output] = (("epoch", *declared.dims), np.stack([f[output] for f in found]))
    dims = {"epoch"} | {d for declared in analyzer.outputs.values() for d in declared.dims}
    used = {d for dims, _ in variables.values() for d in dims} & dims
    coordinates = {d: np.asarray(list(known[d])) for d in used}
    return xr.Dataset(variables, coords=coordinates, attrs={"per_checkpoint": analyzer.scope == "checkpoint"})


@cache
def artifacts() -> dict[str, xr.Dataset]:
    """Every analyzer's artifacts over the short training."""
    every = stages()
    sites = [activations(W, relu) for W in every]
    data = subject(P, every[0], EPOCHS)
    last = analyze("logit_spectrum", every[-1], sites[-1])
    neurons = analyze("neuron_frequencies", every[-1], sites[-1])
    reference = {
        "modular_arithmetic.logit_spectrum": {"fve": torch.as_tensor(last["fve"])},
        "modular_arithmetic.neuron_frequencies": {k: torch.as_tensor(v) for k, v in neurons.items()},
    }
    geometry = analyze("class_geometry", every[-1], sites[-1])
    reference["modular_arithmetic.class_geometry"] = {k: torch.as_tensor(v) for k, v in geometry.items()}
    beside: list[dict[str, Any]] = [{} for _ in every]
    found: dict[str, xr.Dataset] = {}
    for name, analyzer in BY_ID.items():
        if analyzer.scope == "checkpoint":
            outputs = []
            for W, s, own in zip(every, sites, beside, strict=True):
                outputs.append(analyze(name, W, s, reference=reference, artifacts=own))
                own[analyzer.id] = {k: torch.as_tensor(v) for k, v in outputs[-1].items()}
            found[analyzer.id] = dataset(name, data, outputs)
    for name, analyzer in BY_ID.items():
        if analyzer.scope == "trajectory":
            found[analyzer.id] = dataset(name, data, trajectory(name, data, found, every))
    return found


def view_data(visualization: Visualization) -> ViewData:
    """What the visualization declares that it reads, and nothing else."""
    data = subject(P, stages()[0], EPOCHS)
    every = np.arange(EPOCHS[-1] + 1)
    losses = xr.Dataset(
        {name: ("epoch", np.exp(-every / 200)) for name in ("train_loss", "test_loss")},
        coords={"epoch": every},
    )
    return ViewData(
        variant="family/variant",
        parameters=data.parameters,
        dimensions=data.dimensions,
        epochs=np.array(EPOCHS),
        artifacts={id: artifacts()[id] for id in visualization.reads},
        losses=losses if visualization.losses else None,
        per_checkpoint=frozenset(
            id for id in visualization.reads if BY_ID[id.split(".")[1]].scope == "checkpoint"
        ),
        probe_name="full",
        build_probe=lambda: data.probe,
        token="",
    )


@define
class Drawn:
    """A visualization's frames and its figure."""

    frames: FrameSet
    figure: Any
    sources: dict[str, Any]
    context: FigureContext


def draw(id: str, epoch: int = EPOCHS[-1], **options: Any) -> Drawn:
    """Frames and figure of a visualization of the short training."""
    visualization = BY_NAME[id]
    chosen = check_options(id, visualization.options, options)
    data = view_data(visualization)
    frames = make_frames(data, visualization, chosen)
    sources = current_sources(frames, epoch, "panel-0")
    context = FigureContext(
        visualization=visualization,
        data=data,
        scales=frames.scales,
        extents=frames.extents,
        epoch=epoch,
        x_epochs=epoch_range(data.epochs),
        colors=ColorBook(),
    )
    return Drawn(frames, resolve(visualization.figure)(sources, context, chosen), sources, context)
