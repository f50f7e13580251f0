"""Frames: called once an epoch, checked, stacked; gaps are missing, never zero."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from views.workshop import EPOCHS, add_variant, right

from mi.domain.workspace import Variant, Workspace
from mi.errors import PluginError, UnknownNameError
from mi.views.axis import CellAxis, epoch_edges, thin
from mi.views.cache import ByteCache
from mi.views.data import DataSource, MissingArtifacts, ViewData
from mi.views.frames import FrameSet, make_frames
from mi.views.scale import MISSING_CODE


def data_of(variant: Variant, name: str, **source: object) -> ViewData:
    visualization = variant.workspace.host.visualizations(variant.family)[f"gallery.{name}"]
    data = DataSource.of(variant, **source).data(visualization)  # type: ignore[arg-type]
    assert isinstance(data, ViewData)
    return data


def frames_of(variant: Variant, name: str, options: dict[str, object] | None = None) -> FrameSet:
    visualization = variant.workspace.host.visualizations(variant.family)[f"gallery.{name}"]
    return make_frames(data_of(variant, name), visualization, options or {})


def test_images_are_one_byte_a_cell_and_exact_beside(variant: Variant) -> None:
    frames = frames_of(variant, "map")
    assert frames.images["map"].dtype == np.uint8
    assert frames.images["map"].shape == (len(EPOCHS), 7, 7)
    for epoch in (0, 30, 500):
        exact = frames.exact(epoch)["map"]
        assert np.array_equal(exact, right(7, epoch).T)
        near = frames.scales["map"].table()[frames.images["map"][frames.index(epoch)]]
        assert np.allclose(near, exact, atol=frames.scales["map"].high / 127 / 2 + 1e-6)


def test_one_range_for_all_epochs(variant: Variant) -> None:
    peak = max(float(np.abs(right(7, e)).max()) for e in EPOCHS)
    scale = frames_of(variant, "map").scales["map"]
    assert (scale.low, scale.high) == (pytest.approx(-peak), pytest.approx(peak))


def test_columns_that_change_are_stacked_and_the_others_sent_once(variant: Variant) -> None:
    frames = frames_of(variant, "bars")
    assert set(frames.columns["bars"]) == {"height"}
    assert frames.columns["bars"]["height"].shape == (len(EPOCHS), 7)
    assert frames.columns["bars"]["height"].dtype == np.float32
    assert frames.constant["bars"]["name"].tolist() == [f"x {i}" for i in range(7)]
    assert frames.texts["note"] == [f"epoch {e}" for e in EPOCHS]


def test_an_epoch_without_artifacts_is_missing_not_zero(workspace: Workspace) -> None:
    there = [e for e in EPOCHS if e not in (30, 200)]
    variant = add_variant(workspace, seed=1, analyzed=there)
    frames = frames_of(variant, "map")
    assert frames.missing == (30, 200)
    assert np.all(frames.images["map"][frames.index(30)] == MISSING_CODE)
    assert np.isnan(frames.exact(200)["map"]).all()
    assert np.isfinite(frames.exact(100)["map"]).all()
    bars = frames_of(variant, "bars")
    assert np.isnan(bars.columns["bars"]["height"][bars.index(30)]).all()
    assert bars.texts["note"][bars.index(30)] == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("grows", r"gallery.grows at epoch 10: field map has shape \(11, 2\), expected \(1, 2\)"),
        ("wrong", "gallery.wrong at epoch 0 returned the fields mapp, expected map"),
        ("ragged", "gallery.ragged at epoch 0: field map is no array"),
        ("strange", "gallery.strange at epoch 0: field map has shape .* and dtype <U1, expected a 2D array"),
    ],
)
def test_a_broken_contract_is_said_with_visualization_field_and_epoch(
    variant: Variant, name: str, sentence: str
) -> None:
    with pytest.raises(PluginError, match=sentence):
        frames_of(variant, name)


def test_missing_artifacts_name_the_command(variant: Variant) -> None:
    curve = variant.workspace.host.visualizations(variant.family)["gallery.curve"]
    missing = DataSource.of(variant).data(curve)
    assert isinstance(missing, MissingArtifacts)
    assert missing.command == "mi analyze n7_seed0 --analyzers sample.curve"


def test_unknown_probe_and_epoch_are_refused(variant: Variant) -> None:
    with pytest.raises(
        UnknownNameError, match="unknown probe of family sample_sums 'ful': did you mean full"
    ):
        DataSource.of(variant, "ful")
    with pytest.raises(UnknownNameError, match="no checkpoint at epoch 33"):
        DataSource.of(variant, epochs=[0, 33])


def test_token_changes_with_the_artifacts(workspace: Workspace) -> None:
    variant = add_variant(workspace, seed=2, analyzed=EPOCHS[:5])
    visualization = workspace.host.visualizations(variant.family)["gallery.map"]
    source = DataSource.of(variant)
    before = source.token(visualization)
    assert source.token(visualization) == before
    from views.workshop import write_right

    write_right(variant, EPOCHS)
    assert source.token(visualization) != before


def test_data_at_an_epoch_that_is_not_there_is_refused(variant: Variant) -> None:
    data = data_of(variant, "map")
    assert data.at("sample.answers", 10)["right"].dims == ("x", "y")
    with pytest.raises(UnknownNameError, match="no artifact at epoch 11"):
        data.at("sample.answers", 11)
    with pytest.raises(UnknownNameError, match="analyzer that this visualization reads"):
        data.at("sample.curve", 10)


def test_cells_reach_halfway_to_their_neighbours() -> None:
    assert epoch_edges(np.array([0, 10, 50])).tolist() == [-5, 5, 30, 70]
    assert epoch_edges(np.array([7])).tolist() == [6.5, 7.5]


def test_cells_lie_at_even_numbers_else_are_named() -> None:
    even = CellAxis.of(np.array([2, 4, 6]), 3)
    assert (even.start, even.end, even.labels) == (1, 7, ())
    uneven = CellAxis.of(np.array([1, 2, 5]), 3)
    assert (uneven.start, uneven.end, uneven.labels) == (-0.5, 2.5, ("1", "2", "5"))
    assert CellAxis.of(np.array(["q", "k"]), 2).labels == ("q", "k")
    assert CellAxis.of(np.arange(9), 3).labels == ()


def test_thinning_keeps_a_spike_of_one_epoch() -> None:
    values = np.zeros(100_000)
    values[54_321] = 1e3
    thinned = thin({"epoch": np.arange(100_000), "y": values}, limit=1000)
    assert len(thinned["epoch"]) <= 1000
    assert thinned["epoch"][thinned["y"] == 1e3].tolist() == [54_321]
    assert thinned["epoch"][[0, -1]].tolist() == [0, 99_999]


class Block:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


def test_cache_drops_the_least_recently_used_beyond_its_bytes() -> None:
    cache, made = ByteCache(limit=100), []

    def make(key: str, size: int) -> Block:
        return cache.get(key, lambda: made.append(key) or Block(size))  # type: ignore[func-returns-value]

    make("a", 40), make("b", 40), make("a", 40), make("c", 40), make("a", 40)
    assert made == ["a", "b", "c"]
    make("b", 40)
    assert made == ["a", "b", "c", "b"]
    make("huge", 101)
    assert cache.held <= 100 and len(cache) == 2


def test_cache_makes_a_value_once_for_many_threads() -> None:
    cache, made, gate = ByteCache(), [], threading.Barrier(8)

    def work() -> None:
        gate.wait()
        cache.get("key", lambda: made.append(1) or Block(1))  # type: ignore[func-returns-value]

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
