"""The templates, filled in."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from packaging.requirements import Requirement

from mi.plugins.versions import CORE, bounded_requirement
from mi.skeleton.names import Names
from mi.skeleton.parts import files_of

# What each part's code imports besides mi, and what its declarations are made of.
_REQUIRES = {"family": {"numpy", "torch", "transformer-lens"}, "probe": {"numpy"}, "analyzer": {"torch"}}
_DECLARES = {
    "family": {"FamilyCode"},
    "probe": {"Family", "Option", "ProbeKind"},
    "analyzer": {"Analyzer", "Family", "Option", "Output"},
    "visualization": {"Family", "Field", "Visualization"},
}
_TITLES = {
    "dimension": "Effective dimension",
    "spectrum": "Shares of the variance",
    "fall": "Fall of the losses",
}


def render(names: Names, parts: tuple[str, ...]) -> dict[str, str]:
    """The files of a new plugin: path below its folder -> content."""
    environment = Environment(
        loader=PackageLoader("mi.skeleton"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python, TOML and JSON, no HTML
    )
    given = _given(names, parts)
    return {
        file.target.format(package=names.package, family=names.family): environment.get_template(
            f"{file.template}.j2"
        ).render(given)
        for file in files_of(parts)
    }


def _given(names: Names, parts: tuple[str, ...]) -> dict[str, Any]:
    """The variables of the templates."""
    return {
        "plugin": names.plugin,
        "package": names.package,
        "distribution": names.distribution,
        "family_name": names.family,
        "parts": parts,
        "requirements": _requirements(parts),
        "python": metadata.metadata(CORE)["Requires-Python"],
        # The hidden layer of its own family; without one, what most models of TransformerLens have.
        "site": "hook_hidden" if "family" in parts else "blocks.0.hook_resid_post@-1",
        "declarations": _declarations(parts),
        "panels": _panels(parts),
        "titles": _TITLES,
    }


def _declarations(parts: tuple[str, ...]) -> list[str]:
    """What the plugin module imports from mi, sorted as an import is: classes, then functions."""
    found = {"hookimpl"}.union(*(_DECLARES[part] for part in parts))
    return sorted(found, key=lambda name: (name[0].islower(), name))


def _panels(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the visualizations: the analyzer's, or one of the losses, which need no analyzer."""
    if "visualization" not in parts:
        return ()
    return ("dimension", "spectrum") if "analyzer" in parts else ("fall",)


def _requirements(parts: tuple[str, ...]) -> list[str]:
    """Of the package: mi within this major version, and the rest in the ranges that mi itself states."""
    stated = {r.name: r.specifier for r in map(Requirement, metadata.requires(CORE) or ())}
    needed = sorted({name for part in parts for name in _REQUIRES.get(part, ())})
    ranges = {name: ",".join(sorted(map(str, stated[name]), reverse=True)) for name in needed}
    return [bounded_requirement(), *(name + ranges[name] for name in needed)]
