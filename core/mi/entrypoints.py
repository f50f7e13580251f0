"""Entry points of installed distributions, read so that one with broken metadata hides no other.

Light: `mi --help` reads them. The standard library's ``entry_points()`` raises for all when one is malformed.
"""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint, distributions
from typing import NamedTuple

from mi.faults import one_line, sentence

PLUGINS, COMMANDS = "mi.plugins", "mi.commands"


class Found(NamedTuple):
    """An entry point, or a distribution that should have some and whose metadata cannot be read.

    Attributes:
        entry: the entry point; None where there is a problem.
        distribution, version: of what it came with; never empty, whatever the metadata lack.
        requires: its requirements.
        problem: what is wrong with the metadata.
    """

    entry: EntryPoint | None
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    problem: str = ""

    @property
    def source(self) -> str:
        """``distribution version``."""
        return f"{self.distribution} {self.version}"


def find(group: str) -> list[Found]:
    """Every entry point of ``group``, and what is broken; of a distribution seen twice the first counts."""
    found: list[Found] = []
    seen: set[str] = set()
    for distribution in distributions():
        text = _entry_points_text(distribution)
        if group not in text:
            continue  # nothing of ours: its metadata are nobody's business here
        name = _name(distribution)
        key = name.lower().replace("-", "_")
        if key not in seen:
            seen.add(key)
            found += _read(distribution, group, name)
    return sorted(found, key=lambda one: (one.source, one.entry.name if one.entry is not None else ""))


def malformed() -> list[str]:
    """``name (path): why`` of every distribution whose entry points cannot be read.

    One is enough to end whatever asks the standard library for entry points, xarray and zarr among them.
    """
    said = []
    for distribution in distributions():
        try:
            list(distribution.entry_points)
        except Exception as error:
            where = getattr(distribution, "_path", "")
            said.append(f"{_name(distribution)} ({where}): {sentence(error)}")
    return said


def _read(distribution: Distribution, group: str, name: str) -> list[Found]:
    version = "?"
    try:
        version = one_line(str(distribution.metadata["Version"] or "?"))
        entries = [entry for entry in distribution.entry_points if entry.group == group]
        requires = tuple(map(str, distribution.requires or ()))
        return [Found(entry, name, version, requires) for entry in entries]
    except Exception as error:  # whatever a malformed file makes the parsers raise
        return [Found(None, name, version, problem=f"its metadata cannot be read ({sentence(error)})")]


def _entry_points_text(distribution: Distribution) -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")
    except Exception:
        return ""


def _name(distribution: Distribution) -> str:
    """Its name, else that of the folder that holds its metadata."""
    try:
        name = distribution.metadata["Name"]
    except Exception:
        name = None
    folder = getattr(getattr(distribution, "_path", None), "name", "")
    return one_line(str(name or folder.split("-")[0] or "unnamed"))
