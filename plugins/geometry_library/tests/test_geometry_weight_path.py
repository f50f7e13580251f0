"""The path of checkpoints that are read one by one, in as many rounds as memory asks for."""

from collections.abc import Iterator

import numpy as np
import pytest
from geometry_reference import path

from mi_geometry_library import epoch_weights, path_components, speed

torch = pytest.importorskip("torch")
EPOCHS = [0, 100, 250, 1000]
SHAPES = {"W_E": (5, 4), "bias": (7,), "scale": ()}


class Checkpoints:
    """Random tensors by epoch; counts how often they are read."""

    def __init__(self) -> None:
        self.reads = 0
        self.tensors = {
            name: np.random.RandomState(i).randn(len(EPOCHS), *shape).cumsum(axis=0).astype(np.float32)
            for i, (name, shape) in enumerate(SHAPES.items())
        }
        self.tensors["W_E"][:, 0] *= 100  # norms far above the steps

    def __call__(self) -> Iterator[tuple[int, dict[str, "torch.Tensor"]]]:
        for t, epoch in enumerate(EPOCHS):
            self.reads += 1
            yield epoch, {n: torch.as_tensor(v[t]) for n, v in self.tensors.items()}


@pytest.mark.parametrize(("held", "rounds"), [(2**20, 1), (4 * 4 * 10, 3), (4 * 4, 28)])
def test_every_tensor_has_its_path_whatever_is_held_at_once(held: int, rounds: int) -> None:
    from mi_geometry_library.weight_path import weight_sums

    checkpoints = Checkpoints()
    sizes = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
    weights = epoch_weights(EPOCHS)
    sums = weight_sums(checkpoints, sizes, weights, held)
    assert checkpoints.reads == rounds * len(EPOCHS)
    for name, tensors in checkpoints.tensors.items():
        expected = path(tensors.reshape(len(EPOCHS), -1).astype(np.float64), EPOCHS)
        np.testing.assert_allclose(speed(sums[name], EPOCHS), expected["speed"], rtol=1e-9)
        np.testing.assert_allclose(sums[name].norm, expected["norm"], rtol=1e-9)
        found = path_components(sums[name], weights, 1).position.numpy()
        np.testing.assert_allclose(found[:, 0], expected["position"][:, 0], rtol=1e-6)


def test_half_precision_is_summed_as_the_numbers_that_it_holds() -> None:
    from mi_geometry_library.weight_path import weight_sums

    theta = torch.arange(12.0).reshape(4, 3).to(torch.bfloat16) / 3

    def checkpoints() -> Iterator[tuple[int, dict[str, "torch.Tensor"]]]:
        return iter([(e, {"w": row}) for e, row in zip(EPOCHS, theta, strict=True)])

    sums = weight_sums(checkpoints, {"w": 3}, epoch_weights(EPOCHS))
    np.testing.assert_allclose(sums["w"].norm, theta.double().square().sum(dim=1), rtol=1e-12)
