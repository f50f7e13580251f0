"""What frames hold, against the artifacts that they are made of."""

import numpy as np
import pytest
from analysis_kit import grid_probe
from bokeh.models import HoverTool
from handmade_networks import activations, relu
from view_kit import EPOCHS, P, artifacts, draw, stages

M = "modular_arithmetic."


def test_measures_are_the_losses_at_checkpoints_and_the_measures_themselves() -> None:
    columns = draw(M + "progress_measures").frames.static["measures"]
    progress = artifacts()[M + "progress_measures"]
    np.testing.assert_allclose(columns["epoch"], EPOCHS)
    np.testing.assert_allclose(columns["train"], np.exp(-np.array(EPOCHS) / 200), rtol=1e-6)
    np.testing.assert_allclose(columns["restricted"], progress["restricted_loss_test"], rtol=1e-6)
    np.testing.assert_allclose(columns["excluded"], progress["excluded_loss_key"], rtol=1e-6)


def test_the_neuron_spectrum_keeps_the_final_order_at_every_epoch_and_names_its_rows() -> None:
    neurons = artifacts()[M + "neuron_frequencies"]
    final = neurons["dominant"].values[-1]
    order = artifacts()[M + "neuron_timeline"]["order"].values
    assert (np.diff(final[order]) >= 0).all(), "sorted by final frequency"
    drawn = draw(M + "neuron_spectrum")
    for epoch in EPOCHS:
        expected = neurons["fraction"].sel(epoch=epoch).values[order]
        np.testing.assert_allclose(drawn.frames.exact(epoch)["spectrum"], expected, rtol=1e-6)
    labels = drawn.figure.select_one(HoverTool).formatters["$y"].args["labels"]
    assert labels == [str(n) for n in order]


def test_the_neuron_map_shows_commitment_in_the_page_s_colours() -> None:
    drawn = draw(M + "neuron_map", threshold=0.6)
    image = drawn.frames.static["map"]
    neurons = artifacts()[M + "neuron_frequencies"]
    order = artifacts()[M + "neuron_timeline"]["order"].values
    committed = neurons["dominant_fraction"].values >= 0.6
    expected = np.where(committed, neurons["dominant"].values, -1)[:, order].T
    np.testing.assert_array_equal(image, expected)
    assert drawn.context.palette("map")[3] == drawn.context.color_of(3)


def test_timelines_count_commitments_at_the_threshold_of_the_view() -> None:
    neurons = artifacts()[M + "neuron_frequencies"]
    for threshold in (0.5, 0.9):
        columns = draw(M + "neuron_timeline", threshold=threshold).frames.static["counts"]
        committed = neurons["dominant_fraction"].values >= threshold
        for k in (1, 3):
            count = (committed & (neurons["dominant"].values == k)).sum(axis=1)
            if f"k = {k}" in columns:
                np.testing.assert_array_equal(columns[f"k = {k}"], count)
            else:
                assert count.max() < 1
        idle = ~committed & (neurons["dominant"].values > 0)
        np.testing.assert_array_equal(columns["uncommitted"], idle.sum(axis=1))


