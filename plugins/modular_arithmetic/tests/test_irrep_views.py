"""Figures of irreps, over a short training made by hand and analyzed by the real analyzers."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from bokeh.core.serialization import Serializer
from bokeh.models import HoverTool
from composition_kit import BY_ID, activations, analyze, code_of, standard_network
from pair_kit import grid

from mi.domain.values import check_options
from mi.refs import resolve
from mi.views.context import CURSOR, FigureContext, epoch_range
from mi.views.data import ViewData
from mi.views.frames import FrameSet, make_frames
from mi.views.palettes import ColorBook
from mi.views.sources import current_sources
from mi_modular_arithmetic.composition import VISUALIZATIONS
from mi_modular_arithmetic.composition.analyzers import MATRICES

EPOCHS = (0, 100, 400)
BY_NAME = {v.id.split(".")[1]: v for v in VISUALIZATIONS}
IRREPS = ("(2,1)", "(1,1,1)")
OF = BY_NAME["irrep_spectrum"].options["of"].choices


@cache
def artifacts() -> dict[str, xr.Dataset]:
    """Of weights that go from noise to the network of the standard representation."""
    code, goal = code_of(3), standard_network(3)
    generator = torch.Generator().manual_seed(0)
    noise = {n: torch.randn(w.shape, generator=generator, dtype=w.dtype) for n, w in goal.items()}
    stages = [{n: (1 - t) * noise[n] + t * goal[n] for n in goal} for t in (0.0, 0.5, 0.95)]
    known: dict[str, Any] = {**code.dimensions(), "matrix": MATRICES, "epoch": EPOCHS}
    found = {}
    for name, analyzer in BY_ID.items():
        last = activations(code, stages[-1])
        fve = torch.as_tensor(analyze("irrep_logits", code, stages[-1], last)["fve"])
        each = [analyze(name, code, W, activations(code, W), reference={"fve": fve}) for W in stages]
        variables = {
            o: (("epoch", *d.dims), np.stack([e[o] for e in each])) for o, d in analyzer.outputs.items()
        }
        used = {"epoch", *(dim for d in analyzer.outputs.values() for dim in d.dims)}
        found[analyzer.id] = xr.Dataset(variables, coords={d: np.asarray(list(known[d])) for d in used})
    return found


def draw(name: str, epoch: int = EPOCHS[-1], **options: Any) -> tuple[FrameSet, Any, FigureContext]:
    """Frames and figure."""
    view, code = BY_NAME[name], code_of(3)
    chosen = check_options(view.id, view.options, options)
    every = np.arange(EPOCHS[-1] + 1)
    falls = {name: ("epoch", np.exp(-every / 200)) for name in ("train_loss", "test_loss")}
    losses = xr.Dataset(falls, coords={"epoch": every})
    data = ViewData(
        variant="family/variant",
        parameters=code.parameters,
        dimensions=code.dimensions(),
        epochs=np.array(EPOCHS),
        artifacts={id: artifacts()[id] for id in view.reads},
        per_checkpoint=frozenset(view.reads),
        losses=losses if view.losses else None,
        probe_name="full",
        build_probe=lambda: grid(code),
        token="",
    )
    frames = make_frames(data, view, chosen)
    context = FigureContext(
        visualization=view,
        data=data,
        scales=frames.scales,
        extents=frames.extents,
        epoch=epoch,
        x_epochs=epoch_range(data.epochs),
        colors=ColorBook(),
    )
    figure = resolve(view.figure)(current_sources(frames, epoch, "panel-0"), context, chosen)
    return frames, figure, context


CASES = [
    (name, dict(zip(choices, picked, strict=True)))
    for name, view in BY_NAME.items()
    for choices in [{option: o.choices for option, o in view.options.items() if o.choices}]
    for picked in itertools.product(*choices.values())
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda x: str(x))
def test_it_draws_with_every_choice(name: str, options: dict[str, Any]) -> None:
    _, figure, _ = draw(name, **options)
    Serializer().encode(figure)
    assert figure.renderers and figure.select(HoverTool)
    assert figure.xaxis.axis_label and figure.yaxis.axis_label


@pytest.mark.parametrize("of", OF)
def test_bars_and_lines_are_the_artifacts(of: str) -> None:
    logits, neurons, weights = (
        artifacts()[f"modular_arithmetic.irrep_{name}"] for name in ("logits", "neurons", "weights")
    )
    expected = {
        "logits: characters": lambda: logits["fve"].values,
        "logits: answers": lambda: logits["share"].values,
        "neurons": lambda: np.nanmean(neurons["fraction"].values, axis=1),
    }.get(of, lambda: weights["share"].sel(matrix=of).values)()  # (epochs, irreps)
    frames, _, _ = draw("irrep_spectrum", of=of)
    for i, epoch in enumerate(EPOCHS):
        columns = frames.exact(epoch)["spectrum"]
        assert isinstance(columns, dict)
        assert tuple(columns["irrep"]) == IRREPS and columns["number"].tolist() == [1, 2]
        np.testing.assert_allclose(columns["y"], expected[i], rtol=1e-6)
    history = draw("irrep_history", of=of)[0].static["history"]
    assert isinstance(history, dict)
    np.testing.assert_allclose(history["epoch"], EPOCHS)
    for i in (0, 1):
        np.testing.assert_allclose(history[f"irrep {i + 1}"], expected[:, i], rtol=1e-6)


def test_one_irrep_has_one_colour_in_every_figure() -> None:
    _, bars, context = draw("irrep_spectrum")
    palette = bars.renderers[0].glyph.fill_color.transform.palette
    _, lines, _ = draw("irrep_history")
    drawn = [renderer.glyph.line_color for renderer in lines.renderers]
    assert list(palette) == drawn == [context.color_of(1), context.color_of(2)]
    assert bars.x_range.factors == list(IRREPS)
    assert [item.label.value for item in lines.legend[0].items] == list(IRREPS)


def test_neurons_keep_their_final_order_and_are_named() -> None:
    stored = artifacts()["modular_arithmetic.irrep_neurons"]
    final = stored.isel(epoch=-1)
    frames, figure, _ = draw("irrep_neurons")
    image = frames.exact(EPOCHS[-1])["spectrum"]
    labels = figure.select_one(HoverTool).formatters["$y"].args["labels"]
    order = [int(label) for label in labels]
    assert sorted(order) == list(range(16))
    assert (np.diff(final["dominant"].values[order]) >= 0).all(), "sorted by final irrep"
    for epoch in EPOCHS:
        np.testing.assert_allclose(
            frames.exact(epoch)["spectrum"], stored["fraction"].sel(epoch=epoch).values[order], rtol=1e-6
        )
    assert np.shape(image) == (16, 2)


def test_epoch_axes_carry_the_cursor() -> None:
    _, figure, context = draw("irrep_history", epoch=100)
    assert [cursor.location for cursor in figure.select({"name": CURSOR})] == [100]
    assert figure.x_range is context.x_epochs


def test_measures_are_the_losses_at_checkpoints_and_the_measures_themselves() -> None:
    columns = draw("irrep_progress")[0].static["measures"]
    assert isinstance(columns, dict)
    progress = artifacts()["modular_arithmetic.irrep_progress"]
    np.testing.assert_allclose(columns["test"], np.exp(-np.array(EPOCHS) / 200), rtol=1e-6)
    np.testing.assert_allclose(columns["restricted"], progress["restricted_loss_test"], rtol=1e-6)
    np.testing.assert_allclose(columns["excluded"], progress["excluded_loss_key"], rtol=1e-6)
