"""What figures of ablation, phases, stations and single pairs hold, against artifacts."""

import numpy as np
import pytest
from analysis_kit import grid_probe
from view_kit import EPOCHS, P, artifacts, draw

from mi.errors import ParameterError

M = "modular_arithmetic."


def test_ablation_maps_hold_the_changes_of_the_chosen_place_and_pairs() -> None:
    stored = artifacts()[M + "frequency_ablation"]
    for place, measure, pairs in (("embedding", "loss", "test"), ("class_logits", "accuracy", "train")):
        drawn = draw(M + "ablation_map", place=place, measure=measure, pairs=pairs)
        expected = stored[f"{measure}_change"].sel(place=place, pairs=pairs)
        np.testing.assert_allclose(drawn.frames.static["change"], expected.values.T, rtol=1e-6)
        assert drawn.frames.scales["change"].low == -drawn.frames.scales["change"].high, (
            "zero is in the middle"
        )
    bars = draw(M + "ablation_bars", place="neurons").frames.exact(250)["bars"]
    expected = stored["loss_change"].sel(epoch=250, place="neurons", pairs="test")
    np.testing.assert_allclose(bars["y"], expected, rtol=1e-6)
    heads = draw(M + "head_ablation", pairs="train").frames.static["heads"]
    expected = artifacts()[M + "head_ablation"]["loss_change"].sel(pairs="train", head=1)
    np.testing.assert_allclose(heads["head 1"], expected, rtol=1e-6)


def test_the_scatter_shows_the_dominant_phases_of_the_chosen_neurons() -> None:
    stored = artifacts()[M + "phase_alignment"].sel(epoch=1000)
    k, share = stored["dominant"].values, stored["share"].values
    for frequency, threshold in ((0, 0.5), (3, 0.9)):
        drawn = draw(M + "phase_scatter", frequency=frequency, threshold=threshold)
        points = drawn.frames.exact(1000)["points"]
        shown = (share >= threshold) & ((k == frequency) if frequency else (k > 0))
        np.testing.assert_array_equal(~np.isnan(points["k"]), shown)
        rows = np.flatnonzero(shown)
        for column, name in (("input", "input_phase"), ("output", "output_phase")):
            expected = stored[name].values[rows, k[rows] - 1]
            np.testing.assert_allclose(points[column][rows], expected, atol=2e-3)
    assert shown.any()


def test_misalignment_falls_from_chance_as_the_circuit_forms() -> None:
    lines = draw(M + "misalignment").frames.static["lines"]
    stored = artifacts()[M + "phase_alignment"]
    np.testing.assert_allclose(lines["all"], stored["mean_misalignment"], rtol=1e-6)
    np.testing.assert_allclose(lines["k = 1"], stored["misalignment_by_frequency"].values[:, 0], rtol=1e-6)
    assert lines["all"][-1] < 0.5 < lines["all"][0]
    np.testing.assert_allclose(lines["by chance"], np.pi / 2, rtol=1e-6)


def test_spread_is_of_one_group_or_the_mean_of_all() -> None:
    stored = artifacts()[M + "phase_alignment"]["rayleigh"]
    one = draw(M + "phase_spread", frequency=3).frames.static["spread"]
    np.testing.assert_allclose(one["n = 2"], stored.sel(harmonic=2, freq=3), rtol=1e-6)
    every = draw(M + "phase_spread").frames.static["spread"]
    np.testing.assert_allclose(every["n = 4"], stored.sel(harmonic=4).mean("freq"), rtol=1e-6)


def test_localization_counts_live_neurons() -> None:
    stored = artifacts()[M + "phase_alignment"]
    lines = draw(M + "localization", threshold=0.8).frames.static["lines"]
    np.testing.assert_allclose(lines["mean IPR"], stored["ipr"].mean("neuron"), rtol=1e-5)
    np.testing.assert_allclose(lines["median IPR"], stored["ipr"].median("neuron"), rtol=1e-5)
    np.testing.assert_allclose(lines["localized neurons"], (stored["share"] >= 0.8).mean("neuron"), rtol=1e-5)


