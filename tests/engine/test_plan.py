"""What cannot be done as asked is said in one sentence before any work."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
from attrs import evolve

from mi.domain.needs import ArtifactNeed, ProbeNeed
from mi.domain.output import Output
from mi.domain.site import Site
from mi.engine.analyze import analyze
from mi.engine.plan import make_plan
from mi.engine.session import Session
from mi.errors import (
    MiError,
    NotApplicableError,
    ParameterError,
    PlanError,
    PluginError,
    UnknownNameError,
)
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths


def refused(variant: Any, error: type[MiError], sentence: str, **settings: Any) -> None:
    """The call raises and leaves nothing behind."""
    from mi_tiny.analyzers import CALLS

    with pytest.raises(error, match=sentence):
        analyze([variant], **settings)
    paths = VariantPaths(variant.folder)
    assert not paths.artifacts.exists()
    assert not paths.commits.exists()
    assert CALLS == {}


def rest_runs(variant: Any, id: str, sentence: str, victims: tuple[str, ...] = ()) -> None:
    """The family's other analyzers run; the bad one and what needs it fail in one line each."""
    summary = analyze([variant])
    said = {failure.analyzer: failure.message for failure in summary.failures}
    assert set(said) == {id, *victims}
    assert len(said) == len(summary.failures)
    file, plugin = "model_families/tiny/family.json: analyzer", "of plugin tiny (mi-tiny 1.0): "
    assert said[id].startswith(f"{file} {id} {plugin}")
    assert re.search(sentence, said[id])
    for victim in victims:
        assert said[victim].startswith(f"{file} {victim} {plugin}skipped, because tiny.")
        assert said[victim].endswith(" is broken")
    log = json.loads(VariantPaths(variant.folder).log.read_text().splitlines()[-1])
    assert len(log["analyzers"]) == 8 - len(said)
    assert ArtifactReader(VariantPaths(variant.folder)).committed("full", "tiny.share").keys() == {
        0, 50, 100, 200, 400
    }  # fmt: skip
    shutil.rmtree(VariantPaths(variant.folder).artifacts)
    shutil.rmtree(VariantPaths(variant.folder).commits)
    forget()


def forget() -> None:
    """Counted calls are none again."""
    from mi_tiny.analyzers import CALLS

    CALLS.clear()


def change(tiny: Any, id: str, **changes: Any) -> None:
    tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], **changes)


def test_unknown_names_are_said_with_the_nearest(make: Any) -> None:
    variant = make()
    refused(variant, UnknownNameError, r"'tiny\.maens': did you mean tiny\.means", analyzers=["tiny.maens"])
    refused(variant, UnknownNameError, "'ful': did you mean full", probe="ful")
    refused(
        variant,
        UnknownNameError,
        r"no checkpoint at epoch 60; the nearest are 50 \(checkpoint 1\)",
        epochs="60",
    )
    refused(variant, UnknownNameError, "no checkpoint at epoch 7;", epochs=[0, 7])
    refused(variant, UnknownNameError, "there are 5, from epoch 0 to 400", epochs="10:40:10")
    refused(variant, ParameterError, "expected an epoch or START:STOP:STEP", epochs="first")


def test_a_variant_without_checkpoints_is_said(make: Any) -> None:
    refused(make(epochs=()), UnknownNameError, "has no checkpoints yet")


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        (Site("hook_hiden", -1), "the model has no hook 'hook_hiden'; did you mean hook_hidden"),
        (Site("hook_silent"), "hook_silent: the hook exists but never fires"),
        (Site("hook_hidden", 2), r"the position is outside 0\.\.1"),
    ],
)
def test_a_site_that_cannot_be_captured_is_refused_even_beside_good_ones(
    make: Any, tiny: Any, site: Site, sentence: str
) -> None:
    """A filter that lists a misspelt hook beside a valid one drops it in silence."""
    change(tiny, "tiny.means", sites=(Site("hook_logits", -1), site))
    refused(make(), PlanError, f"analyzer tiny.means: .*{sentence}", analyzers=["tiny.means", "tiny.energy"])
    refused(make(), PlanError, sentence, analyzers=["tiny.gap"])  # what it needs counts as asked for
    rest_runs(make(), "tiny.means", sentence, victims=("tiny.gap", "tiny.path", "tiny.drift"))


def test_a_misspelt_site_option_is_refused(make: Any, tiny: Any) -> None:
    from mi.domain.values import Option

    options = {"where": Option(type="str", default="hook_hidden@-1")}
    change(tiny, "tiny.energy", site_options=("where",), options=options)
    for where, sentence in (
        ("hook_hidden@last", "the position is 'last'"),
        ("hook_hiddn", "has no hook 'hook_hiddn'"),
        ("hook_hiddn*", "no hook of the model matches"),
    ):
        variant = make(options={"tiny.energy": {"where": where}})
        refused(variant, PlanError, sentence, analyzers=["tiny.energy"])
        rest_runs(variant, "tiny.energy", sentence)


