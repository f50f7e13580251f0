"""The pages of docs/analyses: all that is offered to our families is on one, and all are made alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from docs.documents import DOCS, ROOT

from mi.builtin.declare_gradients import WEIGHT_GRADIENTS
from mi.builtin.declare_gradients import WEIGHT_GRADIENTS_VIEW as GRADIENTS
from mi.domain.analyzer import Analyzer

PAGES = sorted(page for page in (DOCS / "analyses").glob("*.md") if page.name != "README.md")
INDEX = DOCS / "analyses" / "README.md"
HEADINGS = ["What is measured", "What it tells", "When it misleads", "Reading the pictures", "Source"]
FAMILIES = sorted((ROOT / "plugins/modular_arithmetic/mi_modular_arithmetic/families").glob("*/family.json"))
OURS = "modular_arithmetic."


def analyzers_by_id() -> dict[str, Analyzer]:
    """What the plugins that our families list analyzers of offer to them."""
    from mi_fourier_library.plugin import WEIGHT_SPECTRUM
    from mi_geometry_library.declare_sharpness import SHARPNESS, TOP_CURVATURE
    from mi_geometry_library.plugin import PARAMETER_PATH
    from mi_modular_arithmetic import composition
    from mi_modular_arithmetic.analyzers import ANALYZERS

    generic = (WEIGHT_SPECTRUM, PARAMETER_PATH, SHARPNESS, TOP_CURVATURE, WEIGHT_GRADIENTS)
    return {one.id: one for one in (*ANALYZERS, *composition.ANALYZERS, *generic)}


def visualization_ids() -> set[str]:
    """The same of visualizations."""
    from mi_fourier_library import plugin as fourier
    from mi_geometry_library import plugin as geometry
    from mi_modular_arithmetic import composition
    from mi_modular_arithmetic.visualizations import VISUALIZATIONS

    ours = (*VISUALIZATIONS, *composition.VISUALIZATIONS, *geometry.VIEWS)
    return {one.id for one in (*ours, fourier.SPECTRUM, fourier.HISTORY, GRADIENTS)} | {"core.losses"}


def listed(kind: str) -> set[str]:
    """Ids that the shipped families list."""
    return {one["id"] for file in FAMILIES for one in json.loads(file.read_text())[kind]}


def rows() -> list[tuple[str, set[str], set[str]]]:
    """Page, analyzers and visualizations of each line of the index."""
    lines = re.findall(
        r"^\| [^|]+ \| \[\w+\]\((\w+\.md)\) \| ([^|]*) \| ([^|]*) \|$", INDEX.read_text(), re.M
    )
    return [(page, ids(analyzers), ids(views)) for page, analyzers, views in lines]


def ids(cell: str) -> set[str]:
    """The ids that a cell names; those without a prefix are the plugin's."""
    names = re.findall(r"`([\w.]+)`", cell)
    return {name if "." in name else OURS + name for name in names}


def test_the_index_has_a_line_for_every_page() -> None:
    assert sorted(page for page, _, _ in rows()) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_have_the_same_headings_in_the_same_order(page: Path) -> None:
    assert re.findall(r"^## (.+)$", page.read_text(), re.M) == HEADINGS


def test_every_analyzer_is_in_the_index_and_named_on_its_page() -> None:
    indexed = {id: page for page, analyzers, _ in rows() for id in analyzers}
    assert set(indexed) == set(analyzers_by_id()) | listed("analyzers")
    pages = DOCS / "analyses"
    assert [id for id, page in indexed.items() if f"`{id}`" not in (pages / page).read_text()] == []


def test_every_visualization_is_in_the_index() -> None:
    indexed = {id for _, _, views in rows() for id in views}
    assert indexed == visualization_ids() | listed("visualizations")


def test_the_tutorial_counts_the_results_that_there_are() -> None:
    family = json.loads((ROOT / "model_families/modular_addition_1layer/family.json").read_text())
    checkpoints, variants, total = 61, 2, 0  # as `make demo` trains
    for one in family["analyzers"]:
        analyzer = analyzers_by_id()[one["id"]]
        each = min(checkpoints, analyzer.checkpoints or checkpoints) if analyzer.scope == "checkpoint" else 1
        total += each if analyzer.scope == "family" else each * variants
    said = f"{variants * checkpoints} checkpoints, 0 forward passes, everything fresh ({total:,} results)"
    assert said in (DOCS / "tutorial.md").read_text()
