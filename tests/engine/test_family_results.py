"""What spans a family, verified, cleaned, shown and looked after as a variant's results are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from attrs import evolve

import mi
from mi import Field, Visualization
from mi.domain.workspace import FamilyResults
from mi.engine.analyze import analyze
from mi.engine.clean import clean, plan_cleaning
from mi.engine.summary import AnalysisSummary
from mi.engine.verify import verify
from mi.errors import UnknownNameError
from mi.status import _analyzed as all_analyzed
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths
from mi.store.lock import family_lock
from mi.testing import run as command
from mi.views.data import DataSource

ID = "tiny.ends"
USED = ["tiny.means", "tiny.path", ID]


def folder(variant: Any) -> Path:
    return Path(variant.workspace.family_folder(variant.family))


def stored(variant: Any) -> xr.Dataset:
    return ArtifactReader(VariantPaths(folder(variant))).dataset("full", ID).load()


def run(*variants: Any) -> AnalysisSummary:
    summary = analyze(variants)
    assert summary.failures == []
    return summary


@pytest.fixture
def analyzed(make: Any, tiny: Any) -> Any:
    """The first of two analyzed variants."""
    tiny.ANALYZERS[ID] = tiny.ENDS
    one, two = make((0, 50), USED), make((0, 50), USED, seed=1)
    run(one, two)
    return one


def results(variant: Any) -> FamilyResults:
    return FamilyResults(variant.workspace, variant.family)


def test_it_is_read_again_and_computed_again(analyzed: Any) -> None:
    verdict = verify(results(analyzed), sample=5, seed=0)
    assert (verdict.groups, verdict.fresh, verdict.stale, verdict.findings) == (1, 1, 0, [])
    assert [(c.draw.place, c.outcome) for c in verdict.compared] == [(f"full/{ID}", "equal")]


def test_another_result_than_the_stored_one_is_damage(analyzed: Any, make: Any, tiny: Any) -> None:
    def other(data: Any, power: int) -> dict[str, Any]:
        return {"mean": [0.0, 0.0], "epochs": [2, 2], "size": [11, 11]}

    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, function=other)
    verdict = verify(results(make((0, 50), USED)), sample=1, seed=0)
    assert verdict.damaged
    assert "mean is apart" in verdict.findings[0].what


def test_a_lost_chunk_is_named_and_computed_again(analyzed: Any, make: Any) -> None:
    chunk = next((folder(analyzed) / f"artifacts.zarr/full/{ID}/mean/c").rglob("*"))
    chunk.unlink()
    verdict = verify(results(analyzed), sample=0, seed=0)
    assert verdict.damaged
    assert any(ID in finding.where for finding in verdict.findings)
    assert run(make((0, 50), USED)).families[0].computed == 1
    assert not verify(results(analyzed), sample=1, seed=0).damaged


def test_what_is_stale_is_told_and_dropped(analyzed: Any, make: Any, tiny: Any) -> None:
    assert plan_cleaning(results(analyzed)).drops == []
    tiny.ANALYZERS[ID] = evolve(tiny.ENDS, version=2)
    there = results(make((0, 50), USED))
    verdict = verify(there, sample=1, seed=0)
    assert [(f.state, f.what) for f in verdict.findings] == [("stale", "stale")]
    assert not verdict.damaged
    cleaning = plan_cleaning(there)
    assert [(d.place, d.why) for d in cleaning.drops] == [(f"full/{ID}", "stale")]
    with family_lock(VariantPaths(there.folder)):
        clean(cleaning)
    assert not (there.folder / "artifacts.zarr/full").exists()
    assert not (there.folder / f"commits/full/{ID}").exists()


def test_what_no_plugin_makes_any_more_is_nobodys(analyzed: Any, make: Any, tiny: Any) -> None:
    del tiny.ANALYZERS[ID]
    (drop,) = plan_cleaning(results(make((0, 50), ["tiny.means"]))).drops
    assert drop.why == "plugin tiny (mi-tiny 1.0) offers no such analyzer"
    tiny.ANALYZERS[ID] = evolve(tiny.ANALYZERS["tiny.path"], id=ID)
    (drop,) = plan_cleaning(results(make((0, 50), ["tiny.means"]))).drops
    assert drop.why == "its scope is trajectory now, so its results lie elsewhere"


def test_a_variant_holds_nothing_of_an_analyzer_that_spans_its_family_now(
    analyzed: Any, make: Any, tiny: Any
) -> None:
    tiny.ANALYZERS["tiny.path"] = evolve(tiny.ENDS, id="tiny.path")
    drops = {d.analyzer: d.why for d in plan_cleaning(make((0, 50), USED)).drops}
    assert drops == {"tiny.path": "its scope is family now, so its results lie elsewhere"}


def mi_command(variant: Any, *arguments: str) -> Any:
    return command("-w", str(variant.workspace.root), *arguments)


def test_the_commands_speak_of_it(analyzed: Any, make: Any) -> None:
    said = mi_command(analyzed, "verify", "--all", "--sample", "0")
    assert said.code == 0, said.err
    assert "tiny/_family: 1 analysis in" in said.out
    rows = json.loads(mi_command(analyzed, "verify", analyzed.name, "--sample", "0", "--json").out)
    assert [row["id"] for row in rows] == [analyzed.id, "tiny/_family"]
    assert "tiny/_family: nothing to drop" in mi_command(analyzed, "clean", "--all", "--dry-run").out
    listed = json.loads(mi_command(analyzed, "variants", "--json").out)
    assert [row["name"] for row in listed] == ["n11_seed0", "n11_seed1"]
    dry = mi_command(analyzed, "analyze", analyzed.name, "--dry-run").out
    assert "tiny, probe full: 2 variants\n  tiny.ends: family, 2 variants, fresh" in dry
    make((0, 50, 100), USED)
    dry = mi_command(analyzed, "analyze", analyzed.name, "--dry-run").out
    assert "tiny.ends: family, 2 variants, stale" in dry
    make((), USED, seed=7)
    dry = mi_command(analyzed, "analyze", analyzed.name, "--dry-run").out
    assert "    without n11_seed7: it has no checkpoint" in dry
    done = mi_command(analyzed, "analyze", analyzed.name)
    assert done.code == 0
    assert "mi: tiny: tiny.ends is without n11_seed7: it has no checkpoint" in done.err
    assert "_family" not in mi_command(analyzed, "variants").out


def test_a_notebook_reads_it_from_the_family(analyzed: Any) -> None:
    lab = mi.open(analyzed.workspace.root, host=analyzed.workspace.host)
    family = lab.family("tiny")
    assert family.artifacts(ID).load().identical(stored(analyzed))
    assert [v.name for v in family.variants] == ["n11_seed0", "n11_seed1"]
    with pytest.raises(UnknownNameError, match=r"family\('tiny'\).artifacts\('tiny.ends'\)"):
        lab.variant(analyzed.name).artifacts(ID)
    with pytest.raises(UnknownNameError, match=r"unknown artifacts 'full/tiny\.means'"):
        family.artifacts("tiny.means")


def test_a_view_of_one_variant_cannot_read_it(analyzed: Any) -> None:
    view = Visualization(
        id="tiny.view", title="View", reads=(ID,), fields={"x": Field("line", ("variant",))}, frame="a:b"
    )
    with pytest.raises(UnknownNameError, match="whose scope is family: its artifacts span variants"):
        DataSource.of(analyzed).data(view)


def test_a_variant_is_analyzed_without_what_spans_its_family(analyzed: Any) -> None:
    from mi.status import artifact_rows

    assert {row["analyzer"] for row in artifact_rows(analyzed)} == {"tiny.means", "tiny.path"}
    assert all_analyzed(analyzed)
