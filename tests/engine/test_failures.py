"""What goes wrong loses only itself, is named, and fails the command at its end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi.domain.needs import ArtifactNeed, Derived
from mi.domain.output import Output
from mi.domain.site import Site
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

EPOCHS = (0, 50, 100, 200, 400)


def committed(variant: Any, id: str) -> list[int]:
    return list(ArtifactReader(VariantPaths(variant.folder)).committed("full", id))


def swap(tiny: Any, id: str, function: Any, **changes: Any) -> None:
    """Replace an analyzer's function by a hostile one."""
    tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], function=function, **changes)


def messages(summary: AnalysisSummary) -> list[str]:
    return [failure.message for failure in summary.failures]


def test_an_analyzer_that_raises_at_one_checkpoint_loses_that_and_its_dependents(
    make: Any, tiny: Any
) -> None:
    from mi_tiny.analyzers import means

    def fragile(data: Any, power: int) -> Any:
        if data.epoch == 100:
            raise ZeroDivisionError("no luck")
        return means(data, power)

    swap(tiny, "tiny.means", fragile)
    variant = make()
    summary = analyze([variant])
    line = fragile.__code__.co_firstlineno + 2
    assert messages(summary) == [
        "analyzer tiny.means of plugin tiny (mi-tiny 1.0) at epoch 100: raised ZeroDivisionError: no luck "
        f"(tests/engine/test_failures.py, line {line})",
        "analyzer tiny.gap at epoch 100: skipped, because tiny.means failed there",
    ]
    rest = [e for e in EPOCHS if e != 100]
    assert committed(variant, "tiny.means") == committed(variant, "tiny.gap") == rest
    assert committed(variant, "tiny.grid") == list(EPOCHS)
    path = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.path")
    assert path["epoch"].values.tolist() == rest
    assert ", 2 failures" in summary.line()
    again = analyze([make()])  # only what is missing is tried again
    assert again.total.forward_passes == 1
    assert len(again.failures) == 2


def test_a_failure_at_the_reference_skips_the_dependents_everywhere(make: Any, tiny: Any) -> None:
    from mi_tiny.analyzers import means

    def fragile(data: Any, power: int) -> Any:
        if data.epoch == 400:
            raise ValueError("at the end")
        return means(data, power)

    swap(tiny, "tiny.means", fragile)
    variant = make()
    told = messages(analyze([variant], analyzers=["tiny.gap", "tiny.grid"]))
    assert len(told) == 1 + len(EPOCHS)
    why = "because tiny.means failed at the reference checkpoint, epoch 400"
    assert f"analyzer tiny.gap at epoch 50: skipped, {why}" in told
    assert committed(variant, "tiny.gap") == []
    assert committed(variant, "tiny.grid") == list(EPOCHS)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"energy": 1.0, "extra": 2.0}, "returned undeclared output 'extra'"),
        ({}, "did not return output 'energy'"),
        ({"energy": np.zeros(3)}, r"output 'energy' has shape \(3,\), expected \(\)"),
        ({"energy": 1 + 2j}, "output 'energy' has dtype complex128, expected float32"),
        ({"energy": "a lot"}, "output 'energy' is no array"),
        (None, "returned NoneType, expected a mapping of outputs to arrays"),
    ],
)
def test_a_result_that_was_not_declared_is_refused(make: Any, tiny: Any, result: Any, sentence: str) -> None:
    swap(tiny, "tiny.energy", lambda data: result)
    variant = make()
    summary = analyze([variant], analyzers=["tiny.energy", "tiny.norms"], epochs=[0])
    assert len(summary.failures) == 1
    with pytest.raises(Exception, match=sentence):
        raise Exception(messages(summary)[0])
    assert "tiny.energy of plugin tiny (mi-tiny 1.0)" in messages(summary)[0]
    assert committed(variant, "tiny.energy") == []
    assert committed(variant, "tiny.norms") == [0]


def test_numbers_that_the_dtype_cannot_hold_are_refused(make: Any, tiny: Any) -> None:
    outputs = {"energy": Output((), "int8", fill=-1)}
    swap(tiny, "tiny.energy", lambda data: {"energy": 300}, outputs=outputs)
    told = messages(analyze([make()], analyzers=["tiny.energy"], epochs=[0]))
    assert told[0].endswith("output 'energy' holds numbers that int8 cannot")