def test_weight_waves_keep_the_final_order() -> None:
    order = artifacts()[M + "neuron_timeline"]["order"].values
    for side, name in (("read", "input_amplitude"), ("written", "output_amplitude")):
        image = draw(M + "weight_waves", side=side).frames.exact(100)["amplitude"]
        expected = artifacts()[M + "phase_alignment"][name].sel(epoch=100).values[order]
        np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_the_board_has_every_station_in_one_colour_a_frequency() -> None:
    drawn = draw(M + "frequency_board", least=0.05)
    columns, stored = drawn.frames.static["board"], artifacts()[M + "frequency_board"]["share"]
    assert len(drawn.figure.children) == stored.sizes["station"] == 5
    for station in stored["station"].values:
        named = [name for name in columns if name.startswith(f"{station}|k = ")]
        assert {f"{station}|k = 1", f"{station}|k = 3"} <= set(named)
        expected = stored.sel(station=station, freq=3)
        np.testing.assert_allclose(columns[f"{station}|k = 3"], expected, rtol=1e-6)
        whole = sum(columns[name] for name in (*named, f"{station}|all others"))
        np.testing.assert_allclose(whole, 1, rtol=1e-5)
    lines = [
        r.glyph for plot in drawn.figure.children for r in plot.renderers if r.glyph.y.endswith("|k = 3")
    ]
    assert {line.line_color for line in lines} == {drawn.context.color_of(3)}
    image = draw(M + "frequency_stations").frames.exact(250)["stations"]
    np.testing.assert_allclose(image[::-1], stored.sel(epoch=250), rtol=1e-6)


def test_a_pair_s_parts_sum_to_its_right_logit() -> None:
    a, b = 2, 6
    columns = draw(M + "pair_trace", a=a, b=b).frames.static["trace"]
    stored = artifacts()[M + "pair_parts"]
    s = (a + b) % P
    np.testing.assert_allclose(
        columns["margin"], artifacts()[M + "accuracy_grid"]["margin"][:, a, b], rtol=1e-6
    )
    np.testing.assert_allclose(columns["right logit"], stored["right"][:, a, b], rtol=1e-6)
    np.testing.assert_allclose(columns["k = 2"], stored["part"].sel(residue=s, freq=2), rtol=1e-5, atol=1e-9)
    parts = [
        v
        for name, v in columns.items()
        if name.startswith("k = ") or name in ("all others", "within the class")
    ]
    whole = sum(parts) + stored["constant"].sel(residue=s).values
    np.testing.assert_allclose(whole, columns["right logit"], rtol=1e-4, atol=1e-5)
    train = grid_probe(P).masks["train"].reshape(P, P)[a, b]
    label = draw(M + "pair_trace", a=a, b=b).figure.yaxis.axis_label
    assert label == f"logit of (2, 6), a {'train' if train else 'test'} pair"
    with pytest.raises(ParameterError, match="option a is 9, expected a place from 0 to 6 in group order"):
        draw(M + "pair_trace", a=9, b=b)


def test_attention_is_shown_by_number_and_by_frequency() -> None:
    scores, pattern = artifacts()[M + "attention_scores"], artifacts()[M + "attention_pattern"]
    frame = draw(M + "attention_scores", head=1).frames.exact(100)["scores"]
    np.testing.assert_allclose(frame["b"], scores["score"].sel(epoch=100, head=1, operand=1), rtol=1e-6)
    np.testing.assert_allclose(frame["="], scores["score_equals"].sel(epoch=100, head=1), rtol=1e-6)

    def history(**options: object) -> np.ndarray:
        return draw(M + "attention_history", **options).frames.static["history"]

    np.testing.assert_allclose(history(of="written", head=0), scores["ov_share"][:, 0].T, rtol=1e-6)
    np.testing.assert_allclose(
        history(of="scores", head=1, position="b"), scores["share"][:, 1, 1].T, rtol=1e-6
    )
    np.testing.assert_allclose(history(of="pattern", position="a"), pattern["fraction"][:, 0, 0].T, rtol=1e-6)
    assert np.isnan(history(of="scores", position="=")).all(), "one number has no frequencies"
    assert history(of="written").shape == (P // 2, len(EPOCHS))
