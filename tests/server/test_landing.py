"""The landing page: everything listed, nothing hidden by what is broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_plugin import FAMILY, run
from server.samples import add_variant
from server.serving import Served, served

from mi.domain.workspace import Workspace
from mi.server.catalog import read_catalog
from mi.server.sparkline import HEIGHT, WIDTH, sparkline
from mi.store.layout import VariantPaths


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample_only: None) -> Path:
    """A workspace in which much has gone well and something of each kind has not."""
    folder = tmp_path_factory.mktemp("landing") / "lab"
    assert run("init", str(folder)).code == 0
    assert run("-w", str(folder), "families", "add", FAMILY).code == 0
    workspace = Workspace.open(folder)
    add_variant(workspace, FAMILY, {"size": 7})
    add_variant(
        workspace, FAMILY, {"size": 7, "decay": 0.25}, status="interrupted", reached=20, analyzed=False
    )
    workspace.declare(workspace.family(FAMILY), {"size": 9}).save_config()
    damaged = add_variant(workspace, FAMILY, {"size": 11})
    VariantPaths(damaged.folder).metadata.write_text('{"schema": 1, "status": "<b>"}')
    unreadable = add_variant(workspace, FAMILY, {"size": 13})
    VariantPaths(unreadable.folder).config.write_text("{")
    broken = folder / "model_families" / "broken"
    broken.mkdir()
    (broken / "family.json").write_text('{"schema": 1, "name": "<script>alert(1)</script>"}')
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Served]:
    with served(Workspace.open(folder)) as running:
        yield running


def test_variants_are_listed_with_state_parameters_losses_and_checkpoints(folder: Path) -> None:
    broken, sums = read_catalog(Workspace.open(folder)).families
    assert broken.rows == ()
    assert "model_families/broken/family.json: name is" in broken.problems[0]
    rows = {row.name: row for row in sums.rows}
    assert list(rows) == ["n11_seed0", "n7_seed0", "n7_seed0_wd0.25", "n9_seed0"]
    whole, half = rows["n7_seed0"], rows["n7_seed0_wd0.25"]
    assert (whole.state, whole.checkpoints, whole.last_epoch, whole.analyzers) == ("trained", 9, 40, 1)
    assert whole.metrics["loss"] == (("test", "0.0278"), ("train", "0.00382"))
    assert whole.metrics["accuracy"] == (("test", "99.9 %"), ("train", "100.0 %"))
    assert whole.parameters == (("size", "7"), ("seed", "0"))
    assert half.parameters == (("size", "7"), ("seed", "0"), ("decay", "0.25"))
    assert (half.state, half.checkpoints, half.analyzers) == ("interrupted at 20", 5, 0)
    assert (rows["n9_seed0"].state, rows["n9_seed0"].checkpoints, rows["n9_seed0"].metrics) == (
        "declared",
        0,
        {},
    )
    assert rows["n11_seed0"].state == "damaged"
    assert "metadata.json: status is" in rows["n11_seed0"].problem
    assert "n13_seed0/config.json" in sums.problems[0]


def test_the_page_escapes_names_and_tells_no_absolute_path(site: Served, folder: Path) -> None:
    answer = site.get("/")
    assert answer.status == 200
    assert "<script>alert" not in answer.body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.body
    assert "<b>" not in answer.body.replace("<b>test</b>", "")
    assert str(folder) not in answer.body
    assert site.sessions == []


def test_rows_link_to_reports(site: Served) -> None:
    assert f'href="/report?family={FAMILY}&amp;variant=n7_seed0_wd0.25"' in site.get("/").body


def test_an_empty_workspace_says_what_to_type(tmp_path: Path, sample_only: None) -> None:
    (tmp_path / "model_families").mkdir()
    with served(Workspace.open(tmp_path)) as running:
        assert "mi families add" in running.get("/").body
        answer = running.get("/report")
        assert answer.status == 404
        assert "mi families add" in answer.body


def test_a_broken_family_is_said_on_its_own_page(site: Served) -> None:
    answer = site.get("/report?family=broken")
    assert answer.status == 409
    assert "model_families/broken/family.json" in answer.body
    assert "mi families validate broken" in answer.body


def test_a_workspace_that_vanishes_leaves_the_server_alive(tmp_path: Path, sample_only: None) -> None:
    (tmp_path / "ws" / "model_families").mkdir(parents=True)
    with served(Workspace.open(tmp_path / "ws")) as running:
        shutil.rmtree(tmp_path / "ws")
        assert running.get("/").status == 200
        assert running.get("/report").status == 404
        assert running.get("/healthz").status == 200


def test_a_sparkline_stays_in_its_box() -> None:
    import numpy as np

    epochs = np.arange(1000)
    curve = np.exp(-epochs / 100) + 1e-6
    curve[10] = np.nan
    drawn = sparkline(epochs, [curve, np.full(1000, np.nan)])
    assert drawn is not None
    points = [tuple(map(float, p.split(","))) for p in drawn.lines[0].split()]
    assert len(points) <= 60
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert points[0][1] < points[-1][1], "a falling loss goes down the screen"
    assert drawn.lines[1] == ""
    assert sparkline(np.empty(0), [np.empty(0)]) is None