def test_one_frequency_has_one_colour_in_every_figure() -> None:
    lines = draw(M + "frequency_strength")
    keys = [name for name in lines.frames.static["lines"] if name.startswith("k = ")]
    assert keys == ["k = 1", "k = 3"], "the frequencies of the handmade network"
    drawn = {r.glyph.y: r.glyph.line_color for r in lines.figure.renderers}
    bars = draw("fourier_library.weight_spectrum")
    mapper = bars.figure.renderers[0].glyph.fill_color.transform
    for k in (1, 3):
        assert drawn[f"k = {k}"] == lines.context.color_of(k)
        assert mapper.palette[k - 1] == lines.context.color_of(k)
    assert (mapper.low, mapper.high) == (0.5, P // 2 + 0.5)


@pytest.mark.parametrize(("position", "index"), [("a", 0), ("b", 1), ("=", 2)])
def test_the_attention_map_is_the_attention_of_the_network(position: str, index: int) -> None:
    for head in (0, 1):
        drawn = draw(M + "attention_pattern", head=head, position=position)
        for epoch, W in zip(EPOCHS, stages(), strict=True):
            pattern = activations(W, relu)["blocks.0.attn.hook_pattern@-1"].numpy().reshape(P, P, 2, 3)
            expected = pattern[:, :, head, index].T  # rows run with b
            np.testing.assert_allclose(drawn.frames.exact(epoch)["pattern"], expected, atol=1e-9)


def test_the_attention_spectrum_has_the_first_head_on_top() -> None:
    scores = artifacts()[M + "attention_scores"].sel(epoch=250)
    drawn = draw(M + "attention_spectrum", of="scores")
    image = drawn.frames.exact(250)["spectrum"]
    np.testing.assert_allclose(image[-1], scores["share"].values[0, 0], rtol=1e-6)
    np.testing.assert_allclose(image[0], scores["share"].values[1, 1], rtol=1e-6)
    assert list(drawn.figure.yaxis.major_label_overrides.values())[-1] == "head 0 · a"
    written = draw(M + "attention_spectrum", of="written").frames.exact(250)["spectrum"]
    np.testing.assert_allclose(written[::-1], scores["ov_share"].values, rtol=1e-6)


def test_the_accuracy_grid_marks_the_training_pairs() -> None:
    drawn = draw(M + "accuracy_grid", quantity="margin", mark="train")
    marks = drawn.frames.static["marks"]
    train = grid_probe(P).masks["train"].reshape(P, P)
    assert {(int(a), int(b)) for a, b in zip(marks["a"], marks["b"], strict=True)} == set(
        zip(*map(np.ndarray.tolist, np.nonzero(train)), strict=True)
    )
    margin = artifacts()[M + "accuracy_grid"]["margin"].sel(epoch=250)
    np.testing.assert_allclose(drawn.frames.exact(250)["margin"], margin.values.T, rtol=1e-6)
    assert drawn.frames.scales["margin"].low == -drawn.frames.scales["margin"].high, "zero is in the middle"
    assert len(draw(M + "accuracy_grid", mark="none").frames.static["marks"]["a"]) == 0


def test_graduation_leaves_what_never_graduated_missing() -> None:
    image = draw(M + "graduation").frames.static["graduation"]
    epochs = artifacts()[M + "graduation"]["graduation"].values.T
    np.testing.assert_array_equal(np.isnan(image), epochs < 0)
    np.testing.assert_array_equal(image[epochs >= 0], epochs[epochs >= 0])


def test_dimensions_average_heads_and_show_what_the_key_frequencies_need() -> None:
    columns = draw(M + "effective_dimension", measure="stable_rank").frames.static["dimension"]
    stored = artifacts()[M + "effective_dimension"]["stable_rank"]
    np.testing.assert_allclose(columns["W_L"], stored.sel(matrix="W_L"), rtol=1e-6)
    heads = stored.sel(matrix=["W_OV.0", "W_OV.1"]).mean("matrix")
    np.testing.assert_allclose(columns["W_OV"], heads, rtol=1e-6)
    assert set(columns["2 × key frequencies"]) == {4.0}


def test_singular_values_are_those_of_the_chosen_head() -> None:
    frame = draw(M + "singular_values", head=1).frames.exact(250)["values"]
    stored = artifacts()[M + "effective_dimension"]["singular_values"].sel(epoch=250, matrix="W_OV.1")
    np.testing.assert_allclose(frame["W_OV"], stored, rtol=1e-6)
    assert frame["rank"][0] == 1


def test_strengths_and_exclusions_run_with_frequency_upwards() -> None:
    fve = artifacts()[M + "logit_spectrum"]["fve"].values
    np.testing.assert_allclose(draw(M + "trig_coefficients").frames.static["strength"], fve.T, rtol=1e-6)
    excluded = artifacts()[M + "progress_measures"]["excluded_loss"].values
    np.testing.assert_allclose(
        draw(M + "excluded_by_frequency").frames.static["excluded"], excluded.T, rtol=1e-6
    )


def test_residues_show_the_chosen_pairs() -> None:
    stored = artifacts()[M + "accuracy_grid"].sel(epoch=100)
    for pairs, name in (("test", "residue_accuracy_test"), ("all", "residue_accuracy")):
        frame = draw(M + "residue_accuracy", pairs=pairs).frames.exact(100)["accuracy"]
        np.testing.assert_allclose(frame["y"], stored[name], rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("quantity", ["share", "energy"])
def test_the_gradient_is_drawn_at_the_place_chosen(quantity: str) -> None:
    found = artifacts()["modular_arithmetic.gradient_spectrum"]
    for place in ("embedding", "attention", "input", "output"):
        drawn = draw("modular_arithmetic.gradient_map", place=place, quantity=quantity)
        expected = found[quantity].sel(place=place).values.T  # (freq, epochs)
        np.testing.assert_allclose(drawn.frames.static["gradient"], expected, rtol=1e-6)
    lines = draw("modular_arithmetic.gradient_cosine").frames.static["lines"]
    np.testing.assert_allclose(lines["input"], found["cosine"].sel(place="input"))
    assert list(lines) == ["epoch", "embedding", "attention", "input", "output"]
