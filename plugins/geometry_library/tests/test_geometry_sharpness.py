"""The loss around weights: a quadratic whose curvature is known, and a real family against plain numpy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from attrs import frozen

pytest.importorskip("mi")
pytest.importorskip("torch")

import torch

from mi.domain.probe import Probe, probe_from_rows
from mi.engine.data import CheckpointData, Subject
from mi.engine.gradients import Gradients
from mi.testing.tiny.code import TinyMlp
from mi_geometry_library import filter_normalized, random_direction
from mi_geometry_library import sharpness as module
from mi_geometry_library.sharpness import coordinates, sharpness, top_curvature

OPTIONS: dict[str, Any] = {"directions": 4, "radius": 0.2, "steps": 2, "seed": 3}
CURVATURE: dict[str, Any] = {"rows": "train", "iterations": 2000, "tolerance": 1e-7, "seed": 0}


@frozen
class Losses:
    """What an analyzer is given for passes of its own: a loss of each row."""

    row_losses: Callable[..., Any]


def checkpoint(weights: Mapping[str, Any], probe: Probe, row_losses: Callable[..., Any]) -> CheckpointData:
    def differentiate(rows: str) -> Gradients:
        with torch.enable_grad():
            leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
            some = torch.as_tensor(probe.masks[rows])
            labels = None if probe.labels is None else torch.as_tensor(probe.labels)
            loss = row_losses(leaves, torch.as_tensor(probe.tokens), labels)[some].mean()
            found = torch.autograd.grad(loss, list(leaves.values()))
        return Gradients(loss.detach(), dict(zip(leaves, found, strict=True)), {})

    subject = Subject(parameters={}, dimensions={}, context={}, probe=probe, epochs=())
    return CheckpointData(
        subject=subject,
        epoch=0,
        device="cpu",
        activations={},
        weights=weights,
        differentiate=differentiate,
        model=Losses(row_losses),  # type: ignore[arg-type]
    )


def small_probe(rows: int = 6) -> Probe:
    train = np.arange(rows) < rows // 2
    return Probe(tokens=np.arange(rows)[:, None], masks={"train": train, "test": ~train})


def test_a_quadratic_has_the_curvature_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    # Row t: (t + 1) (½ Σ λ_i (u_i·θ)² + c·θ); the mean factor over the train rows 0, 1, 2 is 2.
    basis = np.linalg.qr(np.random.RandomState(0).randn(8, 8))[0]
    H = torch.as_tensor(basis @ np.diag([5.0, 3, 1, 0.5, 0, -1, -2, -4]) @ basis.T)
    c = torch.as_tensor(np.random.RandomState(1).randn(8))

    def row_losses(weights: Mapping[str, Any], tokens: Any, labels: Any) -> Any:
        theta = torch.cat([weights["a"].flatten(), weights["b"]])
        return (tokens[:, 0] + 1) * (theta @ H @ theta / 2 + c @ theta)

    weights = {"a": torch.arange(6.0, dtype=torch.float64).reshape(3, 2) + 1, "b": torch.ones(2).double()}
    for batch in (2**14, 2):  # rows whose graph is held at once: one, and two
        monkeypatch.setattr(module, "BATCH", batch)
        with torch.no_grad():
            found = top_curvature(checkpoint(weights, small_probe(), row_losses), **CURVATURE)
        assert found["eigenvalue"] == pytest.approx(2 * 5.0, rel=1e-9)
        assert found["residual"] <= 1e-7
        theta = np.concatenate([weights["a"].numpy().ravel(), weights["b"].numpy()])
        gradient = 2 * (H.numpy() @ theta + c.numpy())
        cosine = abs(gradient @ basis[:, 0]) / np.linalg.norm(gradient)
        assert float(found["gradient_cosine"]) == pytest.approx(cosine, rel=1e-5)
    early = top_curvature(checkpoint(weights, small_probe(), row_losses), **CURVATURE | {"iterations": 1})
    assert early["residual"] > 0.01 and early["products"] <= 2


def tiny() -> tuple[TinyMlp, Probe, dict[str, Any]]:
    code = TinyMlp({"size": 4, "hidden": 5, "seed": 0})
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(4), indexing="ij"))
    probe = probe_from_rows(code, {"x": x, "y": y}, complete=True)
    shapes = {"embed": (4, 4), "inner": (4, 5), "outer": (5, 4)}
    random = np.random.RandomState(2)
    return code, probe, {name: torch.as_tensor(random.randn(*shape)) for name, shape in shapes.items()}


def tiny_data(code: TinyMlp, probe: Probe, weights: Mapping[str, Any]) -> CheckpointData:
    def row_losses(given: Mapping[str, Any], tokens: Any, labels: Any) -> Any:
        return code.row_losses(code.forward(given, tokens), tokens, labels)

    return checkpoint(weights, probe, row_losses)


def plain_loss(weights: Mapping[str, np.ndarray], probe: Probe, mask: str) -> float:
    """The tiny family's mean cross-entropy over a mask, written out."""
    some = probe.masks[mask]
    tokens, labels = probe.tokens[some], np.asarray(probe.labels)[some]
    hidden = np.maximum(weights["embed"][tokens].sum(axis=1) @ weights["inner"], 0)
    logits = hidden @ weights["outer"]
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((total - logits[np.arange(len(labels)), labels]).mean())


