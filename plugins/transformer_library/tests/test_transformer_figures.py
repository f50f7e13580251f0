"""What the figures show: the right numbers, in the right places, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bokeh.models import CategoricalAxis, FixedTicker
from handmade_circuits import SHAPE, induction
from transformer_kit import LIBRARY, drawn, place

from mi.domain.visualization import Visualization
from mi.engine.analyze import analyze
from mi.errors import MiError
from mi.lab.variant import LabVariant
from mi_transformer_library.plugin import ANALYZERS

ROWS = np.array([[5, 0, 1, 2, 3, 0, 1, 2], [5, 0, 3, 1, 2, 4, 0, 5]])
IDS = [a.id.split(".")[1] for a in ANALYZERS]


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An induction circuit that grows from noise: epoch 0 is drawn, epoch 1 made by hand."""
    root: Path = tmp_path_factory.mktemp("figures")
    made = place(root, SHAPE, [drawn(SHAPE), induction()], ROWS, uses={id: {} for id in IDS})
    assert analyze([made]).failures == []
    return made


def frame(variant: Any, name: str, epoch: int | None, **options: Any) -> Any:
    """The fields of a visualization at one epoch, or the static ones."""
    from mi.domain.values import check_options
    from mi.refs import resolve
    from mi.views.data import DataSource, ViewData

    view: Visualization = variant.workspace.host.visualizations(variant.family)[f"{LIBRARY}.{name}"]
    data = DataSource.of(variant).data(view)
    assert isinstance(data, ViewData)
    chosen = check_options(view.id, view.options, options)
    if epoch is None:
        return resolve(view.static)(data, chosen)
    return resolve(view.frame)(data, epoch, chosen)


def figure(variant: Any, name: str) -> Any:
    return LabVariant(variant).at(epoch=1).view(f"{LIBRARY}.{name}").figure()


def test_the_pattern_is_that_of_the_chosen_head(variant: Any) -> None:
    pattern = frame(variant, "attention_pattern", 1, layer=0, head=0)["pattern"]
    assert pattern.shape == (8, 8)
    np.testing.assert_allclose(pattern, np.eye(8, k=-1) + np.diag([1.0] + [0.0] * 7), atol=1e-5)
    with pytest.raises(MiError, match="head is 2, expected one from 0 to 1"):
        frame(variant, "attention_pattern", 1, layer=0, head=2)


def test_scores_stand_where_their_head_does(variant: Any) -> None:
    grid = frame(variant, "prefix_matching_score", 1)["score"]
    history = frame(variant, "prefix_matching_score_history", None)["history"]
    assert np.unravel_index(grid.argmax(), grid.shape) == (1, 0)
    np.testing.assert_array_equal(history[:, 1], grid.reshape(-1))
    axis = figure(variant, "prefix_matching_score_history").yaxis[0]
    assert list(axis.major_label_overrides.values()) == ["L0H0", "L0H1", "L1H0", "L1H1"]


def test_layers_and_heads_have_a_tick_each(variant: Any) -> None:
    plot = figure(variant, "copying_score")
    for axis in (plot.xaxis[0], plot.yaxis[0]):
        assert isinstance(axis.ticker, FixedTicker)
        assert axis.ticker.ticks == [0.0, 1.0]


def test_bars_are_named_by_component(variant: Any) -> None:
    bars = frame(variant, "direct_logit_attribution", 1)["bars"]
    plot = figure(variant, "direct_logit_attribution")
    assert isinstance(plot.xaxis[0], CategoricalAxis)
    names = ["embed", "pos_embed", "L0H0", "L0H1", "L1H0", "L1H1", "biases"]
    assert list(plot.x_range.factors) == list(bars["component"]) == names
    assert names[int(np.argmax(bars["contribution"]))] == "L1H0"


def test_a_kind_that_the_model_lacks_is_missing(variant: Any) -> None:
    residual = frame(variant, "activation_patching", 1)["recovery"]
    assert residual.shape == (2, 8)
    assert np.isfinite(residual).all()
    assert np.isnan(frame(variant, "activation_patching", 1, kind="mlp")["recovery"]).all()
    heads = frame(variant, "activation_patching_heads", 1, layer=1)["recovery"]
    assert np.isfinite(heads).all()


def test_the_lens_shows_the_chosen_quantity(variant: Any) -> None:
    loss, probability, rank = (
        frame(variant, "logit_lens", 1, quantity=q)["lens"] for q in ("loss", "probability", "rank")
    )
    assert loss.shape == probability.shape == rank.shape == (3, 7)
    assert (probability > 0).all() and (probability <= 1).all() and (rank <= 5).all()
    np.testing.assert_allclose(loss[-1], frame(variant, "position_loss", 1)["loss"]["loss"], rtol=1e-5)