def test_needs_that_cannot_be_met_are_refused(make: Any, tiny: Any) -> None:
    change(tiny, "tiny.energy", artifacts=(ArtifactNeed("tiny.mean"),))
    refused(
        make(), PlanError, r"tiny\.energy needs tiny\.mean, which no plugin offers; did you mean tiny\.means"
    )
    change(tiny, "tiny.energy", artifacts=(ArtifactNeed("tiny.path"),))
    refused(make(), PlanError, r"needs tiny\.path \(scope trajectory\)")
    change(tiny, "tiny.energy", artifacts=())
    change(tiny, "tiny.path", artifacts=(ArtifactNeed("tiny.means"),))
    refused(make(), PlanError, "expected 'all' or 'reference'")


@pytest.mark.parametrize("at", ["checkpoint", "reference"])
def test_a_circle_of_needs_is_refused(make: Any, tiny: Any, at: str) -> None:
    change(tiny, "tiny.means", artifacts=(ArtifactNeed("tiny.gap", at=at),))
    refused(make(), PlanError, r"need one another: tiny\.means → tiny\.gap → tiny\.means")


def test_declarations_that_cannot_be_stored_are_refused(make: Any, tiny: Any) -> None:
    for outputs, sentence in (
        ({"energy": Output(("unti",))}, "dimension 'unti' of output 'energy' is unknown; did you mean unit"),
        ({"energy": Output(("epoch",))}, "cannot have the dimension 'epoch'"),
        ({"energy": Output((), "float31")}, "dtype 'float31', expected a number type"),
        ({"energy": Output((), "int8")}, "must declare its `fill` sentinel"),
        ({"unit": Output(("unit",))}, "output 'unit' has the name of a dimension"),
        ({"../x": Output(())}, "expected letters, digits"),
    ):
        change(tiny, "tiny.energy", outputs=outputs)
        refused(make(), MiError, sentence, analyzers=["tiny.energy"])
    rest_runs(make(), "tiny.energy", sentence)


def test_a_bad_dimension_of_a_trajectory_is_said_beside_the_axis_of_epochs(make: Any, tiny: Any) -> None:
    change(tiny, "tiny.path", outputs={"step": Output(("epochs",))})
    variant = make()
    refused(variant, PlanError, "dimension 'epochs' .*; did you mean epoch\\?", analyzers=["tiny.path"])
    rest_runs(variant, "tiny.path", r"did you mean epoch\?", victims=("tiny.drift",))
    change(tiny, "tiny.path", outputs={"step": Output(("zzz",))})
    plan = make_plan(Session(), make(), analyzers=None)
    assert plan.broken["tiny.path"].endswith("; known: epoch, klass, row, unit, x")


