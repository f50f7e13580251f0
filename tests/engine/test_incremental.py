"""Exactly what depends on a change is computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from mi import Output
from mi.domain.needs import ArtifactNeed
from mi.engine.analyze import analyze
from mi.engine.summary import AnalysisSummary
from mi.store.artifacts import ArtifactReader
from mi.store.checkpoints import save_tensors
from mi.store.layout import VariantPaths

EPOCHS = (0, 50, 100, 200, 400)
ALL = ["means", "energy", "share", "norms", "grid", "gap", "path", "drift"]


def ran(variant: Any, **settings: Any) -> tuple[AnalysisSummary, dict[str, int]]:
    """A call's summary, and which functions it ran how often."""
    from mi_tiny.analyzers import CALLS

    CALLS.clear()
    summary = analyze([variant], **settings)
    assert summary.failures == []
    return summary, dict(CALLS)


def paths(variant: Any) -> VariantPaths:
    return VariantPaths(variant.folder)


def contents(variant: Any) -> dict[str, Any]:
    """Every committed artifact, in memory."""
    reader = ArtifactReader(paths(variant))
    return {f"{p}/{a}": reader.dataset(p, a).load() for p in reader.probes() for a in reader.analyzers(p)}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, data in one.items():
        assert data.equals(other[name]), name


def test_a_version_makes_the_analyzer_and_its_dependents_stale(make: Any, tiny: Any) -> None:
    ran(make())
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    summary, calls = ran(make())
    assert calls == {"means": 5, "gap": 5, "path": 1, "drift": 1}
    assert summary.total.forward_passes == 5
    _, calls = ran(make())
    assert calls == {}


def test_an_option_makes_the_analyzer_stale_and_changes_its_result(make: Any) -> None:
    variant = make()
    ran(variant)
    before = contents(variant)
    _, calls = ran(make(options={"tiny.means": {"power": 2}}))
    assert calls == {"means": 5, "gap": 5, "path": 1, "drift": 1}
    after = contents(variant)
    assert not np.allclose(after["full/tiny.means"]["mean"], before["full/tiny.means"]["mean"])
    assert after["full/tiny.grid"].equals(before["full/tiny.grid"])


def test_a_derived_quantity_and_a_context_value_enter_the_fingerprint(make: Any, tiny: Any) -> None:
    ran(make())
    newer = evolve(tiny.SQUARE, version=2)
    for id in ("tiny.energy", "tiny.share"):
        tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], derived=(newer,))
    _, calls = ran(make())
    assert calls == {"energy": 5, "share": 5, "square": 5}
    import mi_tiny.code

    old = mi_tiny.code.TinyMlp.context
    mi_tiny.code.TinyMlp.context = lambda self: {**old(self), "scale": 3.0}
    try:
        _, calls = ran(make())
    finally:
        mi_tiny.code.TinyMlp.context = old
    assert calls == {"energy": 5, "share": 5, "square": 5}


def test_a_changed_checkpoint_alone_is_passed_again(make: Any) -> None:
    from mi_tiny.code import weights_at

    variant = make()
    ran(variant)
    before = contents(variant)
    save_tensors(paths(variant).checkpoint(100), weights_at(variant.parameters, 101), {})
    summary, calls = ran(make())
    assert summary.total.forward_passes == 1
    assert calls == dict.fromkeys(ALL, 1) | {"square": 1}
    after = contents(variant)
    for name in ("tiny.means", "tiny.grid"):
        one, other = (c[f"full/{name}"] for c in (before, after))
        untouched = [e for e in EPOCHS if e != 100]
        assert one.sel(epoch=untouched).equals(other.sel(epoch=untouched))
        assert not one.sel(epoch=100).equals(other.sel(epoch=100))


def test_a_changed_reference_reaches_exactly_what_needs_it(make: Any) -> None:
    from mi_tiny.code import weights_at

    variant = make()
    ran(variant)
    save_tensors(paths(variant).checkpoint(400), weights_at(variant.parameters, 401), {})
    summary, calls = ran(make())
    once = dict.fromkeys([n for n in ALL if n != "gap"], 1)
    assert calls == once | {"square": 1, "gap": 5}
    assert summary.total.forward_passes == 1  # the gap at other epochs needs no site


def test_a_later_reference_makes_exactly_the_dependents_stale(make: Any) -> None:
    variant = make()
    ran(variant)
    _, calls = ran(make((*EPOCHS, 800)))
    assert calls == dict.fromkeys([n for n in ALL if n != "gap"], 1) | {"square": 1, "gap": 6}
    gap = contents(variant)["full/tiny.gap"]["gap"]
    assert gap["epoch"].values.tolist() == [*EPOCHS, 800]
    assert gap.sel(epoch=800).item() == 0
    assert gap.sel(epoch=400).item() > 0