def edit_site(data: Any) -> Any:
    data.site("hook_hidden", -1).mul_(2)
    return {"energy": 0.0}


def edit_site_by_numpy(data: Any) -> Any:
    data.site("hook_hidden", -1).numpy()[:] = 7
    return {"energy": 0.0}


def edit_weights(data: Any) -> Any:
    data.weights["inner"].zero_()
    return {"energy": 0.0}


def edit_weights_by_numpy(data: Any) -> Any:
    data.weights["inner"].numpy()[0] += 1
    return {"energy": 0.0}


def edit_context(data: Any) -> Any:
    np.random.default_rng(0).shuffle(data.context["table"])
    return {"energy": 0.0}


def edit_labels(data: Any) -> Any:
    data.probe.labels[0] += 1
    return {"energy": 0.0}


def edit_derived(data: Any) -> Any:
    data.derived("tiny.square").zero_()
    return {"energy": 0.0}


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (edit_site, "Inplace update to inference tensor"),
        (edit_site_by_numpy, "changed site hook_hidden@-1 in place"),
        (edit_weights, "Inplace update to inference tensor"),
        (edit_weights_by_numpy, "changed weights inner in place"),
        (edit_context, "changed context value table in place"),
        (edit_labels, "changed the probe's labels in place"),
        (edit_derived, "changed tiny.square in place"),
    ],
)
def test_an_edit_in_place_is_refused_and_its_author_named(
    make: Any, tiny: Any, function: Any, sentence: str
) -> None:
    changes = {"sites": (Site("hook_hidden", -1),), "weights": True, "context": ("table",)}
    swap(tiny, "tiny.energy", function, **changes)
    variant = make()
    summary = analyze([variant], analyzers=["tiny.energy", "tiny.share"], epochs=[50])
    assert summary.failures[0].analyzer == "tiny.energy"
    assert sentence in messages(summary)[0]
    assert "at epoch 50" in messages(summary)[0]
    assert committed(variant, "tiny.energy") == []
    if function in (edit_site, edit_site_by_numpy):  # the sibling reads that site, so it does not run
        assert messages(summary)[1].endswith(
            "cannot run, because analyzer tiny.energy changed site hook_hidden@-1 in place"
        )
        assert committed(variant, "tiny.share") == []
        return
    assert len(summary.failures) == 1
    clean = make(root=variant.workspace.root.parent / "clean")
    analyze([clean], analyzers=["tiny.share"], epochs=[50])
    readers = [ArtifactReader(VariantPaths(v.folder)) for v in (variant, clean)]
    one, other = (reader.at("full", "tiny.share", 50)["share"] for reader in readers)
    np.testing.assert_array_equal(one, other)


def test_what_an_analyzer_changed_is_whole_again_at_the_next_checkpoint(make: Any, tiny: Any) -> None:
    def once(data: Any) -> Any:
        if data.epoch == 50:
            edit_context(data)
            edit_site(data)
        return {"energy": float(data.context["table"][1])}

    swap(tiny, "tiny.energy", once, sites=(Site("hook_hidden", -1),), context=("table",))
    variant = make()
    summary = analyze([variant], analyzers=["tiny.energy", "tiny.share"])
    assert {f.epoch for f in summary.failures} == {50}
    energy = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.energy")["energy"]
    assert energy.values.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda data: data.site("hook_logits", -1).sum(), "site hook_logits@-1"),
        (lambda data: data.weights["inner"].sum(), "weight 'inner'"),
        (lambda data: data.context["table"].sum(), "context value 'table'"),
        (lambda data: data.derived("tiny.cube"), "derived quantity 'tiny.cube'"),
        (lambda data: data.artifacts["tiny.means"]["mean"], "artifact 'tiny.means'"),
    ],
)
def test_what_is_not_declared_cannot_be_read(make: Any, tiny: Any, read: Any, what: str) -> None:
    """What is read without being declared would be missing from the fingerprint."""
    swap(tiny, "tiny.energy", lambda data: {"energy": read(data)})
    assert (
        f"{what} is read but not declared"
        in messages(analyze([make()], analyzers=["tiny.energy"], epochs=[0]))[0]
    )


