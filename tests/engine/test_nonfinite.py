"""NaN and infinity are stored, flagged wherever a result shows, and shown as missing; never averaged away."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from attrs import evolve

import mi
from mi import ArtifactNeed, Field, Output, Visualization, hookimpl
from mi.cli import cli
from mi.domain.report import Panel, Report, save_report
from mi.engine.analyze import analyze
from mi.errors import DataWarning
from mi.export.html import export_html
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import load_tensors, save_tensors
from mi.store.layout import VariantPaths
from mi.views.page import build_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

EPOCHS = (0, 50, 100, 200, 400)


def flags(variant: Any, id: str) -> dict[int | None, dict[str, int]]:
    return ArtifactReader(VariantPaths(variant.folder)).nonfinite("full", id)


def spoil(variant: Any, epoch: int, value: float) -> None:
    """One weight of a checkpoint becomes NaN or infinite."""
    file = VariantPaths(variant.folder).checkpoint(epoch)
    weights = load_tensors(file)
    inner = weights["inner"].clone()
    inner[0, 0] = value
    save_tensors(file, weights | {"inner": inner}, {})


def energy(tiny: Any, values: dict[int, float], **output: Any) -> None:
    """``tiny.energy`` gives these values at these epochs, 1 elsewhere."""
    tiny.ANALYZERS["tiny.energy"] = evolve(
        tiny.ANALYZERS["tiny.energy"],
        derived=(),
        weights=True,
        function=lambda data: {"energy": values.get(data.epoch, 1.0)},
        outputs={"energy": Output((), **output)},
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_stored_and_flagged(make: Any, value: float) -> None:
    variant = make()
    spoil(variant, 100, value)
    summary = analyze([variant])
    assert summary.failures == []
    data = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.means")
    assert list(data["epoch"].values) == list(EPOCHS)
    assert not np.isfinite(data["mean"].sel(epoch=100)[0])
    assert np.isfinite(data["mean"].drop_sel(epoch=100)).all()
    assert flags(variant, "tiny.means") == {100: {"mean": 1, "(weights)": 1}}
    assert flags(variant, "tiny.norms") == {100: {"norm": 1, "(weights)": 1}}
    assert list(flags(variant, "tiny.path")) == [None]  # made from what is not finite
    assert flags(variant, "tiny.path")[None]["(inputs)"] == 1
    assert summary.total.variant == ""
    assert set(summary.variants[0].nonfinite["tiny.grid"]) == {100}


def test_a_result_is_flagged_at_its_epoch_alone(make: Any, tiny: Any) -> None:
    energy(tiny, {50: float("inf"), 200: float("nan")})
    variant = make()
    summary = analyze([variant])
    assert flags(variant, "tiny.energy") == {50: {"energy": 1}, 200: {"energy": 1}}
    assert summary.variants[0].nonfinite == {"tiny.energy": [50, 200]}
    again = analyze([make()])
    assert again.variants[0].nonfinite == {"tiny.energy": [50, 200]}  # also where everything is fresh


def test_missing_is_ordinary_where_the_output_says_so_and_infinity_never_is(make: Any, tiny: Any) -> None:
    energy(tiny, {50: float("inf"), 200: float("nan")}, gaps=True)
    variant = make()
    analyze([variant])
    assert flags(variant, "tiny.energy") == {50: {"energy": 1}}


def test_a_flag_goes_with_its_epoch_and_stays_through_a_new_generation(make: Any, tiny: Any) -> None:
    energy(tiny, {0: float("nan"), 50: float("nan")})
    variant = make()
    analyze([variant])
    save_tensors(VariantPaths(variant.folder).checkpoint(50), {"x": torch.ones(1)}, {})
    energy(tiny, {0: float("nan")})
    from mi_tiny.code import weights_at

    save_tensors(VariantPaths(variant.folder).checkpoint(50), weights_at(variant.parameters, 51), {})
    analyze([make()])
    assert flags(variant, "tiny.energy") == {0: {"energy": 1}}
    analyze([make((*EPOCHS, 25))])  # a checkpoint in between: the group is laid anew
    assert flags(variant, "tiny.energy") == {0: {"energy": 1}}


def test_the_commands_say_so(make: Any, tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    energy(tiny, {50: float("inf"), 200: float("nan"), 400: float("nan")})
    variant = make(analyzers=["tiny.energy", "tiny.means"])
    where = ["-w", str(variant.workspace.root)]
    assert cli.run([*where, "analyze", variant.name]) == 0
    said = "3 epochs hold or come from non-finite values (epoch 50, 200, 400): "
    captured = capsys.readouterr()
    assert f"mi: {variant.name}: {said}tiny.energy" in captured.err
    assert cli.run([*where, "show", variant.name]) == 0
    assert f"{said}full/tiny.energy" in capsys.readouterr().out
    assert cli.run([*where, "show", variant.name, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {a["analyzer"]: a["nonfinite"] for a in row["artifacts"]} == {
        "tiny.energy": [50, 200, 400],
        "tiny.means": [],
    }


def bars_figure(sources: Any, context: Any, options: Any) -> Any:
    from mi.views.recipes import bars

    return bars(sources, context, "mean", x_label="unit", y="mean activation")


def map_figure(sources: Any, context: Any, options: Any) -> Any:
    from mi.views.recipes import heatmap

    return heatmap(sources, context, "logit", square=True, title="logit")


def mean_frame(data: Any, epoch: int, options: Any) -> dict[str, Any]:
    mean = data.at("tiny.means", epoch)["mean"]
    return {"mean": {"x": mean["unit"].values, "y": mean.values}}


def logit_frame(data: Any, epoch: int, options: Any) -> dict[str, Any]:
    return {"logit": data.at("tiny.grid", epoch)["logit"].values}


BARS = Visualization(
    id="tiny.bars",
    title="Means",
    reads=("tiny.means",),
    fields={"mean": Field("bars", ("unit",))},
    frame=mean_frame,
    figure=bars_figure,
)
MAP = Visualization(
    id="tiny.map",
    title="Logits",
    reads=("tiny.grid",),
    fields={"logit": Field("image", ("x", "klass"), scale="symmetric")},
    frame=logit_frame,
    figure=map_figure,
)


@hookimpl
def visualize(family: object) -> list[Visualization]:
    return [BARS, MAP]


@pytest.fixture
def shown(make: Any, tiny: Any) -> tuple[Any, Report]:
    """A variant whose checkpoint 100 holds an infinite weight, and a report on it."""
    tiny.visualize = visualize
    variant = make(analyzers=["tiny.means", "tiny.grid"])
    spoil(variant, 100, float("inf"))
    analyze([variant])
    panels = tuple(Panel(visualization=v.id, width=6) for v in (BARS, MAP))
    return make(analyzers=["tiny.means", "tiny.grid"]), Report(name="r", title="R", panels=panels)


SAID = "1 of 5 checkpoints holds or comes from non-finite values, shown as missing (epoch 100)."


def test_a_panel_says_so_and_shows_them_as_missing(shown: tuple[Any, Report]) -> None:
    bars, image = build_page(*shown).cards
    assert (bars.state, bars.sentence, image.state, image.sentence) == ("ok", SAID, "ok", SAID)
    assert bars.frames is not None and image.frames is not None and bars.stack is not None
    stored = bars.frames.exact(100)["mean"]["y"]  # type: ignore[index,call-overload]
    assert np.isinf(stored[0])  # what is stored stays exact
    drawn = bars.stack.data["mean/y"][2]
    assert np.isnan(drawn[0])
    assert np.isfinite(drawn[1:]).all()
    low, high = bars.frames.scales["mean"].low, bars.frames.scales["mean"].high
    assert np.isfinite([low, high]).all()  # one bad epoch does not blow up everybody's scale
    codes = image.frames.images["logit"]
    assert (codes[2] == 255).any()
    assert (codes[[0, 1, 3, 4]] != 255).all()


@pytest.mark.browser
def test_a_real_page_labels_it_and_draws_the_rest(
    shown: tuple[Any, Report], page: Page, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    export_html(*shown, target)
    page.goto(f"{target.as_uri()}#epoch=100")
    page.wait_for_function("window.__mi?.ready")
    for panel in (0, 1):
        card = page.locator(f"#card-panel-{panel}")
        assert SAID in card.inner_text()
        assert card.locator("canvas").count() > 0
    column = """([name, column]) => {
      for (const root of Bokeh.documents[0].roots())
        for (const model of root.references())
          if (model.name === name) return Array.from(model.get_column(column)).map((v) => Number.isFinite(v));
    }"""
    seen = []
    for moves in range(len(EPOCHS) + 1):
        seen.append(page.evaluate("__mi.epoch"))
        finite = page.evaluate(column, ["panel-0/mean", "y"])
        assert finite.count(False) == (1 if page.evaluate("__mi.epoch") == 100 else 0), moves
        page.keyboard.press("ArrowRight" if moves else "Home")
        page.wait_for_function("__mi.drawn === __mi.epoch")
    assert set(seen) == set(EPOCHS)


def test_a_flag_goes_on_to_what_is_made_from_it_at_the_same_checkpoint_and_at_the_reference(
    make: Any, tiny: Any
) -> None:
    """``tiny.gap`` hides it: a number made from one that is not finite, and finite itself."""
    energy(tiny, {50: float("nan"), 400: float("inf")})  # 400 is the reference
    tiny.ANALYZERS["tiny.gap"] = evolve(
        tiny.ANALYZERS["tiny.gap"], function=hidden, artifacts=(ArtifactNeed("tiny.energy"),)
    )
    tiny.ANALYZERS["tiny.far"] = evolve(
        tiny.ANALYZERS["tiny.gap"], id="tiny.far", artifacts=(ArtifactNeed("tiny.energy", at="reference"),)
    )
    variant = make(analyzers=["tiny.gap", "tiny.far"])
    summary = analyze([variant])
    assert summary.failures == []
    assert flags(variant, "tiny.gap") == {50: {"(inputs)": 1}, 400: {"(inputs)": 1}}
    assert flags(variant, "tiny.far") == {epoch: {"(inputs)": 1} for epoch in EPOCHS}
    # Also where the input was stored before, and is read back.
    tiny.ANALYZERS["tiny.gap"] = evolve(tiny.ANALYZERS["tiny.gap"], version=2)
    analyze([make(analyzers=["tiny.gap", "tiny.far"])])
    assert flags(variant, "tiny.gap") == {50: {"(inputs)": 1}, 400: {"(inputs)": 1}}


def hidden(data: Any) -> dict[str, Any]:
    """A number whatever the inputs are."""
    return {"gap": 1.0}


def test_weights_that_a_trajectory_reads_flag_it(make: Any, tiny: Any) -> None:
    tiny.ANALYZERS["tiny.drift"] = evolve(
        tiny.ANALYZERS["tiny.drift"], artifacts=(), function=drift_of_what_is_finite
    )
    variant = make(analyzers=["tiny.drift"])
    spoil(variant, 200, float("nan"))
    summary = analyze([variant])
    assert summary.failures == []
    assert flags(variant, "tiny.drift") == {None: {"(inputs)": 1}}


def drift_of_what_is_finite(data: Any) -> dict[str, Any]:
    """The norm of one matrix, without what is no number: silently averaged away, but for the flag."""
    return {"drift": [float(w["inner"].nan_to_num().norm()) for _, w in data.checkpoints()]}


@pytest.mark.parametrize(("epoch", "flagged"), [(100, False), (400, True)])
def test_what_reads_the_reference_alone_is_not_flagged_for_other_epochs(
    make: Any, tiny: Any, epoch: int, flagged: bool
) -> None:
    energy(tiny, {epoch: float("nan")})
    tiny.ANALYZERS["tiny.last"] = mi.Analyzer(
        id="tiny.last",
        version=1,
        title="The last energy",
        scope="trajectory",
        artifacts=(ArtifactNeed("tiny.energy", "reference"),),
        function=lambda data: {"known": float(np.isfinite(data.reference["tiny.energy"]["energy"]))},
        outputs={"known": Output(())},
    )
    variant = make(analyzers=["tiny.energy", "tiny.last"])
    assert analyze([variant]).failures == []
    assert set(flags(variant, "tiny.energy")) == {epoch}
    assert bool(flags(variant, "tiny.last")) is flagged


def test_a_dataset_says_at_which_epochs(make: Any, tiny: Any) -> None:
    energy(tiny, {50: float("inf"), 200: float("nan")})
    variant = make()
    spoil(variant, 400, float("nan"))
    analyze([variant])
    reader = ArtifactReader(VariantPaths(variant.folder))
    assert reader.dataset("full", "tiny.energy").attrs["nonfinite"] == [50, 200, 400]
    assert reader.dataset("full", "tiny.path").attrs["nonfinite"] == "all"
    analyze([make(root=variant.workspace.root.parent / "sound")])
    sound = ArtifactReader(VariantPaths(make(root=variant.workspace.root.parent / "sound").folder))
    assert "nonfinite" not in sound.dataset("full", "tiny.norms").attrs


def test_a_notebook_and_an_export_say_so(
    shown: tuple[Any, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variant, report = shown
    moment = mi.open(variant.workspace.root).variant(variant.id).at(0)
    with pytest.warns(DataWarning, match=re.escape(f"tiny.bars: {SAID}")):
        moment.view("tiny.bars")
    assert "nonfinite" in moment.artifacts("tiny.means").attrs
    save_report(report, variant.workspace.root / "model_families" / "tiny" / "reports")
    where = ["-w", str(variant.workspace.root)]
    assert cli.run([*where, "report", "build", "r", variant.name, "--to", str(tmp_path / "r.html")]) == 0
    assert capsys.readouterr().err.count(SAID) == 2
    assert SAID in (tmp_path / "r.html").read_text()
