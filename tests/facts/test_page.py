"""docs/libraries.md names tests that exist, and all of those in this folder."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "libraries.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", PAGE)


@cache
def functions_of(file: str) -> frozenset[str]:
    path = ROOT / file if file.startswith(("core/", "plugins/")) else ROOT / "tests" / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 50
    assert [f"{file}::{name}" for file, name in NAMED if name and name not in functions_of(file)] == []
    assert all(functions_of(file) for file, name in NAMED if not name)


def test_the_page_names_every_fact() -> None:
    here = Path(__file__)
    facts = {
        (f"facts/{path.name}", name)
        for path in here.parent.glob("test_*.py")
        if path != here
        for name in functions_of(f"facts/{path.name}")
        if name.startswith("test_")
    }
    assert facts - set(NAMED) == set()
