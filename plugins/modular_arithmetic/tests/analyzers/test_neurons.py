"""Neuron frequencies on networks whose answer is known, and timelines made by hand."""

import numpy as np
import plain_formulas as plain
import pytest
import xarray as xr
from analysis_kit import analyze, subject, trajectory
from handmade_networks import NETWORKS, PHASES, activations, relu, relu_fraction, weights

EPOCHS = (0, 100, 250, 1000, 2000)


@pytest.mark.parametrize("p", [7, 59])
def test_a_squared_neuron_has_four_fifths_in_its_frequency_and_one_in_the_double(p: int) -> None:
    # z² = 1 + ½cos(2wa+2φ) + ½cos(2wb+2φ) + cos(w(a+b)+2φ) + cos(w(a-b)).
    W = weights(p, NETWORKS[p])
    found = analyze("neuron_frequencies", W, activations(W))
    for i, k in enumerate(NETWORKS[p]):
        mine = slice(i * PHASES, (i + 1) * PHASES)
        double = min(2 * k % p, p - 2 * k % p)
        expected = np.zeros(p // 2)
        expected[k - 1], expected[double - 1] = 0.8, 0.2
        np.testing.assert_allclose(found["fraction"][mine], np.tile(expected, (PHASES, 1)), atol=1e-9)
        assert (found["dominant"][mine] == k).all() and (found["runner_up"][mine] == double).all()
    np.testing.assert_allclose(found["rest"], 0, atol=1e-9)
    np.testing.assert_allclose(found["dominant_fraction"], 0.8, atol=1e-9)
    np.testing.assert_allclose(found["runner_up_fraction"], 0.2, atol=1e-9)


@pytest.mark.parametrize("activation", [relu, np.tanh])
@pytest.mark.parametrize("p", NETWORKS)
def test_fractions_agree_with_the_formula_for_any_neuron(p: int, activation: object) -> None:
    W = weights(p, NETWORKS[p])
    sites = activations(W, activation)  # type: ignore[arg-type]
    found = analyze("neuron_frequencies", W, sites)
    expected = plain.fractions(sites["blocks.0.mlp.hook_post@-1"].numpy(), p)
    np.testing.assert_allclose(found["fraction"], expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["rest"], 1 - expected.sum(axis=1), atol=1e-9)
    assert (found["dominant"] == expected.argmax(axis=1) + 1).all()


def test_a_relu_neuron_is_as_pure_as_its_series_says() -> None:
    p, k = 59, 5
    W = weights(p, {k: 1.0})
    found = analyze("neuron_frequencies", W, activations(W, relu))
    for neuron in (0, 3, 7):
        expected = relu_fraction(p, k, 2 * np.pi * neuron / PHASES)
        np.testing.assert_allclose(found["fraction"][neuron], expected, atol=1e-4)
    assert found["dominant_fraction"] == pytest.approx(0.962, abs=2e-3)


def test_a_dead_neuron_has_no_frequency() -> None:
    p = 7
    W = weights(p, NETWORKS[p])
    sites = activations(W)
    sites["blocks.0.mlp.hook_post@-1"][:, 2] = 0
    found = analyze("neuron_frequencies", W, sites)
    assert found["dominant"][2] == 0 and np.isnan(found["dominant_fraction"][2])
    assert np.isnan(found["fraction"][2]).all()
    assert (found["dominant"][3:] > 0).all()


def timeline(states: list[list[tuple[int, float]]], p: int = 7, **options: float) -> dict[str, np.ndarray]:
    """The timeline of neurons given as (frequency, fraction) per epoch: [epoch][neuron]."""
    table = np.array(states)  # (epochs, neurons, 2)
    dominant = table[..., 0].astype(int)
    artifacts = xr.Dataset(
        {
            "dominant": (("epoch", "neuron"), dominant),
            "dominant_fraction": (("epoch", "neuron"), np.where(dominant > 0, table[..., 1], np.nan)),
        },
        coords={"epoch": list(EPOCHS[: len(states)]), "freq": np.arange(1, p // 2 + 1)},
    )
    W = weights(p, {1: 1.0}, phases=table.shape[1])
    data = subject(p, W, EPOCHS[: len(states)])
    return trajectory(
        "neuron_timeline", data, {"modular_arithmetic.neuron_frequencies": artifacts}, **options
    )


def test_commitments_are_counted_by_frequency() -> None:
    found = timeline(
        [
            [(1, 0.3), (2, 0.8), (3, 0.75), (0, 0.0)],
            [(1, 0.9), (2, 0.8), (3, 0.74), (0, 0.0)],
            [(1, 0.9), (1, 0.8), (3, 0.90), (0, 0.0)],
        ]
    )
    assert found["count"].tolist() == [[0, 1, 1], [1, 1, 0], [2, 0, 1]]
    assert found["live"].tolist() == [3, 3, 3]
    assert found["uncommitted"].tolist() == [1, 1, 0]
    assert found["homeless"].tolist() == [0, 1, 0], "only the third neuron had a home and lost it"
    assert found["switched"].tolist() == [0, 0, 1]
    assert found["switches"].tolist() == [0, 1, 0, 0]
    assert found["settled"].tolist() == [100, 250, 250, -1]
    assert found["order"].tolist() == [0, 1, 2, 3], "by frequency, then by falling share, the dead one last"
    assert found["transient"].tolist() == [0, 1, 0], "no neuron is left at frequency 2"


def test_a_switch_needs_half_of_the_energy_on_both_sides_and_passes_over_what_lies_between() -> None:
    found = timeline(
        [
            [(1, 0.6), (1, 0.6), (1, 0.4)],
            [(2, 0.4), (2, 0.4), (2, 0.6)],
            [(1, 0.6), (3, 0.5), (2, 0.7)],
            [(1, 0.6), (1, 0.5), (2, 0.7)],
        ]
    )
    assert found["switches"].tolist() == [0, 2, 0]
    assert found["switched"].tolist() == [0, 0, 1, 1]


def test_the_threshold_decides_who_is_committed() -> None:
    states = [[(1, 0.6), (2, 0.8)]]
    assert timeline(states, threshold=0.5)["count"].tolist() == [[1, 1, 0]]
    assert timeline(states, threshold=0.9)["count"].tolist() == [[0, 0, 0]]


def test_a_frequency_is_transient_from_a_tenth_of_its_peak_downwards() -> None:
    def of(last: int) -> list[int]:
        first = [(1, 0.9)] * 20 + [(2, 0.9)] * 20
        final = [(1, 0.9)] * last + [(3, 0.9)] * (20 - last) + [(2, 0.9)] * 20
        return timeline([first, final])["transient"].tolist()  # type: ignore[no-any-return]

    assert of(last=2) == [0, 0, 0], "a tenth of the peak is left"
    assert of(last=1) == [1, 0, 0]


def test_a_frequency_that_hardly_ever_had_neurons_is_not_transient() -> None:
    few = [(1, 0.9)] + [(2, 0.9)] * 39
    assert timeline([few, [(2, 0.9)] * 40])["transient"].tolist() == [0, 0, 0]