def test_losses_along_directions_agree_with_plain_numpy() -> None:
    code, probe, weights = tiny()
    data = tiny_data(code, probe, weights)
    with torch.no_grad():
        found = sharpness(data, **OPTIONS)
    own = coordinates(data.subject, **OPTIONS)
    assert own["subset"] == ["train", "test"] and own["radius"] == pytest.approx([0.1, 0.2])
    assert found["loss"].shape == (2, 2, 4) and found["loss"].dtype == torch.float64
    plain = {name: tensor.numpy() for name, tensor in weights.items()}
    shapes = {name: array.shape for name, array in plain.items()}
    for s, subset in enumerate(own["subset"]):
        np.testing.assert_allclose(found["base"][s], plain_loss(plain, probe, subset), rtol=1e-9)
        for i, r in enumerate(own["radius"]):
            for d in own["direction"]:
                step = random_direction(shapes, OPTIONS["seed"], d)
                moved = {
                    n: w + r * filter_normalized(step[n].astype(np.float64), w) for n, w in plain.items()
                }
                np.testing.assert_allclose(
                    found["loss"][s, i, d], plain_loss(moved, probe, subset), rtol=1e-6
                )


def test_the_eigenvalue_agrees_with_finite_differences() -> None:
    code, probe, weights = tiny()
    shapes = {name: tuple(weights[name].shape) for name in sorted(weights)}
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())])
    theta = np.concatenate([weights[name].numpy().ravel() for name in shapes])

    def loss(flat: np.ndarray) -> float:
        parts = zip(shapes.items(), ends, ends[1:], strict=False)
        return plain_loss({n: flat[lo:hi].reshape(s) for (n, s), lo, hi in parts}, probe, "train")

    h, size = 1e-4, len(theta)
    H = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            ways = [(a, b, a * b) for a in (1, -1) for b in (1, -1)]
            total = sum(
                sign * loss(theta + a * h * np.eye(size)[i] + b * h * np.eye(size)[j]) for a, b, sign in ways
            )
            H[i, j] = H[j, i] = total / (4 * h * h)
    with torch.no_grad():
        found = top_curvature(tiny_data(code, probe, weights), **CURVATURE)
    assert found["eigenvalue"] == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-5)
    assert float(found["loss"]) == pytest.approx(loss(theta), rel=1e-9)


def test_directions_are_the_same_at_every_epoch() -> None:
    # At twice the weights a direction is twice as long and no other: the losses are those of r times 2θ.
    code, probe, weights = tiny()
    seen: list[dict[str, Any]] = []

    def watch(given: Mapping[str, Any], tokens: Any, labels: Any) -> Any:
        seen.append({name: tensor.clone() for name, tensor in given.items()})
        return code.row_losses(code.forward(given, tokens), tokens, labels)

    doubled = {name: 2 * tensor for name, tensor in weights.items()}
    for at in (weights, doubled):
        with torch.no_grad():
            sharpness(checkpoint(at, probe, watch), **OPTIONS)
    half = len(seen) // 2
    assert half == 4 * 2 + 1
    for first, later in zip(seen[: half - 1], seen[half:-1], strict=True):
        for name in weights:
            step, other = first[name] - weights[name], later[name] - doubled[name]
            torch.testing.assert_close(2 * step, other)
            assert step.abs().max() > 1e-3
