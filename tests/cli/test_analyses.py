"""`mi analyses`: everything that plugins offer a family, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from sample_plugin import FAMILY, run

from mi.domain.workspace import Workspace


def test_every_analysis_on_offer_is_listed_those_in_use_first(trained: Path) -> None:
    ran = run("-w", str(trained), "analyses", FAMILY, "--json")
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)
    workspace = Workspace.open(trained)
    family = workspace.family(FAMILY)
    offered = workspace.host.analyzers(family)
    assert {row["id"] for row in rows} == set(offered)
    used = [use.id for use in family.analyzers]
    assert [row["id"] for row in rows if row["used"]] == used
    assert [row["id"] for row in rows][: len(used)] == used
    for row in rows:
        assert row["title"] == offered[row["id"]].title
        assert set(row["outputs"]) == set(offered[row["id"]].outputs)
    assert "sample.right" in next(row for row in rows if row["id"] == "sample.answers")["views"]


def test_the_table_has_a_line_each(trained: Path) -> None:
    ran = run("-w", str(trained), "analyses", FAMILY)
    assert ran.code == 0, ran.err
    offered = Workspace.open(trained).host.analyzers(Workspace.open(trained).family(FAMILY))
    lines = ran.out.splitlines()
    for id, analyzer in offered.items():
        [line] = [line for line in lines if line.split()[:1] == [id]]
        assert analyzer.title in line
        assert analyzer.scope in line


def test_without_a_family_those_of_all_are_listed(trained: Path) -> None:
    (trained / "model_families" / "broken").mkdir()
    (trained / "model_families" / "broken" / "family.json").write_text("{")
    whole, one = (run("-w", str(trained), "analyses", *words, "--json") for words in ((), (FAMILY,)))
    assert (whole.code, one.code) == (0, 0)
    assert json.loads(whole.out) == json.loads(one.out) != []
    assert "broken" in whole.err
    assert one.err == ""


def test_an_unknown_family_is_one_sentence(trained: Path) -> None:
    ran = run("-w", str(trained), "analyses", "nosuch")
    assert ran.code == 2
    assert "nosuch" in ran.err
    assert "Traceback" not in ran.err
