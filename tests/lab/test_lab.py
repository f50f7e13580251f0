"""The notebook face on a variant that was really trained and analyzed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, LayoutDOM, Span
from sample_plugin import FAMILY, SITE

import mi as mi_package
from mi.errors import CheckpointError, MiError, ParameterError, PluginError, StoreError, UnknownNameError
from mi.lab import Lab, LabVariant

VARIANT = "n7_seed0"


@pytest.fixture
def lab(trained: Path) -> Lab:
    return mi_package.open(trained)


@pytest.fixture
def variant(lab: Lab) -> LabVariant:
    return lab.variant(FAMILY, size=7, seed=0)


def test_a_variant_is_found_by_family_and_parameters_by_name_or_by_id(lab: Lab) -> None:
    ids = {lab.variant(*names, **parameters).id for names, parameters in (
        ((FAMILY,), {"size": 7, "seed": 0}), ((FAMILY,), {}), ((VARIANT,), {}), ((), {"size": 7}),
        ((f"{FAMILY}/{VARIANT}",), {}),
    )}  # fmt: skip
    assert ids == {f"{FAMILY}/{VARIANT}"}
    assert [v.name for v in lab.variants()] == [VARIANT]
    assert list(lab.families) == [FAMILY]
    assert lab.families[FAMILY].title == "Sums"


@pytest.mark.parametrize(
    "names, parameters, expected",
    [
        (("sample_sum",), {"size": 7}, "unknown family 'sample_sum': did you mean sample_sums"),
        (("n7_seed",), {}, "unknown family or variant 'n7_seed': did you mean n7_seed0"),
        (("sample_sum",), {}, "unknown family or variant 'sample_sum': did you mean sample_sums"),
        ((f"{FAMILY}/n7_seed",), {}, "unknown variant 'n7_seed': did you mean n7_seed0"),
        ((FAMILY,), {"size": 9}, f"no variant matches size=9; known: {FAMILY}/{VARIANT}"),
        ((FAMILY,), {"sise": 9}, "unknown parameter of family sample_sums 'sise'"),
    ],
)
def test_a_wrong_variant_names_the_nearest(
    lab: Lab, names: tuple[str, ...], parameters: dict[str, int], expected: str
) -> None:
    with pytest.raises(MiError) as caught:
        lab.variant(*names, **parameters)
    assert expected in str(caught.value)


def test_checkpoints_losses_and_artifacts_are_sequences_and_datasets(variant: LabVariant) -> None:
    assert [(c.index, c.epoch) for c in variant.checkpoints] == [(i, 10 * i) for i in range(5)]
    assert variant.checkpoints.epochs == [0, 10, 20, 30, 40]
    assert variant.parameters == {"size": 7, "seed": 0, "decay": 0.0}
    assert dict(variant.losses.sizes) == {"epoch": 41}
    assert float(variant.losses.train_loss[-1]) < float(variant.losses.train_loss[0])
    right = variant.artifacts("sample.answers")["right"]
    assert right.dims == ("epoch", "x", "y")
    assert right.shape == (5, 7, 7)
    with pytest.raises(UnknownNameError, match=r"did you mean full/sample\.answers"):
        variant.artifacts("sample.answer")


def test_the_model_at_an_epoch_gives_what_the_engine_stored(variant: LabVariant) -> None:
    for epoch in (0, 20, 40):
        logits, cache = variant.run_with_cache(epoch=epoch)
        assert tuple(logits.shape) == (49, 2, 7)
        assert not logits.requires_grad
        stored = variant.at(epoch).artifacts("sample.answers")
        np.testing.assert_allclose(logits[:, -1].reshape(7, 7, 7), stored["answer"].values, atol=1e-6)
        assert tuple(cache["blocks.0.mlp.hook_post"].shape) == (49, 2, 16)
        functional = variant.variant.code.forward(variant.weights(epoch), variant_tokens(variant))
        np.testing.assert_allclose(logits[:, -1], functional[:, 0], atol=1e-5)


def variant_tokens(variant: LabVariant) -> object:
    import torch

    return torch.as_tensor(variant.probe().tokens)


def test_only_the_hook_points_asked_for_are_kept_and_a_misspelt_one_is_refused(variant: LabVariant) -> None:
    _, cache = variant.run_with_cache(20, names_filter="blocks.0.hook_resid_post")
    assert "blocks.0.hook_resid_post" in cache
    assert "blocks.0.mlp.hook_post" not in cache
    logits, _ = variant.run_with_cache(20, probe="words", names_filter=["blocks.0.hook_resid_post"])
    assert logits.shape[0] == 2
    with pytest.raises(
        UnknownNameError, match=r"unknown hook point 'blocks\.0\.mlp\.hook_pos': did you mean"
    ):
        variant.run_with_cache(20, names_filter=["blocks.0.hook_resid_post", "blocks.0.mlp.hook_pos"])


def test_two_models_do_not_share_weights(variant: LabVariant) -> None:
    first, _ = variant.run_with_cache(0)
    model = variant.at(40).model()
    assert not np.allclose(first, model(variant_tokens(variant)).detach())
    again, _ = variant.run_with_cache(0)
    np.testing.assert_array_equal(first, again)


def test_an_epoch_is_exact_unless_the_nearest_is_asked_for(variant: LabVariant) -> None:
    with pytest.raises(UnknownNameError) as caught:
        variant.at(17)
    assert str(caught.value) == (
        "no checkpoint at epoch 17; the nearest are 10 (checkpoint 1) and 20 (checkpoint 2)"
    )
    assert variant.at(17, nearest=True).index == 2
    assert variant.at(1e9, nearest=True).epoch == 40


def test_a_view_shows_its_epoch_and_gives_its_data(variant: LabVariant) -> None:
    stored = variant.artifacts("sample.answers")["right"]
    for epoch in (0, 40):
        view = variant.at(epoch).view("sample.right", sign=-1)
        expected = -stored.sel(epoch=epoch).transpose("y", "x").values
        np.testing.assert_allclose(view.data()["right"], expected, rtol=1e-6)
        figure = view.figure()
        assert isinstance(figure, LayoutDOM)
        source = next(iter(figure.select({"type": ColumnDataSource})))
        np.testing.assert_allclose(source.data["value"][0], expected, rtol=1e-6)
        assert view.figure() is not figure  # a Bokeh model lives in one document


def test_views_of_two_epochs_share_their_colour_scale(variant: LabVariant) -> None:
    codes = []
    for epoch in (0, 40):
        figure = variant.at(epoch).view("sample.right").figure()
        source = next(iter(figure.select({"type": ColumnDataSource})))
        codes.append(np.ptp(source.data["image"][0].astype(int)))
    assert codes[1] > 1.5 * codes[0]  # logits grow in training; a scale an epoch would hide it


def test_the_familys_visualizations_are_listed_by_id(variant: LabVariant) -> None:
    assert list(variant.visualizations) == ["sample.right", "core.losses"]


@pytest.mark.parametrize(
    "error, expected, id, options",
    [
        (UnknownNameError, "'sample.rihgt': did you mean sample.right", "sample.rihgt", {}),
        (ParameterError, "unknown option of visualization sample.right 'sgn'", "sample.right", {"sgn": 1}),
        (ParameterError, "sign of visualization sample.right is 2, expected", "sample.right", {"sign": 2}),
    ],
)  # fmt: skip
def test_a_wrong_view_is_refused_in_a_sentence(
    variant: LabVariant, error: type[MiError], expected: str, id: str, options: dict[str, int]
) -> None:
    with pytest.raises(error) as caught:
        variant.at(0).view(id, **options)
    assert expected in str(caught.value)


def test_missing_artifacts_say_the_command(variant: LabVariant) -> None:
    with pytest.raises(MiError, match=r"Run `mi analyze n7_seed0 --analyzers sample\.answers --probe words`"):
        variant.at(0, probe="words").view("sample.right")


def test_a_view_that_fails_names_the_plugins_error_and_keeps_its_traceback(
    variant: LabVariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mi_sample.analysis

    def broken(*_: object) -> object:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(mi_sample.analysis, "figure", broken)
    with pytest.raises(PluginError, match="ZeroDivisionError: no luck") as caught:
        variant.at(0).view("sample.right")
    assert any("in broken" in note for note in caught.value.__notes__)


def test_a_damaged_or_foreign_checkpoint_is_named(variant: LabVariant) -> None:
    from mi.store.checkpoints import load_tensors, save_tensors

    path = variant.checkpoints[1].path
    tensors = load_tensors(path)
    save_tensors(path, {**tensors, "W_U": tensors["W_U"][:, :-1]}, {})
    with pytest.raises(CheckpointError, match=r"e00000010\.safetensors: does not fit its family"):
        variant.run_with_cache(10)
    save_tensors(path, {k: t for k, t in tensors.items() if k != "W_U"}, {})
    with pytest.raises(CheckpointError, match=r"e00000010\.safetensors: does not fit its family"):
        variant.run_with_cache(10)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=r"e00000010\.safetensors: damaged"):
        variant.weights(10)


def test_reprs_say_what_it_is(lab: Lab, variant: LabVariant) -> None:
    assert repr(lab).endswith(f"ws: <1 family: {FAMILY}>, 1 variant>") or FAMILY in repr(lab)
    assert repr(variant) == (
        f"<variant {FAMILY}/{VARIANT} (size=7, seed=0, decay=0.0): <5 checkpoints: epoch 0 to 40>>"
    )
    moment = variant.at(20)
    assert repr(moment) == f"<{FAMILY}/{VARIANT} at epoch 20 (checkpoint 2)>"
    assert repr(moment.view("sample.right", sign=-1)) == f"<view sample.right, sign=-1 of {moment!r}>"


def test_opening_what_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no workspace"):
        mi_package.open(tmp_path)


def test_the_readmes_lines_work_in_a_process_of_their_own(trained: Path) -> None:
    code = (
        "import mi, sys\n"
        f"v = mi.open('.').variant('{FAMILY}', size=7, seed=0)\n"
        "assert 'torch' not in sys.modules\n"
        "print(type(v.at(epoch=20).view('sample.right').figure()).__name__, v.losses.sizes['epoch'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:mi", "-c", code], cwd=trained, text=True,
        capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(SITE), "MI_LOAD_PLUGINS": "sample"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().lower() == "figure 41"
    assert json.loads((trained / "results" / FAMILY / VARIANT / "config.json").read_text())["schema"] == 1


def test_losses_show_every_set_with_checkpoints_marked(variant: LabVariant) -> None:
    view = variant.at(20).view("core.losses")
    data = view.data()
    losses = variant.losses
    for field, metric in (("loss", "loss"), ("accuracy", "accuracy")):
        columns = data[field]
        assert list(columns)[:3] == ["epoch", f"train_{metric}", f"test_{metric}"]
        assert columns["epoch"].tolist() == list(range(41))
        np.testing.assert_allclose(columns[f"test_{metric}"], losses[f"test_{metric}"], rtol=1e-6)
        assert columns["checkpoint"][[0, 4, 5, 6, 37]].tolist() == [0, 0, 0, 1, 4]
        assert columns["checkpoint_epoch"][[0, 4, 5, 6, 37]].tolist() == [0, 0, 0, 10, 40]
    figure = view.figure()
    assert [span.location for span in figure.select({"type": Span})] == [20, 20]


def test_a_metric_measured_now_and_then_is_a_line_and_a_long_training_is_thinned(variant: LabVariant) -> None:
    import xarray as xr

    from mi.builtin.losses import _columns

    n = 30_001
    train = np.linspace(2, 1, n)
    train[12_345] = 50.0
    test = np.where(np.arange(n) % 100 == 0, 3.0, np.nan)
    losses = xr.Dataset(
        {"train_loss": ("epoch", train), "test_loss": ("epoch", test)}, {"epoch": np.arange(n)}
    )
    checkpoints = np.array([0, 7, 12_001, 30_000])
    columns = _columns(losses, "loss", checkpoints)
    assert len(columns["epoch"]) < 5_000
    assert np.nanmax(columns["train_loss"]) == 50.0
    assert np.isin(checkpoints, columns["epoch"]).all()
    assert _columns(losses, "accuracy", checkpoints)["epoch"].tolist() == []

    from bokeh.plotting import figure

    from mi.builtin.losses import _bridge_gaps

    line = figure().line(x="epoch", y="test_loss", source=ColumnDataSource(columns))
    _bridge_gaps(line)
    drawn = line.data_source.data["test_loss"]
    assert len(drawn) > 100
    assert np.isfinite(drawn).all()


def test_metrics_that_are_no_losses_are_named(variant: LabVariant) -> None:
    import shutil

    from mi.store.layout import VariantPaths
    from mi.store.losses import LossHistory

    paths = VariantPaths(variant.folder)
    shutil.rmtree(paths.losses)
    history = LossHistory(paths, ("gradient_norm",), 40)
    history.record(list(range(41)), {"gradient_norm": [1.0] * 41})
    history.save()
    with pytest.raises(MiError, match=r"metrics are gradient_norm; expected one named SET_loss"):
        variant.at(20).view("core.losses").data()
