from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mi.errors import StoreError
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory, open_losses

METRICS = ("train_loss", "test_loss", "accuracy")


@pytest.fixture
def paths(tmp_path: Path) -> VariantPaths:
    return VariantPaths(tmp_path)


def _filled(paths: VariantPaths, epochs: int = 9, measured: int = 6) -> LossHistory:
    history = LossHistory(paths, METRICS, epochs)
    history.record(range(measured), {"train_loss": [float(e) for e in range(measured)]})
    history.record([0, 3], {"test_loss": [10.0, 13.0]})
    history.save()
    return history


def test_what_was_recorded_is_read_up_to_the_epoch_reached(paths: VariantPaths) -> None:
    _filled(paths)
    losses = open_losses(paths)
    assert losses.epoch.dtype == np.int64
    assert losses.epoch.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert losses.train_loss.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert losses.test_loss.dropna("epoch").epoch.values.tolist() == [0, 3]
    assert losses.accuracy.isnull().all()
    assert tuple(losses) == METRICS  # as they were declared, not sorted


def test_plain_xarray_opens_it_without_a_warning(paths: VariantPaths) -> None:
    _filled(paths)
    plain = xr.open_zarr(paths.losses)
    assert dict(plain.sizes) == {"epoch": 10}
    assert plain.epoch.values.tolist() == list(range(10))
    assert plain.test_loss.sel(epoch=3) == 13.0
    assert np.isnan(plain.train_loss.sel(epoch=9))


def test_it_goes_on_where_it_was_left(paths: VariantPaths) -> None:
    _filled(paths)
    again = LossHistory(paths, METRICS, 9)
    again.record([6], {"train_loss": [6.0]})
    again.save()
    assert open_losses(paths).train_loss.values.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_longer_training_keeps_what_was_measured(paths: VariantPaths) -> None:
    _filled(paths)
    longer = LossHistory(paths, METRICS, 30)
    longer.record([30], {"test_loss": [40.0]})
    longer.save()
    losses = open_losses(paths)
    assert losses.sizes["epoch"] == 31
    assert losses.train_loss.sel(epoch=5) == 5.0
    assert losses.test_loss.sel(epoch=30) == 40.0
    assert [p.name for p in paths.root.iterdir()] == ["losses.zarr"]


def test_another_metric_starts_as_not_measured(paths: VariantPaths) -> None:
    _filled(paths)
    wider = LossHistory(paths, (*METRICS, "norm"), 9)
    wider.record([4], {"norm": [2.0]})
    wider.save()
    losses = open_losses(paths)
    assert losses.norm.dropna("epoch").epoch.values.tolist() == [4]
    assert losses.train_loss.sel(epoch=5) == 5.0


def test_a_kill_between_the_two_renames_loses_nothing(paths: VariantPaths) -> None:
    _filled(paths)
    paths.losses.rename(paths.root / ".losses.zarr.last")
    other = VariantPaths(paths.root / "other")
    _filled(other, epochs=30, measured=20)
    other.losses.rename(paths.root / ".losses.zarr.next")
    assert open_losses(paths).sizes["epoch"] == 20  # a reader only looks
    assert not paths.losses.exists()
    again = LossHistory(paths, METRICS, 30)
    assert again.values["train_loss"][19] == 19.0
    assert not (paths.root / ".losses.zarr.last").exists()
    assert open_losses(paths).sizes["epoch"] == 20


def test_a_kill_before_the_renames_leaves_the_old_one(paths: VariantPaths) -> None:
    _filled(paths)
    (paths.root / ".losses.zarr.next").mkdir()  # half-written
    assert LossHistory(paths, METRICS, 9).values["train_loss"][5] == 5.0
    assert not (paths.root / ".losses.zarr.next").exists()


def test_no_losses_is_a_sentence(paths: VariantPaths) -> None:
    with pytest.raises(StoreError, match="has no losses yet"):
        open_losses(paths)


def test_a_damaged_chunk_is_named_not_read_as_numbers(paths: VariantPaths) -> None:
    _filled(paths)
    chunk = paths.losses / "train_loss" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(StoreError, match=r"losses\.zarr: damaged"):
        open_losses(paths)
