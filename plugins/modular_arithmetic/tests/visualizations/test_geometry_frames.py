"""What frames of geometry hold, against the artifacts that they are made of."""

import numpy as np
import pytest
from view_kit import EPOCHS, P, artifacts, draw

from mi.errors import UnknownNameError
from mi_modular_arithmetic.visualizations.dimension import crossings
from mi_modular_arithmetic.visualizations.group_geometry import shape_kinds

M = "modular_arithmetic."


@pytest.mark.parametrize("basis", ["projected", "aligned"])
def test_centroids_are_those_of_the_site_coloured_round_k_times(basis: str) -> None:
    drawn = draw(M + "class_centroids", site="resid_post.0", basis=basis, x=2, y=3, frequency=3)
    stored = artifacts()[M + "class_positions"][basis].sel(site="resid_post.0")
    for epoch in EPOCHS:
        frame = drawn.frames.exact(epoch)["centroids"]
        place = stored.sel(epoch=epoch).values
        np.testing.assert_allclose(frame["x"], place[:, 1], rtol=1e-6)
        np.testing.assert_allclose(frame["y"], place[:, 2], rtol=1e-6)
        np.testing.assert_allclose(
            np.exp(1j * frame["angle"]), np.exp(6j * np.pi * np.arange(P) / P), atol=1e-6
        )
    assert (drawn.figure.x_range.start, drawn.figure.x_range.end) == (
        drawn.figure.y_range.start,
        drawn.figure.y_range.end,
    )


def test_lines_power_and_distances_are_the_site_s() -> None:
    stored = artifacts()[M + "class_geometry"]
    lines = draw(M + "class_separation", measure="centroid_dimension").frames.static["lines"]
    np.testing.assert_allclose(
        lines["mlp_post.0"], stored["measures"].sel(site="mlp_post.0", measure="centroid_dimension")
    )
    power = draw(M + "circle_power", site="resid_post.0").frames.static["power"]
    np.testing.assert_allclose(power, stored["circle_power"].sel(site="resid_post.0").T, rtol=1e-6)
    frame = draw(M + "class_distances").frames.exact(250)["distance"]
    square = stored["distance"].sel(epoch=250, site="mlp_post.0").values
    np.testing.assert_allclose(frame["y"], np.sqrt(square), rtol=1e-6)
    share = draw(M + "class_distance_spectrum").frames.exact(250)["transform"]["y"]
    energy = np.abs(np.fft.rfft(np.sqrt(square)))[1:] ** 2
    np.testing.assert_allclose(share, energy / energy.sum(), rtol=1e-6)
    with pytest.raises(UnknownNameError, match="mlp_post"):
        draw(M + "circle_power", site="mlp_pots.0")


def test_neurons_of_a_group_stand_where_they_are_and_leave_their_trails() -> None:
    stored = artifacts()[M + "group_geometry"]
    k = int(stored["freq"].values[stored["size"].values.argmax()])
    members = np.flatnonzero(stored["member"].values == k)
    assert len(members) >= 4
    drawn = draw(M + "group_positions", x=1, y=3)
    for t, epoch in enumerate(EPOCHS):
        frame = drawn.frames.exact(epoch)["neurons"]
        np.testing.assert_array_equal(frame["neuron"], members)
        np.testing.assert_allclose(frame["y"], stored["position"].values[t, members, 2], rtol=1e-6)
    trail = drawn.frames.static["trails"]["x"].reshape(len(members), len(EPOCHS) + 1)
    np.testing.assert_allclose(trail[:, :-1].T, stored["position"].values[:, members, 0], rtol=1e-6)
    assert np.isnan(trail[:, -1]).all()
    empty = next(int(k) for k in stored["freq"].values if k not in stored["member"].values)
    nowhere = draw(M + "group_positions", frequency=empty).frames.exact(250)["neurons"]
    assert np.isnan(nowhere["x"]).all()


def test_shapes_are_named_by_the_sign_of_the_determinant_where_the_quadratic_fits() -> None:
    r2 = np.array([0.9, 0.9, 0.9, 0.2, np.nan])
    determinant = np.array([-1.0, 1.0, 0.01, 5.0, 1.0])
    assert shape_kinds(r2, determinant, 0.5).tolist() == [3, 2, 1, 0, -1]


def test_crossovers_hold_to_the_end() -> None:
    epochs = np.array([0, 10, 20, 30])
    values = np.array([[5.0, 4, 1], [3, 4, 1], [5, 4, 1], [3, 4, 1]])
    found = crossings(epochs, values)
    assert found[0, 1] == 30, "an earlier crossing that did not last is none"
    assert np.isnan(np.delete(found.ravel(), 1)).all(), "never, or from the start"
    image = draw(M + "dimension_crossovers").frames.static["crossing"]
    columns = draw(M + "effective_dimension").frames.static["dimension"]
    table = np.stack([v for n, v in columns.items() if n != "epoch"], axis=1)
    np.testing.assert_array_equal(image, crossings(np.array(EPOCHS), table)[:-1][::-1])


def test_singular_values_over_training_are_those_of_the_matrix() -> None:
    stored = artifacts()[M + "effective_dimension"]["singular_values"].sel(matrix="W_QK.1").values
    image = draw(M + "singular_history", matrix="W_QK.1").frames.static["history"]
    there = ~np.isnan(stored[0])
    np.testing.assert_allclose(image, stored[:, there].T, rtol=1e-6)
    with pytest.raises(UnknownNameError, match="W_QK"):
        draw(M + "singular_history", matrix="W_QK.9")
