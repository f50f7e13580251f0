"""Pages: every panel becomes a card, and one that fails harms no other."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from bokeh.models import BoxAnnotation, ColumnDataSource, Legend, Span
from views.workshop import EPOCHS, WORKING, add_variant, report_of, write_right

from mi.domain.report import Panel
from mi.domain.workspace import Variant, Workspace
from mi.engine.epochs import spread
from mi.outcome import CLEANUP, FORMATION, MEMORIZATION, classify
from mi.store.layout import VariantPaths
from mi.store.losses import LossHistory, read_losses
from mi.views import theme
from mi.views.context import CURSOR
from mi.views.notes import render_notes
from mi.views.page import build_page


def test_every_working_panel_has_a_figure(variant: Variant) -> None:
    page = build_page(variant, report_of(*WORKING))
    assert [(c.state, c.sentence) for c in page.cards] == [("ok", "")] * len(WORKING)
    assert [root.name for root in page.roots] == [*(f"panel-{i}" for i in range(len(WORKING))), "mi-wire"]
    assert page.cards[0].provenance == ("probe full", "sample.answers v1", "12 checkpoints")
    assert page.cards[2].provenance == ("loss history", "12 checkpoints")


def test_failing_panels_say_why_and_harm_no_other(variant: Variant) -> None:
    page = build_page(variant, report_of("raises", "map", "exits", "unsendable", "curve", "nonesuch.x"))
    states = [card.state for card in page.cards]
    assert states == ["error", "ok", "error", "error", "missing", "unknown"]
    raises, _, exits, unsendable, curve, unknown = page.cards
    assert raises.sentence == "ZeroDivisionError: no <b>luck</b> at all"
    assert raises.plugin == "gallery (mi-gallery 1.0)"
    assert "raises_frame" in raises.details
    assert exits.sentence == "SystemExit: leaving"
    assert "cannot be sent to a browser" in unsendable.sentence
    assert curve.command == "mi analyze n7_seed0 --analyzers sample.curve"
    assert unknown.sentence.startswith("unknown visualization 'nonesuch.x'")
    assert len(page.roots) == 2
    assert [c.id for c in page.failed] == ["panel-0", "panel-2", "panel-3", "panel-4", "panel-5"]


def test_sentences_do_not_tell_where_the_workspace_lies(workspace: Workspace) -> None:
    variant = add_variant(workspace, seed=3)
    record = next((variant.folder / "commits/full/sample.answers").glob("*.json"))
    record.write_text("{")
    card = build_page(variant, report_of("map")).cards[0]
    assert card.state == "error"
    assert "damaged commit record" in card.sentence
    assert str(workspace.root) not in card.sentence


def test_options_of_a_panel_are_used_and_a_wrong_one_is_named(variant: Variant) -> None:
    report = report_of("map", "map", "map")
    panels = [
        evolve(p, options=o) for p, o in zip(report.panels, ({}, {"sign": -1}, {"sing": 1}), strict=True)
    ]
    plain, turned, wrong = build_page(variant, evolve(report, panels=tuple(panels))).cards
    assert plain.frames is not None and turned.frames is not None
    assert np.array_equal(plain.frames.exact(30)["map"], -turned.frames.exact(30)["map"])
    assert wrong.state == "error"
    assert "unknown option of visualization gallery.map 'sing': did you mean sign?" in wrong.sentence


def test_frames_are_made_once_for_all_pages(variant: Variant) -> None:
    first, second = (build_page(variant, report_of("map")).cards[0] for _ in range(2))
    assert first.frames is second.frames
    assert first.root is not second.root


def test_the_page_opens_at_the_nearest_checkpoint(variant: Variant) -> None:
    page = build_page(variant, report_of("map", "history"), epoch=130)
    assert page.epochs[page.position] == 150
    assert page.state.data["epoch"] == [150]
    spans = [m for root in page.roots for m in root.references() if isinstance(m, Span) and m.name == CURSOR]
    assert [span.location for span in spans] == [150]
    assert build_page(variant, report_of("map")).position == len(EPOCHS) - 1


def bands_of(root: object) -> list[tuple[str, float, float]]:
    """Colour, left and right of the tinted phases in a figure, each once, in order."""
    found = [m for m in root.references() if isinstance(m, BoxAnnotation) and m.name == theme.BAND]  # type: ignore[attr-defined]
    assert not any(band.syncable for band in found)
    return sorted({(band.fill_color, band.left, band.right) for band in found}, key=lambda band: band[1])


def test_phases_are_drawn_behind_every_axis_of_epochs_and_named_once(workspace: Workspace) -> None:
    variant = add_variant(workspace, size=11, losses=False)
    paths, t = VariantPaths(variant.folder), np.arange(EPOCHS[-1] + 1)
    history = LossHistory(paths, ("train_accuracy", "test_accuracy", "train_loss", "test_loss"), int(t[-1]))
    columns = {
        "train_accuracy": (t >= 60).astype(float),
        "test_accuracy": (t >= 350).astype(float),
        "train_loss": np.full(len(t), 1e-3),
        "test_loss": 4 / (1 + np.exp((t - 300) / 10)) + 1e-4,
    }
    history.record(t.tolist(), {name: values.tolist() for name, values in columns.items()})
    history.save()
    found = classify(read_losses(paths))
    onset = found.onset
    assert onset is not None
    assert 60 < onset < 300
    page = build_page(variant, report_of("core.losses", "history", "curves", "map"))
    assert [card.state for card in page.cards] == ["ok"] * 4
    losses, over_epochs, curves, at_the_cursor = (card.root for card in page.cards)
    colors = [theme.PHASE_COLORS[name] for name in (MEMORIZATION, FORMATION, CLEANUP)]
    wanted = list(zip(colors, (0, 60, onset), (60, onset, 350), strict=True))
    assert bands_of(losses) == bands_of(over_epochs) == bands_of(curves) == wanted
    assert bands_of(at_the_cursor) == []
    named = [
        item.label.value
        for legend in losses.references()
        if isinstance(legend, Legend)
        for item in legend.items
        if item.label.value in theme.PHASE_COLORS
    ]
    assert named == [MEMORIZATION, FORMATION, CLEANUP]


def test_without_accuracies_there_are_no_phases(variant: Variant) -> None:
    page = build_page(variant, report_of("core.losses", "history"))
    assert [bands_of(card.root) for card in page.cards] == [[], []]


def test_a_choice_of_epochs_keeps_the_true_indices(variant: Variant) -> None:
    spec = build_page(variant, report_of("map"), epochs=[500, 0, 100]).spec
    assert spec["epochs"] == [0, 100, 500]
    assert spec["indices"] == [0, 6, 11]
    assert spec["total"] == 12


def test_nothing_that_moves_is_synced(variant: Variant) -> None:
    page = build_page(variant, report_of(*WORKING))
    models = {m for root in page.roots for m in root.references()}
    synced = {m.name for m in models if isinstance(m, ColumnDataSource) and m.syncable}
    assert synced == {"mi-state"}
    assert not any(span.syncable for span in models if isinstance(span, Span))


def test_images_travel_as_bytes_and_columns_as_float32(variant: Variant) -> None:
    page = build_page(variant, report_of(*WORKING))
    dtypes = {
        column.dtype.name
        for card in page.cards
        if card.stack is not None
        for column in card.stack.data.values()
        if isinstance(column, np.ndarray)
    }
    assert dtypes == {"uint8", "float32"}


def test_exact_values_are_pushed_for_one_epoch(variant: Variant) -> None:
    page = build_page(variant, report_of("map", "bars"))
    page.push_exact(70)
    assert page.exact.data["epoch"] == [70]
    assert page.cards[0].frames is not None
    assert np.array_equal(page.exact.data["panel-0/map"][0], page.cards[0].frames.exact(70)["map"])


def test_epoch_columns_lie_at_true_epochs(variant: Variant) -> None:
    page = build_page(variant, report_of("history"))
    source = next(
        m
        for m in page.roots[0].references()
        if isinstance(m, ColumnDataSource) and m.name == "panel-0/history"
    )
    assert source.data["left"][:4].tolist() == [-5, 5, 15, 25]
    assert source.data["epoch"].tolist() == list(EPOCHS)


def test_gaps_are_said_with_the_command(workspace: Workspace) -> None:
    variant = add_variant(workspace, seed=4, analyzed=EPOCHS[:-2])
    card = build_page(variant, report_of("map")).cards[0]
    assert card.state == "ok"
    assert card.sentence == "No artifacts at 2 of 12 checkpoints (epoch 400, 500)."
    assert card.command == "mi analyze n7_seed4 --analyzers sample.answers"
    assert card.spec["missing"] == [10, 11]


def test_checkpoints_left_out_by_default_are_said_and_the_command_asks_for_them(workspace: Workspace) -> None:
    variant = add_variant(workspace, seed=8)
    write_right(variant, spread(EPOCHS, 5), "gallery.few")
    card = build_page(variant, report_of("few_history")).cards[0]
    said = "No artifacts at 7 of 12 checkpoints (epoch 10, 20, 50, 70, …); gallery.few runs at 5 by default."
    assert (card.state, card.sentence) == ("ok", said)
    assert card.command == "mi analyze n7_seed8 --analyzers gallery.few --epochs 0:500:1"
    assert card.root is not None
    columns = card.root.select_one({"name": "panel-0/history"}).data
    assert columns["epoch"].tolist() == [0, 30, 100, 200, 500]
    assert columns["left"].tolist() == [-15, 15, 65, 150, 350], "a column reaches halfway to its neighbours"


def test_a_variant_without_checkpoints_says_how_to_train_it(workspace: Workspace) -> None:
    variant = add_variant(workspace, seed=5, epochs=())
    page = build_page(variant, report_of("map", "curves"))
    assert [c.state for c in page.cards] == ["missing", "missing"]
    assert page.cards[0].command == "mi train sample_sums --set seed=5"
    assert page.spec["epochs"] == []


def test_a_variant_without_losses_says_how_to_train_it(workspace: Workspace) -> None:
    card = build_page(add_variant(workspace, seed=7, losses=False), report_of("curves")).cards[0]
    assert (card.state, card.sentence) == ("missing", "n7_seed7 has no losses yet.")
    assert card.command == "mi train sample_sums --set seed=7"


def test_one_checkpoint_is_a_page_too(workspace: Workspace) -> None:
    page = build_page(add_variant(workspace, seed=6, epochs=(0,)), report_of(*WORKING))
    assert [c.sentence for c in page.cards if c.state != "ok"] == []


def test_panel_titles_replace_the_visualizations(variant: Variant) -> None:
    report = evolve(report_of(), panels=(Panel(visualization="gallery.map", title="Mine", width=3),))
    card = build_page(variant, report).cards[0]
    assert (card.title, card.width) == ("Mine", 3)


@pytest.mark.parametrize(
    ("text", "there", "absent"),
    [
        ("a **b**", "<strong>b</strong>", "**"),
        ("<script>alert(1)</script>", "&lt;script&gt;", "<script"),
        ("[x](javascript:alert(1))", "[x]", "href"),
        ("[x](data:text/html,hi)", "[x]", "href"),
        ("[x](https://a.org)", 'href="https://a.org" rel="noopener noreferrer"', "javascript"),
        ("![x](https://a.org/b.png)", "", "<img"),
    ],
)
def test_notes_are_markdown_without_anything_that_runs(text: str, there: str, absent: str) -> None:
    html = render_notes(text)
    assert there in html
    assert absent not in html


def test_a_misspelt_analyzer_is_named_with_the_panels_plugin(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = variant.workspace.host.visualizations(variant.family)
    wrong = evolve(offered["gallery.map"], reads=("sample.answer",))
    monkeypatch.setitem(offered, "gallery.map", wrong)
    card = build_page(variant, report_of("map")).cards[0]
    assert (card.state, card.command) == ("error", "")
    assert card.sentence == (
        "visualization gallery.map of plugin gallery (mi-gallery 1.0) reads 'sample.answer', an analyzer "
        "that no plugin offers to family sample_sums (did you mean sample.answers?)"
    )
