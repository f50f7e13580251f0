"""A network that composes by the standard representation, exactly; and the real analyzers run on it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
import torch
from attrs import evolve
from pair_kit import family, grid

from mi.domain.values import check_options
from mi.engine.data import CheckpointData, Subject
from mi.refs import resolve
from mi_modular_arithmetic.composition import ANALYZERS
from mi_modular_arithmetic.composition.family import GroupComposition

BY_ID = {analyzer.id.split(".")[1]: analyzer for analyzer in ANALYZERS}
Real = np.ndarray


def standard(n: int) -> Real:
    """ρ(g) (n!, n-1, n-1), orthogonal: permutation matrices on what is orthogonal to (1, …, 1)."""
    q = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, :-1]]))[0][:, 1:]
    return np.stack([q.T @ np.eye(n)[:, list(image)] @ q for image in permutations(range(n))])


def code_of(n: int) -> GroupComposition:
    """A variant on S_n as wide as :func:`standard_network`, of neurons x²."""
    d = n - 1
    given = {"n": n, "d_embed": d * d, "d_mlp": 2 * d**3, "activation": "square"}
    return GroupComposition(family("symmetric_group_composition").complete(given))


def standard_network(n: int) -> dict[str, torch.Tensor]:
    """Weights, float64, whose logits are χ(a b c⁻¹) of the standard representation.

    χ(a b c⁻¹) = Σ ρ(a)_ik ρ(b)_kj ρ(c)_ij over i, j, k, and 4 x y = (x + y)² - (x - y)²: two neurons a term.
    """
    rho, d = standard(n), n - 1
    left_in, right_in, out = [], [], []
    place = np.arange(d * d).reshape(d, d)
    for i in range(d):
        for j in range(d):
            for k in range(d):
                for sign in (1, -1):
                    left_in.append(np.eye(d * d)[place[i, k]])
                    right_in.append(sign * np.eye(d * d)[place[k, j]])
                    out.append(sign * rho[:, i, j] / 4)
    arrays = {
        "W_E_left": rho.reshape(len(rho), -1),
        "W_E_right": rho.reshape(len(rho), -1),
        "W_in": np.concatenate([np.array(left_in).T, np.array(right_in).T]),
        "W_U": np.array(out),
    }
    return {name: torch.as_tensor(array) for name, array in arrays.items()}


def activations(code: GroupComposition, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every site of the hooked model over the complete grid, at its one position."""
    model = code.build_model("cpu").to(next(iter(weights.values())).dtype)
    code.load_weights(model, weights)
    with torch.inference_mode():
        _, cache = model.run_with_cache(torch.as_tensor(grid(code).tokens))
    return {f"{name}@-1": tensor[:, -1] for name, tensor in cache.items() if tensor.shape[1] == 1}


def analyze(
    name: str,
    code: GroupComposition,
    weights: Mapping[str, torch.Tensor],
    sites: Mapping[str, torch.Tensor],
    *,
    reference: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, Real]:
    """Outputs of an analyzer, each of the shape that it declares; it sees what it declares.

    The reference is that of the analyzer's one need, if it has one.
    """
    analyzer = BY_ID[name]
    values = check_options(analyzer.id, analyzer.options, {})
    declared = {quantity.id: quantity for quantity in analyzer.all_derived()}
    subject = Subject(
        parameters=code.parameters,
        dimensions=code.dimensions(),
        context=code.context(),
        probe=grid(code),
        epochs=(),
    )
    data = CheckpointData(
        subject=evolve(subject, context={key: subject.context[key] for key in analyzer.context}),
        epoch=0,
        device="cpu",
        activations={site.key: sites[site.key] for site in analyzer.all_sites(values)},
        weights=weights if analyzer.weights else {},
        reference={need.analyzer: reference or {} for need in analyzer.artifacts},
        derive=lambda id: resolve(declared[id].function)(data),
    )
    with torch.no_grad():
        found = {key: np.asarray(v) for key, v in resolve(analyzer.function)(data, **values).items()}
    own = resolve(analyzer.coordinates)(subject) if analyzer.coordinates else {}
    known: dict[str, Any] = {**subject.dimensions, **subject.probe.axes, **own}
    assert found.keys() == analyzer.outputs.keys()
    for key, output in analyzer.outputs.items():
        assert found[key].shape == tuple(len(known[dim]) for dim in output.dims), key
    return found
