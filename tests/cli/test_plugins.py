"""`mi plugins`: what is installed and what went wrong, also when everything is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_plugin import FAMILY, Mi, run


@pytest.fixture
def broken(tmp_path: Path, sample_site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two more installed plugins: one that does not import, one whose hook raises."""
    site = tmp_path / "more"
    sources = {
        "nowhere": "import nowhere_to_be_found\n",
        "raising": "import mi\n@mi.hookimpl\ndef visualize(family):\n    raise RuntimeError('no luck')\n",
    }
    for name, source in sources.items():
        info = site / f"mi_{name}-2.5.dist-info"
        info.mkdir(parents=True)
        (site / f"mi_test_{name}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mi-{name}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[mi.plugins]\n{name} = mi_test_{name}\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,nowhere,raising")
    return site


def test_plugins_are_listed_with_what_they_offer(mi: Mi) -> None:
    rows = {row["id"]: row for row in json.loads(mi("plugins", "--json").out)}
    assert rows["core"]["hooks"] == ["provide_probe", "visualize"]
    assert rows["sample"]["distribution"] == "mi-sample"
    assert rows["sample"]["version"] == "1.0"
    assert rows["sample"]["state"] == "loaded"
    assert rows["sample"]["failures"] == []
    assert rows["sample"]["hooks"] == ["analyze", "register_family", "visualize"]


def test_every_failure_is_kept_and_harms_no_other(root: Path, broken: Path) -> None:
    ran = run("-w", str(root), "plugins", "--json")
    assert ran.code == 0
    rows = {row["id"]: row for row in json.loads(ran.out)}
    assert rows["nowhere"]["state"] == "failed"
    assert rows["nowhere"]["failures"][0]["hook"] == "import"
    assert "ModuleNotFoundError" in rows["nowhere"]["failures"][0]["error"]
    assert rows["raising"]["failures"] == [
        {
            "hook": "visualize",
            "error": "RuntimeError: no luck",
            "details": rows["raising"]["failures"][0]["details"],
        }
    ]
    assert rows["sample"]["failures"] == []
    assert "`mi plugins NAME` shows what went wrong" in run("-w", str(root), "plugins").out


def test_a_record_shows_the_traceback(root: Path, broken: Path) -> None:
    text = run("-w", str(root), "plugins", "raising").out
    assert "distribution: mi-raising" in text
    assert "failed in visualize: RuntimeError: no luck" in text
    assert "mi_test_raising.py" in text


def test_it_works_outside_a_workspace(tmp_path: Path, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in run("plugins").out


def test_other_commands_say_one_loud_line_a_failure_and_go_on(root: Path, broken: Path) -> None:
    ran = run("-w", str(root), "families")
    assert ran.code == 0
    assert FAMILY in ran.out
    assert ran.err.splitlines()[0] == (
        "mi: plugin nowhere (mi-nowhere 2.5) failed in import: ModuleNotFoundError: "
        "No module named 'nowhere_to_be_found'; see `mi plugins nowhere`"
    )
