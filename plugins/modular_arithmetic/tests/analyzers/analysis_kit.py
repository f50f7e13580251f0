"""Runs the real analyzers on data made by hand, with what they declare and nothing else."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from mi.domain.analyzer import Analyzer
from mi.domain.probe import Probe
from mi.domain.values import check_options
from mi.engine.data import CheckpointData, Subject, TrajectoryData
from mi.refs import resolve
from mi_fourier_library.plugin import WEIGHT_SPECTRUM
from mi_modular_arithmetic.analyzers import ANALYZERS

BY_ID: dict[str, Analyzer] = {a.id.split(".")[1]: a for a in (*ANALYZERS, WEIGHT_SPECTRUM)}


def grid_probe(p: int, fraction: float = 0.5, seed: int = 0) -> Probe:
    """The complete grid of modular addition, a random share of it for training."""
    a, b = (x.ravel() for x in np.mgrid[:p, :p])
    train = np.random.RandomState(seed).rand(p * p) < fraction
    return Probe(
        tokens=np.stack([a, b, np.full(p * p, p)], axis=1),
        axes={"a": np.arange(p), "b": np.arange(p)},
        columns={"a": a, "b": b},
        complete=True,
        labels=(a + b) % p,
        masks={"train": train, "test": ~train},
    )


def subject(p: int, weights: Mapping[str, torch.Tensor], epochs: tuple[int, ...] = (0,)) -> Subject:
    """What is known of a variant whose weights are given."""
    return Subject(
        parameters={"prime": p},
        dimensions={
            "freq": range(1, p // 2 + 1),
            "residue": range(p),
            "position": range(3),
            "head": range(len(weights["W_Q"])),
            "neuron": range(weights["W_in"].shape[1]),
            "feature": range(len(weights["W_in"])),
        },
        context={},
        probe=grid_probe(p),
        epochs=epochs,
    )


def analyze(
    name: str,
    weights: Mapping[str, torch.Tensor],
    activations: Mapping[str, torch.Tensor],
    *,
    reference: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Outputs of a checkpoint analyzer as numpy arrays, each of the shape that is declared."""
    analyzer = BY_ID[name]
    declared = {quantity.id: quantity for quantity in analyzer.all_derived()}
    values = check_options(analyzer.id, analyzer.options, options)
    known: dict[str, Any] = {}

    def derive(id: str) -> Any:
        if id not in known:
            known[id] = resolve(declared[id].function)(data)
        return known[id]

    data = CheckpointData(
        subject=subject(len(weights["W_E"]) - 1, weights),
        epoch=0,
        device="cpu",
        activations={site.key: activations[site.key] for site in analyzer.all_sites(values)},
        weights=weights if analyzer.weights else {},
        reference={need.analyzer: (reference or {})[need.analyzer] for need in analyzer.artifacts},
        derive=derive,
    )
    with torch.no_grad():
        found = resolve(analyzer.function)(data, **values)
    found = {key: np.asarray(value) for key, value in found.items()}
    check_shapes(analyzer, data.subject, found, values)
    return found


def trajectory(
    name: str, data: Subject, artifacts: Mapping[str, xr.Dataset], **options: Any
) -> dict[str, Any]:
    """Outputs of a trajectory analyzer, each of the shape that is declared."""
    analyzer = BY_ID[name]
    values = check_options(analyzer.id, analyzer.options, options)
    given = {need.analyzer: artifacts[need.analyzer] for need in analyzer.artifacts}
    found = resolve(analyzer.function)(TrajectoryData(subject=data, artifacts=given), **values)
    check_shapes(analyzer, data, found, values)
    return found


def check_shapes(
    analyzer: Analyzer, data: Subject, found: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    own = resolve(analyzer.coordinates)(data, **values) if analyzer.coordinates else {}
    known = {**data.dimensions, **data.probe.axes, "epoch": data.epochs, **own}
    assert found.keys() == analyzer.outputs.keys()
    for key, output in analyzer.outputs.items():
        expected = tuple(len(known[dim]) for dim in output.dims)
        assert found[key].shape == expected, (
            f"{analyzer.id}: {key} is {found[key].shape}, declared {expected}"
        )
