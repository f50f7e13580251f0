"""Python and the installed distributions, against the ranges that their metadata state."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mi import __version__
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding
from mi.doctor.plugins import NEWER, other_version
from mi.doctor.tested import PYTHON, TESTED
from mi.plugins.overview import overview
from mi.plugins.plain import API_VERSION
from mi.plugins.versions import check_requires

CORE = "mi-core"


def check(context: Context) -> Iterator[Finding]:
    """Python, the core's dependencies, and those of every distribution with plugins or commands in use."""
    yield python()
    yield from core()
    used = [
        row for row in overview() if row["kind"] in ("installed", "commands") and row["state"] != "disabled"
    ]
    for owner in [CORE, *sorted({row["distribution"] for row in used} - {CORE})]:
        yield from dependencies(owner)


def python() -> Finding:
    """The interpreter against ``Requires-Python``."""
    running = platform.python_version()
    said = f"Python {running} ({sys.executable})"
    try:
        needed = str(metadata(CORE).json.get("requires_python", ""))
        fits = SpecifierSet(needed).contains(running, prereleases=True)
    except (PackageNotFoundError, InvalidSpecifier):
        needed, fits = "", True
    if not fits:
        mend = f"make an environment with Python {PYTHON}, the version that is tested"
        return Finding("packages", "python", PROBLEM, f"{said}: {CORE} needs {needed}", mend)
    tested = "" if running.startswith(f"{PYTHON}.") else f", tested with {PYTHON}"
    return Finding("packages", "python", OK, said + tested)


def core() -> Iterator[Finding]:
    """Whether the code that runs is the distribution that is installed."""
    try:
        installed = version(CORE)
    except PackageNotFoundError:
        sentence = f"{CORE} {__version__} runs and is not installed, so nothing knows what it needs"
        yield Finding("packages", CORE, WARNING, sentence, f"pip install {CORE}")
        return
    if installed != __version__:
        sentence = f"{CORE}: its metadata say {installed}, its code {__version__}"
        yield Finding("packages", CORE, WARNING, sentence, "install it again, as it was installed before")
    else:
        yield Finding("packages", CORE, OK, f"{CORE} {installed}")


def dependencies(owner: str) -> Iterator[Finding]:
    """One finding for each requirement of ``owner`` that is not met, and one for all that are."""
    try:
        needed = requires(owner) or []
    except PackageNotFoundError:
        return
    fine = []
    for text in needed:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            sentence = f"{owner} states a requirement that nothing can read: {text!r}"
            yield Finding("packages", f"{owner}/{text}", WARNING, sentence, "tell its authors")
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = (
            _core_for(owner, text) if _is_core(requirement) and owner != CORE else _unmet(owner, requirement)
        )
        if found is None:
            fine.append(_said(requirement.name))
        else:
            yield found
    if fine:
        sentence = f"{owner} finds what it needs: {', '.join(sorted(fine, key=str.lower))}"
        yield Finding("packages", f"{owner} needs", OK, sentence)


def _is_core(requirement: Requirement) -> bool:
    return canonicalize_name(requirement.name) == CORE


def _core_for(owner: str, text: str) -> Finding | None:
    """What a plugin's distribution says of ``mi-core``, judged as where plugins are loaded."""
    verdict = check_requires([text])
    if verdict.refusal:
        return Finding(
            "packages", f"{owner}/{CORE}", PROBLEM, f"{owner}: {verdict.refusal}", other_version(owner)
        )
    newer = [warning for warning in verdict.warnings if NEWER in warning]
    if newer:
        mend = f"if something of it fails, install a version of {owner} for mi-core {API_VERSION}"
        return Finding("packages", f"{owner}/{CORE}", WARNING, f"{owner}: {newer[0]}", mend)
    return None


def _unmet(owner: str, requirement: Requirement) -> Finding | None:
    name, wanted = requirement.name, str(requirement.specifier)
    mend = f'pip install "{name}{wanted}"'
    try:
        installed = version(name)
    except PackageNotFoundError:
        sentence = f"{name} is not installed; {owner} needs it" + (f" ({wanted})" if wanted else "")
        return Finding("packages", f"{owner}/{name}", PROBLEM, sentence, mend)
    try:
        fits = requirement.specifier.contains(installed, prereleases=True)
    except InvalidVersion:
        fits = False
    if fits:
        return None
    sentence = f"{name} {installed} is installed; {owner} needs {wanted}"
    return Finding("packages", f"{owner}/{name}", PROBLEM, sentence, mend)


def _said(name: str) -> str:
    """Name and version, with the tested one where it is another release."""
    installed, tested = version(name), TESTED.get(name.lower())
    if tested is None:
        return f"{name} {installed}"
    try:
        same = Version(installed).release[:2] == Version(tested).release[:2]
    except InvalidVersion:
        same = False
    return f"{name} {installed}" if same else f"{name} {installed} (tested {tested})"
