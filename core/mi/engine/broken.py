"""Analyzers that cannot be had: named in one line each, with all that needs them; the others run."""

from __future__ import annotations

from collections.abc import Mapping

from mi.domain.analyzer import Analyzer
from mi.domain.family import Family
from mi.domain.keep import PREFIX
from mi.domain.workspace import FAMILIES
from mi.errors import PluginError
from mi.plugins import Host


def owner_of(host: Host, id: str) -> str:
    """``plugin (distribution version)`` of an analyzer's id, for messages."""
    record = host.record_of(id)
    return f"{record.name} ({record.source})" if record else id.split(".")[0]


def called(id: str) -> str:
    """What messages call an analyzer, or a site that is to be kept."""
    return f"--keep {id.removeprefix(PREFIX)}" if id.startswith(PREFIX) else f"analyzer {id}"


def blamed(family: Family, host: Host, id: str, error: Exception) -> str:
    """Why an analyzer cannot be had, in one line that names it, its plugin and who asks for it."""
    if id.startswith(PREFIX):
        return f"{called(id)}: {error}"
    name, owner = family.name, owner_of(host, id)
    said, whole = str(error), f"analyzer {id} of plugin {owner}"
    for start in (whole, f"analyzer {id}"):
        said = said.removeprefix(f"{start}: ")
    listed = any(use.id == id for use in family.analyzers)
    file = f"{FAMILIES}/{name}/family.json: " if listed else ""
    return f"{file}{whole}: {said}"


def check_needs(analyzer: Analyzer, broken: Mapping[str, str]) -> None:
    """Refuse an analyzer that needs a broken one.

    Raises:
        PluginError: it does.
    """
    for need in analyzer.artifacts:
        if need.analyzer in broken:
            raise PluginError(f"analyzer {analyzer.id}: skipped, because {need.analyzer} is broken")