def test_a_derived_quantity_that_raises_fails_its_askers_alone(make: Any, tiny: Any) -> None:
    def broken(data: Any) -> Any:
        raise RuntimeError("singular")

    bad = Derived(id="tiny.bad", version=1, function=broken)
    for id in ("tiny.energy", "tiny.share"):
        swap(tiny, id, lambda data: {"energy": data.derived("tiny.bad")}, derived=(bad,))
    variant = make()
    summary = analyze([variant], analyzers=["tiny.energy", "tiny.share", "tiny.grid"], epochs=[0])
    assert ["RuntimeError: singular" in m for m in messages(summary)] == [True, True]
    assert committed(variant, "tiny.grid") == [0]


@pytest.mark.parametrize("damage", ["truncated", "other shape"])
def test_a_damaged_checkpoint_is_named_and_skipped(make: Any, damage: str) -> None:
    from mi_tiny.code import weights_at

    from mi.store.checkpoints import save_tensors

    variant = make()
    file = VariantPaths(variant.folder).checkpoint(100)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:100])
    else:
        save_tensors(file, weights_at({**variant.parameters, "hidden": 9}, 100), {})
    for _ in range(2):
        summary = analyze([make()], analyzers=["tiny.means", "tiny.gap"])
        assert len(summary.failures) == 1
        assert "e00000100.safetensors" in messages(summary)[0]
        assert summary.failures[0].epoch == 100
        assert committed(variant, "tiny.gap") == [0, 50, 200, 400]
    assert summary.total.computed == 0


def test_a_damaged_reference_stops_what_needs_it(make: Any) -> None:
    variant = make()
    VariantPaths(variant.folder).checkpoint(400).write_bytes(b"short")
    summary = analyze([variant], analyzers=["tiny.gap"])
    assert committed(variant, "tiny.means") == [0, 50, 100, 200]
    assert committed(variant, "tiny.gap") == []
    assert sum("because tiny.means has no result at epoch 400" in m for m in messages(summary)) == 4


def test_a_trajectory_that_raises_is_named_and_what_needs_it_is_skipped(make: Any, tiny: Any) -> None:
    swap(tiny, "tiny.path", lambda data: {"step": [1.0], "total": 0.0})
    variant = make()
    told = messages(analyze([variant]))
    assert told[0].startswith("analyzer tiny.path of plugin tiny (mi-tiny 1.0): output 'step' has shape (1,)")
    assert told[1] == "analyzer tiny.drift: skipped, because tiny.path failed"
    assert ArtifactReader(VariantPaths(variant.folder)).whole("full", "tiny.path") is None


def test_an_exit_in_an_analyzer_does_not_end_the_process(make: Any, tiny: Any) -> None:
    def leave(data: Any) -> Any:
        raise SystemExit(3)

    swap(tiny, "tiny.energy", leave)
    assert "raised SystemExit: 3" in messages(analyze([make()], analyzers=["tiny.energy"], epochs=[0]))[0]


def test_artifacts_handed_on_are_copies(make: Any, tiny: Any) -> None:
    def spoil(data: Any) -> Any:
        data.artifacts["tiny.means"]["mean"].zero_()
        data.reference["tiny.means"]["mean"].zero_()
        return {"gap": 0.0}

    swap(tiny, "tiny.gap", spoil)
    tiny.ANALYZERS["tiny.late"] = evolve(
        tiny.ANALYZERS["tiny.gap"],
        id="tiny.late",
        function="mi_tiny.analyzers:gap",
        artifacts=(ArtifactNeed("tiny.means"), ArtifactNeed("tiny.means", at="reference")),
    )
    variant = make()
    assert analyze([variant], analyzers=["tiny.gap", "tiny.late"]).failures == []
    late = ArtifactReader(VariantPaths(variant.folder)).dataset("full", "tiny.late")["gap"]
    assert late.sel(epoch=0).item() > 0
    assert ArtifactReader(VariantPaths(variant.folder)).at("full", "tiny.means", 0)["mean"].any()
