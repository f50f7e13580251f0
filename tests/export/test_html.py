"""Exported files: one file, nothing from elsewhere, everything escaped, provenance inside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from attrs import evolve
from sample_plugin import run
from views.workshop import WORKING, report_of

from mi.domain.report import save_report
from mi.domain.workspace import Variant
from mi.errors import StoreError, UnknownNameError
from mi.export.html import export_html

HOSTILE = "<script>alert('x')</script>"


def embedded(html: str, name: str) -> dict:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_the_file_is_whole_and_says_how_it_was_made(variant: Variant, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "out.html"
    summary = export_html(variant, report_of(*WORKING, notes="*Look.*"), target)
    html = target.read_text()
    assert summary.bytes == target.stat().st_size
    assert (summary.panels, summary.epochs, summary.problems) == (6, 12, ())
    assert list(target.parent.iterdir()) == [target]
    assert "<em>Look.</em>" in html
    made = embedded(html, "mi-report")
    assert made["report"]["panels"][0] == {"visualization": "gallery.map", "width": 6}
    provenance = made["provenance"]
    assert provenance["parameters"]["size"] == 7
    assert provenance["analyzers"] == {"sample.answers": 1}
    assert re.fullmatch("[0-9a-f]{32}", provenance["probe_digest"])
    assert {"mi-core", "torch", "transformer-lens", "bokeh", "mi-gallery"} <= set(provenance["versions"])
    assert provenance["command"] == "mi report build gallery sample_sums/n7_seed0 --to gallery.html"


def test_the_file_asks_for_nothing_from_elsewhere(variant: Variant, tmp_path: Path) -> None:
    export_html(variant, report_of("map"), tmp_path / "out.html")
    html = (tmp_path / "out.html").read_text()
    without_scripts = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', without_scripts) == []
    assert re.findall(r"<script[^>]*\bsrc=", html) == []


def test_every_text_is_escaped(variant: Variant, tmp_path: Path) -> None:
    report = evolve(report_of("map", "raises", "nonesuch.x"), title=HOSTILE, notes=HOSTILE)
    panels = tuple(evolve(panel, title=HOSTILE) for panel in report.panels)
    export_html(variant, evolve(report, panels=panels), tmp_path / "out.html")
    html = (tmp_path / "out.html").read_text()
    assert HOSTILE not in html
    assert "no <b>luck</b>" not in html
    assert "no &lt;b&gt;luck&lt;/b&gt; at all" in html
    assert embedded(html, "mi-report")["report"]["title"] == HOSTILE


def test_a_choice_of_epochs_makes_a_smaller_file(variant: Variant, tmp_path: Path) -> None:
    every = export_html(variant, report_of("map"), tmp_path / "a.html")
    some = export_html(variant, report_of("map"), tmp_path / "b.html", epochs=[0, 500])
    assert (every.epochs, some.epochs) == (12, 2)
    assert some.bytes < every.bytes


def test_a_file_that_cannot_be_written_leaves_nothing(variant: Variant, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder, expected the name of a file"):
        export_html(variant, report_of("map"), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        export_html(variant, report_of("map"), tmp_path / "file" / "out.html")
    with pytest.raises(UnknownNameError, match="no checkpoint at epoch 1"):
        export_html(variant, report_of("map"), tmp_path / "out.html", epochs=[1])
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def mi(variant: Variant, *arguments: str):
    return run("-w", str(variant.workspace.root), "report", *arguments)


@pytest.fixture(scope="module", autouse=True)
def saved(variant: Variant) -> None:
    assert variant.family.folder is not None
    folder = variant.family.folder / "reports"
    save_report(report_of(*WORKING), folder)
    save_report(evolve(report_of("map", "raises", "nonesuch.x"), name="broken"), folder)
    (folder / "wrong.json").write_text(
        '{"schema": 1, "panels": [{"visualization": "gallery.map", "width": 13}]}'
    )


def test_build_writes_the_file_and_says_its_size(variant: Variant, tmp_path: Path) -> None:
    ran = mi(variant, "build", "gallery", "n7_seed0", "--to", str(tmp_path / "o.html"), "--epochs", "0::100")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(rf"wrote {tmp_path}/o.html: 1\.\d MB, 6 panels, 6 checkpoints\n", ran.out)


def test_build_ends_with_2_where_a_panel_fails_and_writes_the_file(variant: Variant, tmp_path: Path) -> None:
    target = tmp_path / "o.html"
    ran = mi(variant, "build", "broken", "n7_seed0", "--to", str(target))
    assert ran.code == 2
    assert target.stat().st_size > 1e6
    assert "mi: Raises (gallery.raises): ZeroDivisionError: no <b>luck</b> at all\n" in ran.err
    assert ran.err.endswith("mi: 2 of 3 panels have no figure\n")
    assert "Traceback" not in ran.err
    debug = run(
        "--debug",
        "-w",
        str(variant.workspace.root),
        "report",
        "build",
        "broken",
        "n7_seed0",
        "--to",
        str(target),
    )
    assert "Traceback" in debug.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("build", "galery", "n7_seed0"),
            "unknown report of family sample_sums 'galery': did you mean gallery?",
        ),
        (("build", "gallery", "n7_seed9"), "unknown variant 'n7_seed9': did you mean n7_seed0?"),
        (("build", "gallery", "n7_seed0", "--probe", "ful"), "unknown probe of family sample_sums 'ful'"),
        (
            ("build", "gallery", "n7_seed0", "--epochs", "1:9"),
            "--epochs '1:9' names no checkpoint of n7_seed0",
        ),
        (
            ("build", "gallery", "n7_seed0", "--epochs", "x"),
            "epochs 'x': expected an epoch or START:STOP:STEP",
        ),
    ],
)
def test_build_refuses_in_one_sentence_and_writes_nothing(
    variant: Variant, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    ran = mi(variant, *arguments, "--to", str(tmp_path / "o.html"))
    assert ran.code == 2
    assert ran.err.startswith(f"mi: {sentence}") and ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_ls_lists_reports_with_their_state(variant: Variant) -> None:
    rows = {row["id"]: row for row in json.loads(mi(variant, "ls", "sample_sums", "--json").out)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "default": "ok",
        "gallery": "ok",
        "broken": "incomplete",
        "wrong": "malformed",
    }
    assert rows["gallery"]["panels"] == 6
    assert rows["gallery"]["visualizations"][0] == "gallery.map"
    assert "panels[0].width is 13, expected a whole number from 1 to 12" in rows["wrong"]["error"]


def test_show_lists_panels(variant: Variant) -> None:
    rows = json.loads(mi(variant, "show", "sample_sums", "broken", "--json").out)
    assert [(row["visualization"], row["state"]) for row in rows] == [
        ("gallery.map", "ok"),
        ("gallery.raises", "ok"),
        ("nonesuch.x", "unknown"),
    ]
    assert "A gallery (sample_sums/broken), probe full" in mi(variant, "show", "sample_sums", "broken").out


def test_validate_names_every_problem_and_ends_with_2(variant: Variant) -> None:
    assert mi(variant, "validate", "sample_sums", "gallery").code == 0
    ran = mi(variant, "validate", "sample_sums")
    assert ran.code == 2
    assert "panels[2]: unknown visualization 'nonesuch.x'" in ran.out
    assert ran.err == "mi: 2 of 4 reports failed\n"