def test_strict_mode_stops_at_a_bad_declaration(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    change(tiny, "tiny.energy", outputs={"energy": Output(("unti",))})
    refused(make(), PluginError, r"analyzer tiny\.energy of plugin tiny \(mi-tiny 1\.0\): dimension 'unti'")
    change(tiny, "tiny.energy", outputs={"energy": Output(())}, sites=(Site("hook_hiden"),))
    refused(make(), PluginError, r"tiny\.energy of plugin tiny \(mi-tiny 1\.0\): site hook_hiden: the model")


def test_a_model_that_cannot_be_built_is_no_analyzers_fault(make: Any, tiny: Any) -> None:
    import mi_tiny.code

    def build(code: Any, device: str) -> Any:
        raise RuntimeError("no room")

    mi_tiny.code.TinyMlp.build_model = build  # the module is thrown away after the test
    change(tiny, "tiny.energy", sites=(Site("hook_*"),))
    refused(make(), PlanError, r"n11_seed0: the model cannot be built on cpu \(RuntimeError: no room\)")


def test_context_that_the_family_does_not_have_is_refused(make: Any, tiny: Any) -> None:
    change(tiny, "tiny.energy", context=("tabel",))
    refused(make(), PlanError, "'tabel': did you mean table", analyzers=["tiny.energy"])
    rest_runs(make(), "tiny.energy", "'tabel': did you mean table")


def test_a_probe_that_does_not_fit_skips_what_is_listed_and_refuses_what_is_named(make: Any) -> None:
    variant = make()
    refused(
        variant,
        PlanError,
        r"tiny\.grid on probe few: not applicable: needs the complete grid \(x\)",
        probe="few",
        analyzers=["tiny.grid"],
    )
    assert analyze([variant], probe="few").variants[0].skipped == {
        "tiny.grid": "not applicable: needs the complete grid (x)"
    }


def test_what_needs_an_analyzer_that_does_not_apply_is_skipped_too(make: Any, tiny: Any) -> None:
    change(tiny, "tiny.means", probe=ProbeNeed(masks=("held_out",)))
    summary = analyze([make()])
    reason = "not applicable: needs the mask 'held_out'"
    assert summary.variants[0].skipped["tiny.means"] == reason
    assert summary.variants[0].skipped["tiny.gap"] == f"needs tiny.means, which is {reason}"
    assert summary.failures == []


def test_an_analyzer_may_say_itself_that_it_does_not_apply(make: Any, tiny: Any) -> None:
    def never(subject: Any, **options: Any) -> Any:
        raise NotApplicableError("not applicable: no token occurs twice")

    change(tiny, "tiny.means", coordinates=never)
    variant = make()
    sentence = r"analyzer tiny\.means on probe full: not applicable: no token occurs twice"
    refused(variant, PlanError, sentence, analyzers=["tiny.means"])
    summary = analyze([variant])
    assert summary.failures == []
    assert summary.variants[0].skipped["tiny.means"] == "not applicable: no token occurs twice"
    assert summary.variants[0].skipped["tiny.gap"].startswith("needs tiny.means, which is not applicable")
    assert summary.total.computed > 0


def test_a_listed_analyzer_that_nobody_offers_fails_the_command_at_its_end(make: Any, tiny: Any) -> None:
    variant = make(analyzers=["tiny.energy", "gone.away"])
    summary = analyze([variant])
    assert "unknown analyzer of family tiny 'gone.away'" in summary.failures[0].message
    assert summary.total.computed == 5


def test_one_bad_variant_stops_all_before_any_work(make: Any) -> None:
    good, empty = make(), make(epochs=(), seed=5)
    with pytest.raises(UnknownNameError, match="no checkpoints yet"):
        analyze([good, empty])
    assert not VariantPaths(good.folder).artifacts.exists()


def test_functions_that_cannot_be_imported_are_known_before_any_work(make: Any, tiny: Any) -> None:
    analyzers = tiny.ANALYZERS
    gone = evolve(tiny.SQUARE, function="mi_tiny.analyzers:gone")
    analyzers["tiny.means"] = evolve(analyzers["tiny.means"], function="nowhere.at_all:f")
    analyzers["tiny.share"] = evolve(analyzers["tiny.share"], derived=(gone,))
    plan = make_plan(Session(), make())
    assert plan.broken.keys() == {"tiny.means", "tiny.gap", "tiny.path", "tiny.drift", "tiny.share"}
    assert "cannot load 'nowhere.at_all:f': ModuleNotFoundError" in plan.broken["tiny.means"]
    assert "tiny.means is broken" in plan.broken["tiny.path"]
    assert "cannot load 'mi_tiny.analyzers:gone': AttributeError" in plan.broken["tiny.share"]
    assert [id for id, work in plan.work.items() if work.stale] == ["tiny.energy", "tiny.grid", "tiny.norms"]
    with pytest.raises(PlanError, match=r"analyzer tiny\.means: cannot load 'nowhere\.at_all:f'"):
        make_plan(Session(), make(), analyzers=["tiny.gap"])


def test_a_trajectorys_function_is_tried_when_what_it_needs_is_stale(make: Any, tiny: Any) -> None:
    tiny.ANALYZERS["tiny.drift"] = evolve(tiny.ANALYZERS["tiny.drift"], function="nowhere.at_all:f")
    variant = make()
    assert make_plan(Session(), variant).broken.keys() == {"tiny.drift"}
    summary = analyze([variant])
    assert [failure.analyzer for failure in summary.failures] == ["tiny.drift"]
    assert summary.total.computed == 5 * len(tiny.ANALYZERS.keys() - {"tiny.path", "tiny.drift"}) + 1


def test_where_all_is_fresh_no_function_is_looked_for(make: Any, tiny: Any) -> None:
    variant = make()
    assert analyze([variant]).failures == []
    for id, one in list(tiny.ANALYZERS.items()):
        tiny.ANALYZERS[id] = evolve(one, function="nowhere.at_all:f")
    summary = analyze([make()])
    assert (summary.failures, summary.total.computed) == ([], 0)
    tiny.ANALYZERS["tiny.drift"] = evolve(tiny.ANALYZERS["tiny.drift"], version=2)
    [failure] = analyze([make()]).failures  # and of a trajectory alone, when its turn comes
    assert failure.message.startswith("analyzer tiny.drift of plugin tiny")
    assert failure.message.count("tiny.drift") == 1
    assert "cannot load 'nowhere.at_all:f'" in failure.message
