"""Runs the real analyzers on data made by hand, with what they declare and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from attrs import evolve, frozen
from handmade_networks import activations as literal_pass
from handmade_networks import relu

from mi.domain.analyzer import Analyzer
from mi.domain.probe import Probe
from mi.domain.values import check_options
from mi.engine.data import CheckpointData, Subject, TrajectoryData
from mi.engine.gradients import Gradients
from mi.refs import resolve
from mi_fourier_library.plugin import WEIGHT_SPECTRUM
from mi_modular_arithmetic.analyzers import ANALYZERS
from mi_modular_arithmetic.losses import cross_entropy
from mi_modular_arithmetic.one_layer import pair_logits
from mi_modular_arithmetic.tasks import Group

BY_ID: dict[str, Analyzer] = {a.id.split(".")[1]: a for a in (*ANALYZERS, WEIGHT_SPECTRUM)}


def grid_probe(p: int, fraction: float = 0.5, seed: int = 0, group: Group | None = None) -> Probe:
    """The complete grid of modular addition, or of another task; a random share of it for training."""
    group = group or Group("add", p)
    n = group.size
    a, b = (x.ravel() for x in np.meshgrid(group.numbers, group.numbers, indexing="ij"))
    train = np.random.RandomState(seed).rand(n * n) < fraction
    return Probe(
        tokens=np.stack([group.tokens(a), group.tokens(b), np.full(n * n, n)], axis=1),
        axes={"a": group.numbers, "b": group.numbers},
        columns={"a": a, "b": b},
        complete=True,
        labels=group.classes(a, b),
        masks={"train": train, "test": ~train},
    )


def group_context(group: Group, probe: Probe) -> dict[str, Any]:
    """What the families say of a task in group order."""
    return {
        "p": group.p,
        "period": group.size,
        "elements": group.elements,
        "classes": group.elements,
        "residues": group.residues(),
        "train": probe.fold(probe.masks["train"]),
        "structure": group.task.structure,
    }


def subject(
    p: int, weights: Mapping[str, torch.Tensor], epochs: tuple[int, ...] = (0,), group: Group | None = None
) -> Subject:
    """What is known of a variant whose weights are given; it adds modulo p, or has another task."""
    group = group or Group("add", p)
    n, probe = group.size, grid_probe(p, group=group)
    return Subject(
        parameters={"prime": p},
        dimensions={
            "freq": range(1, n // 2 + 1),
            "residue": range(n),
            "element": group.elements.tolist(),
            "position": range(3),
            "head": range(len(weights["W_Q"])),
            "neuron": range(weights["W_in"].shape[1]),
            "feature": range(len(weights["W_in"])),
        },
        context=group_context(group, probe),
        probe=probe,
        epochs=epochs,
        hooks={hook: (3, width) for hook, width in _hooks(weights).items()},
        weights={name: tuple(tensor.shape) for name, tensor in weights.items()},
    )


def _hooks(weights: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """Hooks of the one layer that are not of its heads -> width."""
    d, neurons = weights["W_in"].shape
    stations = {f"blocks.0.hook_{name}": d for name in ("resid_pre", "attn_out", "resid_post")}
    return {**stations, "blocks.0.mlp.hook_pre": neurons, "blocks.0.mlp.hook_post": neurons}


@frozen
class LiteralModel:
    """The model that an analyzer is given for passes of its own: the literal pass over the whole grid."""

    activation: Callable[[np.ndarray], np.ndarray]

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, 1, n); rows must run over the grid."""
        n = weights["W_U"].shape[1]
        sites = literal_pass(weights, self.activation, tokens[::n, 0].numpy())
        return sites["unembed.hook_out@-1"][:, None].to(weights["W_U"].dtype)


def analyze(
    name: str,
    weights: Mapping[str, torch.Tensor],
    activations: Mapping[str, torch.Tensor],
    *,
    reference: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    artifacts: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    group: Group | None = None,
    activation: Callable[[np.ndarray], np.ndarray] = relu,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Outputs of a checkpoint analyzer as numpy arrays, each of the shape that is declared.

    The weights add modulo the number of their tokens but '=', or do the group's task; it reads of the context
    what it declares.
    """
    analyzer = BY_ID[name]
    declared = {quantity.id: quantity for quantity in analyzer.all_derived()}
    values = check_options(analyzer.id, analyzer.options, options)
    known: dict[str, Any] = {}

    def derive(id: str) -> Any:
        if id not in known:
            known[id] = resolve(declared[id].function)(data)
        return known[id]

    whole = subject(len(weights["W_E"]) - 1 if group is None else group.p, weights, group=group)
    asked = {*analyzer.context, *(key for d in analyzer.all_derived() for key in d.context)}
    every = [key.partition("@")[0] for key in activations]
    expanded = {
        site.key: (site.expand(every) if site.glob else (site,)) for site in analyzer.all_sites(values)
    }
    data = CheckpointData(
        subject=evolve(whole, context={key: whole.context[key] for key in asked}),
        epoch=0,
        device="cpu",
        activations={one.key: activations[one.key] for sites in expanded.values() for one in sites},
        globs={key: tuple(one.hook for one in sites) for key, sites in expanded.items() if "*" in key},
        weights=weights if analyzer.weights else {},
        reference={
            need.analyzer: (reference or {})[need.analyzer]
            for need in analyzer.artifacts
            if need.at == "reference"
        },
        artifacts={
            need.analyzer: (artifacts or {})[need.analyzer]
            for need in analyzer.artifacts
            if need.at == "checkpoint"
        },
        derive=derive,
        model=LiteralModel(activation) if analyzer.model else None,  # type: ignore[arg-type]
    )
    if analyzer.gradients:
        data.differentiate = partial(train_gradients, data)
    with torch.no_grad():
        found = resolve(analyzer.function)(data, **values)
    found = {key: np.asarray(value) for key, value in found.items()}
    check_shapes(analyzer, whole, found, values)
    return found


def train_gradients(data: CheckpointData, rows: str) -> Gradients:
    """What the engine gives: gradients of the mean cross-entropy over the rows of a mask, by weights."""
    some = torch.as_tensor(data.probe.masks[rows])
    a, b = (data.tokens[some, i] for i in range(2))
    with torch.enable_grad():
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in data.weights.items()}
        loss = cross_entropy(pair_logits(leaves, a, b), data.labels[some])
        found = torch.autograd.grad(loss, list(leaves.values()))
    return Gradients(loss.detach(), dict(zip(leaves, found, strict=True)), {})


def trajectory(
    name: str,
    data: Subject,
    artifacts: Mapping[str, xr.Dataset],
    checkpoints: Sequence[Mapping[str, torch.Tensor]] = (),
    **options: Any,
) -> dict[str, Any]:
    """Outputs of a trajectory analyzer, of the shapes declared; the last epoch is the reference."""
    analyzer = BY_ID[name]
    values = check_options(analyzer.id, analyzer.options, options)
    needs = {at: [n.analyzer for n in analyzer.artifacts if n.at == at] for at in ("all", "reference")}
    given = TrajectoryData(
        subject=data,
        artifacts={id: artifacts[id] for id in needs["all"]},
        reference={
            id: {name: array.values for name, array in artifacts[id].isel(epoch=-1).data_vars.items()}
            for id in needs["reference"]
        },
        checkpoints=(lambda: iter(zip(data.epochs, checkpoints, strict=True))) if analyzer.weights else None,
    )
    found = resolve(analyzer.function)(given, **values)
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
