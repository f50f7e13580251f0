"""A small network learns induction in seconds: from training to the report, by the commands a user types."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import mi
from mi.testing import isolated, make_workspace, run

SETTINGS = {
    "d_model": 32, "n_heads": 2, "vocabulary": 20, "context": 16, "segment_max": 8, "batch": 32,
    "learning_rate": 0.02,
}  # fmt: skip
FAMILY = "induction_attention_only"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("learning")
    with isolated(folder, "induction", "transformer_library"):
        make_workspace(folder / "ws", "induction", "transformer_library")
        yield folder / "ws"


@pytest.fixture(scope="module")
def variant(root: Any) -> Any:
    given = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    length = ["--epochs", "240", "--checkpoints", "0::20", "--threads", "1"]
    for command in (
        ["families", "add", FAMILY],
        ["train", FAMILY, *given, *length],
        ["analyze", "--all", "--threads", "1"],
    ):
        done = run("-w", str(root), *command)
        assert done.code == 0, done.err
    return mi.open(root).variant(FAMILY, **SETTINGS)


def test_the_loss_on_the_repeat_falls_and_the_other_does_not(variant: Any) -> None:
    losses = variant.losses
    repeat, first = losses["test_repeat_loss"], losses["test_first_loss"]
    assert repeat.sel(epoch=0) > 2.5 and repeat.sel(epoch=240) < 1.2
    assert first.min() > 2.8  # ln 20 = 3.0, and 64 rows are few
    assert losses["test_accuracy"].sel(epoch=240) > 0.6


def test_prefix_matching_rises_in_layer_1_and_previous_token_attention_in_layer_0(variant: Any) -> None:
    previous = variant.artifacts("transformer_library.previous_token_score")["score"].max("head")
    prefix = variant.artifacts("transformer_library.prefix_matching_score")["score"].max("head")
    assert prefix.sel(epoch=0, layer=1) < 0.2 and prefix.sel(epoch=240, layer=1) > 0.5
    assert prefix.sel(epoch=240, layer=0) < 0.3
    assert previous.sel(epoch=240, layer=0) > 1.5 * previous.sel(epoch=0, layer=0)


def test_the_formation_is_dated_within_the_fall(variant: Any) -> None:
    found = variant.artifacts("induction.formation")
    told = variant.artifacts("induction.loss_by_depth")["loss"].sel(depth=slice(2, None)).mean("depth")
    assert 20 <= float(found["bump"]) <= 200
    dated = np.interp(float(found["rise_loss"]), told["epoch"], told)
    assert dated == pytest.approx(float(told[0] + told[-1]) / 2, abs=0.01)
    assert float(found["lag"]) == pytest.approx(
        float(found["rise_prefix"] - found["rise_previous"]), abs=1e-3
    )


def test_every_panel_of_the_default_report_builds(root: Any, variant: Any) -> None:
    page = root / "report.html"
    done = run("-w", str(root), "report", "build", "default", variant.name, "--to", str(page))
    assert done.code == 0, done.err
    html = page.read_text(encoding="utf-8")
    report = json.loads((root / f"model_families/{FAMILY}/reports/default.json").read_text(encoding="utf-8"))
    assert html.count('<figure class="card') == len(report["panels"])
    assert html.count('<figure class="card ok"') == len(report["panels"])
