"""What the scaffold writes and the pages on plugins show imports only what is promised to stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.documents import DOCS

import mi

PAGES = DOCS / "plugins"
TEMPLATES = Path(mi.__file__).parent / "skeleton" / "templates"
SOURCES = sorted([*PAGES.glob("*.md"), *TEMPLATES.rglob("*.j2")])


def promised() -> set[str]:
    """Modules that are public: those named in the list of the page on stability."""
    text = (PAGES / "stability.md").read_text().split("**Public is**")[1].split("Everything else")[0]
    return set(re.findall(r"`(mi(?:\.[a-z]\w*)*)(?:\.[A-Z]\w*)?`", text)) - {"mi.plugins", "mi.commands"}


def test_the_list_is_there() -> None:
    assert {"mi", "mi.lab", "mi.testing", "mi.views.data", "mi.engine.model"} <= promised()


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_only_public_modules_are_imported(file: Path) -> None:
    public, strange = promised(), []
    for module, names in re.findall(r"^\s*from (mi(?:\.\w+)*) import (.+)$", file.read_text(), re.M):
        whole = {f"{module}.{name.strip()}" for name in names.split(",")}  # `from mi.views import recipes`
        if module not in public and not module.startswith("mi.testing.") and not whole <= public:
            strange.append(module)
    assert strange == []