def test_inserted_and_later_checkpoints_end_as_if_planned_from_the_start(make: Any, tmp_path: Path) -> None:
    epochs = list(range(0, 700, 10))  # crosses a block when two more come in front
    variant, straight = make(epochs), make([*epochs, 5, 15, 900], root=tmp_path / "straight")
    ran(variant)
    _, calls = ran(make([*epochs, 5, 15, 900]))
    assert calls["means"] == 3
    ran(straight)
    same(contents(variant), contents(straight))
    assert contents(variant)["full/tiny.means"]["epoch"].values.tolist() == sorted([*epochs, 5, 15, 900])


def test_another_probe_content_is_another_result(make: Any) -> None:
    variant = make()
    ran(variant, probe="few")
    file = variant.family.folder / "probes" / "few.json"
    file.write_text(file.read_text().replace("x < 3", "x < 4"))
    summary, calls = ran(variant, probe="few")
    assert summary.total.forward_passes == 5
    assert calls["means"] == 5


def test_results_of_a_checkpoint_that_is_gone_stay(make: Any) -> None:
    variant = make()
    ran(variant)
    paths(variant).checkpoint(50).unlink()
    summary, calls = ran(variant)
    assert summary.total.forward_passes == 0
    assert calls == {"drift": 1}  # it reads weights, and one is gone
    assert 50 in ArtifactReader(paths(variant)).committed("full", "tiny.means")


def test_changed_outputs_create_the_group_anew(make: Any, tiny: Any) -> None:
    variant = make()
    ran(variant, analyzers=["tiny.energy"])
    old = tiny.ANALYZERS["tiny.energy"]
    tiny.ANALYZERS["tiny.energy"] = evolve(old, outputs={"energy": Output((), "float64")})
    _, calls = ran(make(), analyzers=["tiny.energy"])
    assert calls["energy"] == 5
    assert contents(variant)["full/tiny.energy"]["energy"].dtype == np.float64


def test_stale_results_are_invisible_even_where_they_are_not_asked_for(make: Any, tiny: Any) -> None:
    variant = make()
    ran(variant, analyzers=["tiny.means"])
    tiny.ANALYZERS["tiny.means"] = evolve(tiny.ANALYZERS["tiny.means"], version=2)
    ran(make(), analyzers=["tiny.means"], epochs=[50])
    assert list(ArtifactReader(paths(variant)).committed("full", "tiny.means")) == [50]


def test_a_deleted_chunk_is_computed_again(make: Any) -> None:
    variant = make()
    ran(variant)
    before = contents(variant)
    chunk = next((paths(variant).artifacts / "full" / "tiny.energy" / "energy" / "c").iterdir())
    chunk.unlink()
    _, calls = ran(variant)
    assert calls == {"energy": 5, "square": 5}
    same(before, contents(variant))


@pytest.mark.parametrize("at", ["checkpoint", "reference"])
def test_a_changed_need_is_noticed(make: Any, tiny: Any, at: str) -> None:
    """The moment at which an artifact is needed decides how far a change reaches."""
    from mi_tiny.code import weights_at

    variant = make()
    needed = tiny.ANALYZERS["tiny.gap"]
    tiny.ANALYZERS["tiny.gap"] = evolve(
        needed, function=f"mi_tiny.analyzers:copy_{at}", artifacts=(ArtifactNeed("tiny.means", at=at),)
    )
    ran(make(), analyzers=["tiny.gap"])
    save_tensors(paths(variant).checkpoint(50), weights_at(variant.parameters, 51), {})
    _, calls = ran(make(), analyzers=["tiny.gap"])
    assert calls.get("gap", 0) == 1  # its own checkpoint changed
    save_tensors(paths(variant).checkpoint(400), weights_at(variant.parameters, 401), {})
    _, calls = ran(make(), analyzers=["tiny.gap"])
    assert calls["gap"] == {"checkpoint": 1, "reference": 5}[at]


def test_which_other_checkpoints_there_are_is_told_to_what_spans_them_alone(make: Any, tiny: Any) -> None:
    """A result at one checkpoint follows from none of it, as no fingerprint says so; a trajectory's may."""

    def count(data: Any) -> dict[str, Any]:
        assert not hasattr(data, "index")
        return {"energy": len(data.subject.epochs)}

    def counted(data: Any) -> dict[str, Any]:
        return {"total": len(data.subject.epochs)}

    for id, function, outputs, need in (
        ("tiny.energy", count, {"energy": Output(())}, ()),
        (
            "tiny.path",
            counted,
            {"total": Output((), "float64")},
            (ArtifactNeed("tiny.means", at="reference"),),
        ),
    ):
        changes = {"function": function, "outputs": outputs, "derived": (), "artifacts": need}
        tiny.ANALYZERS[id] = evolve(tiny.ANALYZERS[id], **changes, weights=id == "tiny.energy")
    used = ["tiny.energy", "tiny.means", "tiny.path"]
    ran(make(), analyzers=used)
    variant = make((*EPOCHS, 25))  # in between: the reference stays
    summary, calls = ran(variant, analyzers=used)
    assert calls == {"means": 1}
    assert summary.total.computed == 3
    found = contents(variant)
    assert found["full/tiny.energy"]["energy"].values.tolist() == [0.0] * 6
    assert found["full/tiny.path"]["total"].item() == 6
