"""Plugins: metadata and the last load, or, on request, each loaded in a process of its own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.plugins.overview import check_rows, overview
from mi.plugins.plain import API_VERSION
from mi.plugins.survey import strangers

# What a version's warning and its refusal are told by; see `mi.plugins.versions`.
NEWER, REFUSED = "written for a newer version", ("it needs mi-core", "it states MI_API")


def rows(context: Context) -> list[dict[str, Any]]:
    """One row a plugin, as `mi plugins` shows them."""
    if context.load:
        return check_rows(context.root, None, context.limit)
    return overview(context.root)


def findings(rows: list[dict[str, Any]], environ: Mapping[str, str]) -> Iterator[Finding]:
    """One finding a plugin, one for each of its warnings, one a variable that names no plugin."""
    there = {row["name"] for row in rows if row["kind"] != "commands"}
    for variable, sentence in strangers(there, environ).items():
        yield Finding("plugins", variable, WARNING, sentence, f"correct {variable}, or unset it")
    for row in rows:
        yield _state(row)
        if row["state"] != "untrusted":  # its warning is what `_state` says
            for i, warning in enumerate(row["warnings"]):
                sentence = f"plugin {row['name']}: {warning}"
                mend = "tell its authors" if row["kind"] == "installed" else ""
                if NEWER in warning and row["distribution"]:
                    mend = f"if something of it fails, install a version of it for mi-core {API_VERSION}"
                yield Finding("plugins", f"{row['name']}/{i}", WARNING, sentence, mend)


def dangerous(rows: list[dict[str, Any]]) -> list[str]:
    """Plugins that are known to end the process that loads them."""
    return [row["name"] for row in rows if any(f["hook"] == "process" for f in row["failures"])]


def _state(row: Mapping[str, Any]) -> Finding:
    name = f"{row['name']} {row['version']}".strip()
    if row["failures"]:
        first, count = row["failures"][0], len(row["failures"])
        more = f", and {count - 1} more" if count > 1 else ""
        when = "" if row["age_seconds"] is None else " at its last load,"
        sentence = f"plugin {name} failed{when} in {first['hook']}: {first['error']}{more}"
        return Finding("plugins", row["name"], PROBLEM, sentence, _mend(row))
    if row["state"] == "untrusted":
        sentence = f"plugin {name}: {row['warnings'][-1]}"
        return Finding("plugins", row["name"], WARNING, sentence, f"mi trust {shlex.quote(row['name'])}")
    words = {
        "ready": "was not loaded yet; `mi doctor --check` loads it",
        "disabled": "is disabled (MI_LOAD_PLUGINS, MI_DISABLE_PLUGINS)",
        "loaded": f"loaded, in {row['milliseconds'] or 0:g} ms",
    }
    said = (
        "brings commands, no plugin" if row["kind"] == "commands" else words.get(row["state"], row["state"])
    )
    return Finding("plugins", row["name"], OK, f"{name} {said}")


def _mend(row: Mapping[str, Any]) -> str:
    """What helps a plugin that failed: another version, where it is the version that is refused."""
    first = row["failures"][0]
    if first["hook"] != "discover" or not first["error"].startswith(REFUSED):
        return f"mi plugins {shlex.quote(row['name'])}"
    if row["distribution"]:
        return other_version(row["distribution"])
    return f'make it work with this version and state MI_API = "{API_VERSION}", or remove the file'


def other_version(distribution: str) -> str:
    """What to do with a distribution that was written for another major version of ``mi-core``."""
    major = API_VERSION.split(".")[0]
    uninstall = f"pip uninstall {shlex.quote(distribution)}"
    return f"install a version of {distribution} for mi-core {major}.x, or `{uninstall}`"
