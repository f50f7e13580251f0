"""Streaming analyzers: batch by batch through the one pass, the same result in one batch and in many."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi import Analyzer, ArtifactNeed, Derived, Output, ProbeNeed, Site
from mi.engine import capture
from mi.engine.analyze import analyze
from mi.errors import ParameterError, PlanError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

BATCHES = Callable[[int], None]

MOMENTS = Analyzer(
    id="tiny.moments",
    version=1,
    title="Moments",
    function="mi_tiny.streams:Moments",
    streaming=True,
    sites=(Site("hook_hidden", -1), Site("hook_logits", -1)),
    probe=ProbeNeed(masks=("train",), labels=True),
    outputs={
        "mean": Output(("unit",), "float64"),
        "deviation": Output(("unit",), "float64"),
        "right": Output((), "int64", fill=-1),
    },
)


@pytest.fixture
def streams(tiny: Any) -> Any:
    """The module of streaming analyzers, one of which the plugin offers."""
    import mi_tiny.streams

    tiny.ANALYZERS[MOMENTS.id] = MOMENTS
    mi_tiny.streams.SEEN.clear()
    mi_tiny.streams.Whatever.steps = {}
    return mi_tiny.streams


@pytest.fixture
def in_batches(monkeypatch: pytest.MonkeyPatch) -> BATCHES:
    """``in_batches(rows)``: cut passes into batches of about so many rows."""
    return lambda rows: monkeypatch.setattr(capture.Resident, "rows_at_once", lambda self, trial: rows)


def stored(variant: Any, id: str = MOMENTS.id, epoch: int = 400) -> dict[str, np.ndarray]:
    return dict(ArtifactReader(VariantPaths(variant.folder)).at("full", id, epoch))


def expected(variant: Any, epoch: int) -> dict[str, np.ndarray]:
    from mi_tiny.code import weights_at

    x = np.arange(variant.parameters["size"])
    w = {name: t.double().numpy() for name, t in weights_at(variant.parameters, epoch).items()}
    hidden = np.maximum(w["embed"] @ w["inner"], 0)
    right = (hidden @ w["outer"]).argmax(1) == x * x % len(x)
    return {"mean": hidden.mean(0), "deviation": hidden.std(0), "right": right[x % 2 == 0].sum()}


@pytest.mark.parametrize("rows", [1, 3, 4, 11, 100])
def test_the_result_is_that_of_the_formula_however_the_probe_is_cut(
    make: Any, streams: Any, in_batches: BATCHES, rows: int
) -> None:
    in_batches(rows)
    variant = make(epochs=(0, 400), analyzers=[MOMENTS.id])
    summary = analyze([variant])
    assert summary.failures == []
    assert summary.total.forward_passes == 2
    for epoch in (0, 400):
        found = stored(variant, epoch=epoch)
        for name, values in expected(variant, epoch).items():
            np.testing.assert_allclose(found[name], values, rtol=2e-6, atol=1e-6, err_msg=name)
    slices = [rows for what, rows in streams.SEEN if what == "rows"]
    assert [i for s in slices[: len(slices) // 2] for i in range(11)[s]] == list(range(11))
    assert len(slices) == 2 * -(-11 // rows)


def test_the_same_batches_give_the_same_bits_and_are_recorded(
    make: Any, streams: Any, in_batches: BATCHES, tmp_path: Any
) -> None:
    in_batches(4)
    one, two = (make(analyzers=[MOMENTS.id, "tiny.norms"], root=tmp_path / n) for n in ("one", "two"))
    for variant in (one, two):
        assert analyze([variant]).failures == []
        made = {
            id: [record.get("batch") for _, record in _made(variant, id)] for id in (MOMENTS.id, "tiny.norms")
        }
        assert made == {MOMENTS.id: [4], "tiny.norms": [None]}  # weights alone: no batch had a part in it
    for name, values in stored(one).items():
        assert values.tobytes() == stored(two)[name].tobytes()


def _made(variant: Any, id: str) -> Any:
    from mi.store.commits import Commits

    return Commits.of(VariantPaths(variant.folder), "full", id).provenance()


def test_streaming_and_whole_probe_analyzers_share_one_pass_and_change_nothing_for_each_other(
    make: Any, streams: Any, in_batches: BATCHES, tmp_path: Any
) -> None:
    from mi_tiny.code import MODELS

    in_batches(4)
    whole = ["tiny.means", "tiny.energy", "tiny.grid", "tiny.gap"]
    apart = make(analyzers=whole, root=tmp_path / "apart")
    alone = make(analyzers=[MOMENTS.id], root=tmp_path / "alone")
    both = make(analyzers=[*whole, MOMENTS.id], root=tmp_path / "both")
    for variant in (apart, alone):
        analyze([variant])
    MODELS.clear()
    summary = analyze([both])
    assert summary.failures == []
    assert summary.total.forward_passes == 5
    [model] = MODELS
    assert sum(model.calls) == 5 * 11 + 2  # the plan's look at two rows
    for id in whole:
        for name, values in stored(both, id).items():
            assert values.tobytes() == stored(apart, id)[name].tobytes(), (id, name)
    for name, values in stored(both).items():
        assert values.tobytes() == stored(alone)[name].tobytes(), name


def test_only_what_whole_probe_analyzers_read_is_held(
    make: Any, streams: Any, in_batches: BATCHES, tiny: Any
) -> None:
    """Batches die before the next but one is made; what only streaming analyzers read is never joined."""
    batches: list[Any] = []
    held: list[set[str]] = []

    def update(state: Any, batch: Any) -> Any:
        alive = [ref for ref in batches if ref() is not None]
        assert len(alive) <= 1, f"{len(alive)} earlier batches are alive"
        batches.append(weakref.ref(batch.activations["hook_logits@-1"]))
        return streams.Moments().update(state, batch)

    def means(data: Any, power: int) -> dict[str, Any]:
        held.append(set(data.activations))
        return {"mean": data.site("hook_hidden", -1).mean(0), "dead": 0}

    streams.Whatever.steps = {"update": update}
    tiny.ANALYZERS[MOMENTS.id] = evolve(MOMENTS, function="mi_tiny.streams:Whatever")
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], function=means)
    in_batches(2)
    variant = make(epochs=(0,), analyzers=[MOMENTS.id, "tiny.means"])
    joined: list[set[str]] = []
    real = capture.joined

    def spy(parts: Any, length: int, device: str) -> Any:
        found = real(parts, length, device)
        joined.append(set(found))
        return found

    gc.disable()  # nothing may wait in a circle of references for the collector
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mi.engine.onepass.joined", spy)
            assert analyze([variant]).failures == []
    finally:
        gc.enable()
    assert len(batches) == 6
    assert held == [{"hook_hidden@-1"}]
    assert joined == [{"hook_hidden@-1"}]


@pytest.mark.parametrize(
    "step, said",
    [
        ("start", "raised ValueError: no good"),
        ("update", "raised ValueError: no good"),
        ("finish", "raised ValueError: no good"),
    ],
)
@pytest.mark.parametrize("rows", [4, 11])
def test_a_step_that_raises_loses_only_its_own(
    make: Any, streams: Any, tiny: Any, in_batches: BATCHES, step: str, said: str, rows: int
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("no good")

    streams.Whatever.steps = {step: fail}
    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function="mi_tiny.streams:Whatever")
    in_batches(rows)
    variant = make(epochs=(0, 400), analyzers=["tiny.bad", MOMENTS.id, "tiny.means"])
    summary = analyze([variant])
    assert [(f.analyzer, f.epoch) for f in summary.failures] == [("tiny.bad", 0), ("tiny.bad", 400)]
    assert said in summary.failures[0].message
    assert "analyzer tiny.bad of plugin tiny" in summary.failures[0].message
    assert "test_streaming.py" in summary.failures[0].details
    reader = ArtifactReader(VariantPaths(variant.folder))
    for id in (MOMENTS.id, "tiny.means"):
        assert reader.committed("full", id).keys() == {0, 400}
    assert not reader.committed("full", "tiny.bad")
    np.testing.assert_allclose(stored(variant)["mean"], expected(variant, 400)["mean"], rtol=1e-6)


@pytest.mark.parametrize(
    "steps, said",
    [
        ({"update": lambda state, batch: None}, "update returned None, expected the state for the next step"),
        ({"start": lambda data: None}, "start returned None, expected the state for the next step"),
        ({"finish": lambda state: state["sum"]}, "returned Tensor, expected a mapping of outputs to arrays"),
        ({"finish": lambda state: {"mean": state["sum"]}}, "did not return output 'deviation', 'right'"),
        ({"update": lambda state, batch: batch.site("hook_silent")}, "site hook_silent is read but not decl"),
        (
            {"start": lambda data: data.site("hook_hidden", -1)},
            "site hook_hidden@-1 is read but not declared",
        ),
        (
            {"start": lambda data: data.probe.tokens},
            "analyzer tiny.bad is streaming, so all rows at once are not there; read each batch's",
        ),
        ({"update": lambda state, batch: batch.weights["inner"]}, "weight 'inner' is read but not declared"),
    ],
)
def test_a_step_that_breaks_its_contract_is_told(
    make: Any, streams: Any, tiny: Any, steps: dict[str, Any], said: str
) -> None:
    streams.Whatever.steps = steps
    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function="mi_tiny.streams:Whatever")
    summary = analyze([make(epochs=(0,), analyzers=["tiny.bad", MOMENTS.id])])
    assert [f.analyzer for f in summary.failures] == ["tiny.bad"]
    assert said in summary.failures[0].message


@pytest.mark.parametrize("rows", [4, 11])
@pytest.mark.parametrize("through_numpy", [False, True])
def test_an_edit_of_a_batch_is_refused_and_reaches_nobody_else(
    make: Any, streams: Any, tiny: Any, in_batches: BATCHES, rows: int, through_numpy: bool
) -> None:
    def edit(state: Any, batch: Any) -> Any:
        hidden = batch.site("hook_hidden", -1)
        if through_numpy:
            hidden.numpy()[...] = 7
        else:
            hidden.fill_(7)
        return state

    streams.Whatever.steps = {"update": edit}
    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function="mi_tiny.streams:Whatever")
    in_batches(rows)
    variant = make(epochs=(400,), analyzers=["tiny.bad", MOMENTS.id, "tiny.means"])
    summary = analyze([variant])
    first = next(f for f in summary.failures if f.analyzer == "tiny.bad")
    assert "in place, which others read" in first.message or "Inplace update to inference" in first.message
    # The one after it would read what was spoiled: refused, and named. Those of the whole probe have a copy.
    others = {f.analyzer: f.message for f in summary.failures if f.analyzer != "tiny.bad"}
    assert set(others) == {MOMENTS.id}
    assert "analyzer tiny.bad changed site hook_hidden@-1 in place" in others[MOMENTS.id]
    np.testing.assert_allclose(
        stored(variant, "tiny.means")["mean"], expected(variant, 400)["mean"], rtol=1e-5
    )


def test_an_edit_of_the_batchs_own_arrays_is_told_and_mended(
    make: Any, streams: Any, tiny: Any, in_batches: BATCHES
) -> None:
    def edit(state: Any, batch: Any) -> Any:
        batch.probe.tokens[...] = 0
        return state

    streams.Whatever.steps = {"update": edit}
    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function="mi_tiny.streams:Whatever")
    in_batches(4)
    variant = make(epochs=(400,), analyzers=["tiny.bad", MOMENTS.id, "tiny.grid"])
    summary = analyze([variant])
    assert [f.analyzer for f in summary.failures] == ["tiny.bad"]
    assert "changed the probe's tokens in place" in summary.failures[0].message
    assert stored(variant)["right"] == expected(variant, 400)["right"]


def test_it_may_need_what_is_made_from_weights_and_shared_quantities_without_sites(
    make: Any, streams: Any, tiny: Any, in_batches: BATCHES
) -> None:
    norm = Derived(
        id="tiny.norm", version=1, weights=True, function=lambda data: data.weights["inner"].norm()
    )
    seen: list[Any] = []

    def start(data: Any) -> Any:
        seen.append((data.artifacts["tiny.norms"]["norm"][1], data.derived("tiny.norm"), data.rows))
        return streams.Moments().start(data)

    def update(state: Any, batch: Any) -> Any:
        assert batch.derived("tiny.norm") is seen[-1][1]
        assert batch.artifacts["tiny.norms"]["norm"].shape == (3,)
        assert batch.context["scale"] == 2.0
        logits = batch.model.run(batch.probe.tokens, sites=["hook_logits@-1"])["hook_logits@-1"]
        assert (logits - batch.site("hook_logits", -1)).abs().max() < 1e-5
        return streams.Moments().update(state, batch)

    streams.Whatever.steps = {"start": start, "update": update}
    tiny.ANALYZERS[MOMENTS.id] = evolve(
        MOMENTS,
        function="mi_tiny.streams:Whatever",
        artifacts=(ArtifactNeed("tiny.norms"),),
        derived=(norm,),
        context=("scale",),
        model=True,
    )
    in_batches(4)
    summary = analyze([make(epochs=(0, 400), analyzers=[MOMENTS.id])])
    assert summary.failures == []
    assert (summary.total.forward_passes, summary.total.own_passes) == (2, 6)
    assert len(seen) == 2
    for artifact, derived, rows in seen:
        assert float(artifact) == pytest.approx(float(derived), rel=1e-6)
        assert rows is None


def test_an_analyzer_that_needs_a_streaming_one_runs_after_it(
    make: Any, streams: Any, tiny: Any, in_batches: BATCHES
) -> None:
    tiny.ANALYZERS["tiny.after"] = Analyzer(
        id="tiny.after",
        version=1,
        title="After",
        function=lambda data: {"sum": data.artifacts[MOMENTS.id]["mean"].sum()},
        artifacts=(ArtifactNeed(MOMENTS.id),),
        outputs={"sum": Output((), "float64")},
    )
    in_batches(4)
    variant = make(epochs=(400,), analyzers=["tiny.after"])
    assert analyze([variant]).failures == []
    np.testing.assert_allclose(stored(variant, "tiny.after")["sum"], expected(variant, 400)["mean"].sum())


def test_one_value_a_row_is_stored_like_any_output(make: Any, row_logits: str, in_batches: BATCHES) -> None:
    from mi_tiny.code import weights_at

    in_batches(4)
    variant = make(epochs=(400,), analyzers=[row_logits])
    assert analyze([variant]).failures == []
    w = weights_at(variant.parameters, 400)
    logits = (w["embed"] @ w["inner"]).relu() @ w["outer"]
    np.testing.assert_allclose(stored(variant, row_logits)["top"], logits.amax(1), rtol=1e-5)


REFUSED = {
    "trajectory": ({"scope": "trajectory"}, "its scope is 'trajectory', expected 'checkpoint'"),
    "no site": ({"sites": ()}, "it declares no site, so there are no batches to see"),
    "derived": (
        {"derived": (Derived(id="tiny.d", version=1, function=len, sites=(Site("hook_hidden"),)),)},
        "derived quantity tiny.d is made from activations of all rows at once",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_needs_all_rows_at_once_cannot_be_declared(case: str) -> None:
    change, said = REFUSED[case]
    with pytest.raises(ParameterError) as caught:
        evolve(MOMENTS, **change)
    assert str(caught.value) == f"analyzer tiny.moments cannot be streaming: {said}"


def test_gradients_cannot_be_declared() -> None:
    from mi import GradientNeed

    with pytest.raises(ParameterError, match="cannot be streaming: gradients are over all rows at once"):
        evolve(MOMENTS, gradients=(GradientNeed(weights=True),))


def test_artifacts_that_the_same_pass_makes_cannot_be_needed(make: Any, streams: Any, tiny: Any) -> None:
    tiny.ANALYZERS[MOMENTS.id] = evolve(MOMENTS, artifacts=(ArtifactNeed("tiny.gap", at="reference"),))
    with pytest.raises(PlanError) as caught:
        analyze([make(analyzers=[MOMENTS.id])])
    assert str(caught.value) == (
        "analyzer tiny.moments is streaming and needs tiny.gap, but tiny.means reads activations, so its "
        "result is there only after the pass; a streaming analyzer may need what is made from weights"
    )


def test_a_class_that_lacks_a_step_is_refused_before_any_work(make: Any, streams: Any, tiny: Any) -> None:
    class NoFinish:
        def start(self, data: Any) -> Any: ...
        def update(self, state: Any, batch: Any) -> Any: ...

    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function=NoFinish)
    with pytest.raises(PlanError, match=r"analyzer tiny\.bad: NoFinish has no finish, expected start"):
        analyze([make(analyzers=["tiny.bad"])], analyzers=["tiny.bad"])
    tiny.ANALYZERS["tiny.bad"] = evolve(MOMENTS, id="tiny.bad", function=lambda: NoFinish())
    summary = analyze([make(analyzers=["tiny.bad", MOMENTS.id])])  # a factory is known only when it is called
    assert {f.analyzer for f in summary.failures} == {"tiny.bad"}
    assert "NoFinish has no finish" in summary.failures[0].message


def test_becoming_streaming_makes_results_stale(make: Any, streams: Any, tiny: Any) -> None:
    variant = make(epochs=(0,), analyzers=[MOMENTS.id])
    analyze([variant])
    assert analyze([make(epochs=(0,), analyzers=[MOMENTS.id])]).total.computed == 0
    tiny.ANALYZERS[MOMENTS.id] = evolve(MOMENTS, streaming=False, function=lambda data: {})
    assert analyze([make(epochs=(0,), analyzers=[MOMENTS.id])]).total.fresh == 0


def test_kept_activations_are_read_in_the_batches_of_the_pass_without_a_model(
    make: Any, streams: Any, in_batches: BATCHES, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mi_tiny.code

    in_batches(4)
    straight = make(epochs=(0, 400), analyzers=[MOMENTS.id], root=tmp_path / "straight")
    analyze([straight])
    variant = make(epochs=(0, 400), analyzers=["tiny.norms"])
    analyze([variant], keep=["hook_hidden@-1", "hook_logits@-1"])
    shutil.rmtree(VariantPaths(variant.folder).checkpoints)
    monkeypatch.setattr(mi_tiny.code.TinyMlp, "build_model", None)
    streams.SEEN.clear()
    variant = make(epochs=(), analyzers=[MOMENTS.id])
    summary = analyze([variant])
    assert (summary.failures, summary.total.forward_passes) == ([], 0)
    slices = [rows for what, rows in streams.SEEN if what == "rows"]
    assert slices == [slice(0, 3), slice(3, 7), slice(7, 11)] * 2
    for epoch in (0, 400):
        found = stored(variant, epoch=epoch)
        for name, values in stored(straight, epoch=epoch).items():
            assert found[name].tobytes() == values.tobytes(), name
