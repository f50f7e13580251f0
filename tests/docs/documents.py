"""Code blocks of the docs: those that name a file, those that are commands, and the rest."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`(?P<added>, added)?:\n\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)


@frozen
class Block:
    """One fenced block.

    Attributes:
        kind: the language behind the fence.
        code: its text.
        path: the file that the line above names, or an empty string.
        added: whether the text belongs at that file's end.
    """

    kind: str
    code: str
    path: str = ""
    added: bool = False


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(m["kind"], m["code"], m["path"] or "", m["added"] is not None)
        for m in _FENCE.finditer(page.read_text())
    ]


def write_files(pages: list[Path], folder: Path) -> list[Path]:
    """Write the files that the pages show into ``folder``; give what was written."""
    written = []
    for page in pages:
        for block in blocks(page):
            if not block.path:
                continue
            path = folder / block.path
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text() + "\n\n" if block.added else ""
            path.write_text(before + block.code)
            written.append(path)
    return written
