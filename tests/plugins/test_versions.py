"""Which plugin loads with which core: the table of the documentation, row by row, is what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from docs.documents import DOCS

from mi.plugins.versions import Verdict, bounded_requirement, check_requires, check_stated

CORE = "0.4.2"


def rows(section: str) -> Iterator[tuple[list[str], str, str, str]]:
    """(what is required, core, outcome, sentence) of a section's table."""
    text = (DOCS / "plugins" / "versions.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    for line in text.splitlines():
        if line.startswith(("| `", "| nothing")):
            if line.startswith("| `MI_API` |"):
                continue
            required, core, outcome, said = (cell.strip() for cell in line.strip("|").split(" |"))
            yield re.findall(r"`([^`]+)`", required), core or CORE, outcome, said.strip("`")


def outcome(verdict: Verdict) -> tuple[str, str]:
    if verdict.refusal:
        return "refused", verdict.refusal
    assert len(verdict.warnings) <= 1
    return ("warns", verdict.warnings[0]) if verdict.warnings else ("loads", "")


PACKAGES, FILES = list(rows("Packages")), list(rows("Local files"))


def test_the_tables_are_there() -> None:
    assert (len(PACKAGES), len(FILES)) == (26, 7)
    assert {row[2] for row in PACKAGES} == {row[2] for row in FILES} == {"loads", "warns", "refused"}


@pytest.mark.parametrize("row", PACKAGES, ids=lambda row: f"{' and '.join(row[0])} on {row[1]}")
def test_a_requirement_ends_as_the_documentation_says(row: tuple[list[str], str, str, str]) -> None:
    required, core, result, said = row
    assert outcome(check_requires(["numpy>=1", *required, "torch"], core)) == (result, said)


@pytest.mark.parametrize("row", FILES, ids=lambda row: f"{' and '.join(row[0])} on {row[1]}")
def test_a_stated_version_ends_as_the_documentation_says(row: tuple[list[str], str, str, str]) -> None:
    stated, core, result, said = row
    assert outcome(check_stated(stated[0] if stated else None, core)) == (result, said)


@pytest.mark.parametrize(
    "garbage", ["", "???", "mi-cores>>1", "numpy; python_version ~= 'x'", "mi-core-extra>7", "\udcff"]
)
def test_a_requirement_that_is_none_of_ours_is_not_judged(garbage: str) -> None:
    assert outcome(check_requires([garbage, "mi-core>=0.1,<1"], CORE)) == ("loads", "")


def test_the_scaffold_s_requirement_loads_without_a_word() -> None:
    assert outcome(check_requires([bounded_requirement()])) == ("loads", "")
