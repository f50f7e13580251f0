"""The generic spectrum of a weight matrix, as the family uses it for the embedding."""

import numpy as np
import plain_formulas as plain
import pytest
from analysis_kit import BY_ID, analyze, subject
from attrs import evolve
from handmade_networks import NETWORKS, weights

from mi.errors import NotApplicableError, ParameterError, UnknownNameError
from mi.refs import resolve


@pytest.mark.parametrize("p", NETWORKS)
def test_the_handmade_embedding_shares_its_energy_among_its_frequencies(p: int) -> None:
    W = weights(p, NETWORKS[p])
    found = analyze("weight_spectrum", W, {})
    expected = np.zeros(p // 2)
    expected[np.array(list(NETWORKS[p])) - 1] = 1 / len(NETWORKS[p])
    np.testing.assert_allclose(found["share"], expected, atol=1e-9)
    assert found["gini"] == pytest.approx(1 - len(NETWORKS[p]) / (p // 2), abs=1e-9)


def test_rows_that_are_no_number_are_left_out() -> None:
    p = 59
    W = weights(p, NETWORKS[p])
    before = analyze("weight_spectrum", W, {})
    W["W_E"][p] = 100.0
    np.testing.assert_array_equal(analyze("weight_spectrum", W, {})["share"], before["share"])


def test_any_weight_along_any_dimension_and_axis() -> None:
    p = 59
    W = weights(p, {5: 1.0, 17: 0.5})
    found = analyze("weight_spectrum", W, {}, weight="W_U", along=-1, axis="residue")
    np.testing.assert_allclose(found["share"], plain.share(W["W_U"].numpy().T), atol=1e-12)
    np.testing.assert_allclose(found["energy"].sum(), (W["W_U"].numpy() ** 2).sum(), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weight": "W_e"}, UnknownNameError, "unknown weight 'W_e': did you mean W_"),
        ({"weight": "W_pos"}, ParameterError, "W_pos has 3 entries along dimension 0, expected at least 59"),
        ({"along": 2}, ParameterError, "along is 2"),
        ({"axis": "resid"}, UnknownNameError, "residue"),
    ],
)
def test_a_wrong_name_is_one_sentence(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        analyze("weight_spectrum", weights(59, NETWORKS[59]), {}, **options)


@pytest.mark.parametrize("coordinates", [[0.0, 0.5, 1.0], [-1, 0, 1], ["x", "y"], [0]])
def test_an_axis_whose_coordinates_are_no_indices_has_no_spectrum(coordinates: list[object]) -> None:
    data = subject(7, weights(7, NETWORKS[7]))
    data = evolve(data, dimensions={**data.dimensions, "element": coordinates})
    with pytest.raises(NotApplicableError, match="not applicable: the coordinates of axis 'element' are"):
        resolve(BY_ID["weight_spectrum"].coordinates)(data, axis="")
