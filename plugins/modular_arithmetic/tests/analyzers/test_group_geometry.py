"""Groups of neurons on circles, whose geometry is known, and random ones by plain SVD and least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from analysis_kit import BY_ID, subject, trajectory
from attrs import evolve
from handmade_networks import NETWORKS, PHASES, weights

from mi.errors import NotApplicableError
from mi.refs import resolve
from mi_modular_arithmetic.analyzers.group_geometry import MEASURES

P = 59
KS = list(NETWORKS[P])
ID = "modular_arithmetic.neuron_frequencies"
EPOCHS = (0, 100, 1000)


def neurons(dominant: np.ndarray, fraction: np.ndarray) -> dict[str, xr.Dataset]:
    found = xr.Dataset(
        {
            "dominant": (("epoch", "neuron"), dominant[None]),
            "dominant_fraction": (("epoch", "neuron"), fraction[None]),
        }
    )
    return {ID: found}


def named(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs, and each measure under its name."""
    return {**found, **{name: found["measures"][..., i] for i, name in enumerate(MEASURES)}}


def run(stages: list[dict[str, torch.Tensor]], fraction: np.ndarray | None = None, **options: float) -> dict:
    count = stages[0]["W_in"].shape[1]
    fraction = np.full(count, 0.9) if fraction is None else fraction
    artifacts = neurons(np.repeat(KS, count // len(KS)), fraction)
    return named(trajectory("group_geometry", subject(P, stages[0], EPOCHS), artifacts, stages, **options))


def stages(seed: int = 0) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    goal = weights(P, NETWORKS[P])
    noise = torch.randn(goal["W_in"].shape, generator=generator, dtype=torch.float64)
    return [{**goal, "W_in": (1 - t) * noise + t * goal["W_in"]} for t in (0.0, 0.6, 1.0)]


def test_the_exact_network_s_groups_are_circles_of_radius_one() -> None:
    found = run(stages())
    at = np.array(KS) - 1
    np.testing.assert_allclose(found["spread"][-1, at], 1, rtol=1e-9)
    np.testing.assert_allclose(found["center"][-1, at], 0, atol=1e-9)
    np.testing.assert_allclose(found["dimension"][-1, at], 2, rtol=1e-9)
    np.testing.assert_allclose(found["share"][-1, at], [[0.5, 0.5, 0]] * len(KS), atol=1e-9)
    np.testing.assert_allclose(found["captured"][-1, at], 1, rtol=1e-9)
    assert np.isnan(found["r2"][-1, at]).all(), "a circle has no third component to bend"
    assert found["size"][at].tolist() == [PHASES] * len(KS)
    others = np.setdiff1d(np.arange(P // 2), at)
    assert np.isnan(found["spread"][:, others]).all() and (found["size"][others] == 0).all()
    radius = np.linalg.norm(found["position"][-1], axis=1)
    np.testing.assert_allclose(radius, 1, rtol=1e-9)
    np.testing.assert_allclose(found["aligned"][-1], found["position"][-1], atol=1e-9)


def test_before_the_end_it_agrees_with_a_plain_decomposition_and_least_squares() -> None:
    every = stages(1)
    every[-1] = {**every[-1], "W_in": every[-1]["W_in"] + 0.2 * every[0]["W_in"]}  # a third component
    found = run(every)
    for i, k in enumerate(KS):
        of = slice(i * PHASES, (i + 1) * PHASES)
        columns = [W["W_in"][:, of].numpy().T for W in every]
        goal = np.linalg.svd(columns[-1] - columns[-1].mean(axis=0))[2][:3]
        for t, x in enumerate(columns):
            about = x - x.mean(axis=0)
            s = np.linalg.svd(about, compute_uv=False)
            total = (s**2).sum()
            assert found["spread"][t, k - 1] == pytest.approx(np.sqrt(total / PHASES), rel=1e-6)
            assert found["dimension"][t, k - 1] == pytest.approx(total**2 / (s**4).sum(), rel=1e-6)
            np.testing.assert_allclose(found["share"][t, k - 1], (s**2 / total)[:3], rtol=1e-6)
            position = about @ goal.T
            sign = np.sign((position * found["position"][t, of]).sum(axis=0))
            np.testing.assert_allclose(found["position"][t, of] * sign, position, atol=1e-6)
            assert found["captured"][t, k - 1] == pytest.approx((position**2).sum() / total, rel=1e-6)
            for name, points in (
                ("r2", (np.linalg.svd(about)[0] * 1)[:, :3] * s[:3]),
                ("r2_shared", position),
            ):
                x1, x2, z = ((points - points.mean(axis=0)) / points.std(axis=0)).T
                terms = np.stack([x1**2, x2**2, x1 * x2, x1, x2, np.ones(PHASES)], axis=1)
                c, left, *_ = np.linalg.lstsq(terms, z, rcond=None)
                assert found[name][t, k - 1] == pytest.approx(1 - left[0] / PHASES, rel=1e-6)
                determinant = found["determinant" if name == "r2" else "determinant_shared"][t, k - 1]
                assert determinant == pytest.approx(4 * c[0] * c[1] - c[2] ** 2, rel=1e-5)
        assert found["r2_linear"][-1, k - 1] == pytest.approx(0, abs=1e-9), "within one PCA"
    assert (found["r2_linear"][0, np.array(KS) - 1] > 1e-6).all()


def test_the_threshold_and_small_groups_leave_neurons_out() -> None:
    fraction = np.full(3 * PHASES, 0.9)
    fraction[: PHASES - 3] = 0.69  # three are left of the first group: too few
    fraction[PHASES] = np.nan  # a dead neuron
    found = run(stages(), fraction)
    assert found["size"][np.array(KS) - 1].tolist() == [0, PHASES - 1, PHASES]
    assert found["member"][:PHASES].tolist() == [0] * PHASES
    assert np.isnan(found["position"][:, : PHASES + 1]).all()
    assert not np.isnan(found["position"][:, PHASES + 1 :]).any()
    assert run(stages(), fraction, threshold=0.5)["size"][KS[0] - 1] == PHASES


def test_without_neurons_that_read_a_matrix_it_does_not_apply() -> None:
    data = evolve(subject(P, stages()[0]), weights={"W_E": (4, 4)})
    with pytest.raises(NotApplicableError, match="not applicable: needs neurons"):
        resolve(BY_ID["group_geometry"].coordinates)(data, threshold=0.7, layer=0)
    with pytest.raises(NotApplicableError, match="in layer 1"):
        resolve(BY_ID["group_geometry"].coordinates)(subject(P, stages()[0]), threshold=0.7, layer=1)
