"""Which plugins may be loaded: the version of the hook API against what a plugin says that it needs.

The hook API's version is the first two numbers of ``mi-core``'s. Within a major version minors only add, so a
plugin states ``mi-core>=0.1,<1``: the version that it was written for, and the next major as its bound.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from mi import __version__

CORE = "mi-core"
API_VERSION = ".".join(__version__.split(".")[:2])


@frozen
class Verdict:
    """Whether a plugin may be loaded.

    Attributes:
        api: the requirement as it was written; empty when there is none.
        refusal: why not, or an empty string.
        warnings: what is wrong and does not stop it.
    """

    api: str = ""
    refusal: str = ""
    warnings: list[str] = field(factory=list)


def bounded_requirement(version: str = API_VERSION) -> str:
    """The requirement that a plugin written for ``version`` states: ``mi-core>=0.1,<1``."""
    return f"{CORE}>={version},<{Version(version).major + 1}"


def check_requires(requires: Iterable[str]) -> Verdict:
    """Judge a distribution by its requirements (``Requires-Dist`` of its metadata)."""
    specifiers = []
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name.replace("_", "-").lower() != CORE:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            specifiers.append(requirement.specifier)
    if not specifiers:
        return Verdict(warnings=[f"it states no requirement on {CORE}; expected {bounded_requirement()!r}"])
    return _judge(SpecifierSet(",".join(filter(None, map(str, specifiers)))))


def check_stated(stated: str | None) -> Verdict:
    """Judge a local file by its ``MI_API``: the version that it was written for."""
    if stated is None:
        return Verdict(warnings=[f'it states no version; expected a line MI_API = "{API_VERSION}"'])
    try:
        version = Version(stated)
    except InvalidVersion:
        return Verdict(stated, refusal=f"MI_API is {stated!r}, expected a version such as {API_VERSION!r}")
    verdict = _judge(SpecifierSet(bounded_requirement(str(version)).removeprefix(CORE)))
    return Verdict(stated, verdict.refusal, verdict.warnings)


def _judge(specifiers: SpecifierSet) -> Verdict:
    text, ours = ",".join(sorted(map(str, specifiers), reverse=True)), Version(__version__)
    if specifiers.contains(ours, prereleases=True):
        bounded = any(s.operator in ("<", "<=", "~=", "==", "===") for s in specifiers)
        advice = f"its requirement {CORE}{text} has no upper bound; expected {bounded_requirement()!r}"
        return Verdict(text, warnings=[] if bounded else [advice])
    needs = f"it needs {CORE}{text}, this is {__version__}"
    written_for = _written_for(specifiers)
    if written_for is not None and written_for.major == ours.major and written_for > ours:
        newer = f"{needs}: written for a newer version, it may use what is not here yet"
        return Verdict(text, warnings=[newer])
    return Verdict(text, refusal=needs)


def _written_for(specifiers: SpecifierSet) -> Version | None:
    """The lowest version that a requirement allows."""
    lowest = [_version(s) for s in specifiers if s.operator in (">=", ">", "~=", "==")]
    return max((v for v in lowest if v is not None), default=None)


def _version(specifier: Specifier) -> Version | None:
    try:
        return Version(specifier.version.removesuffix(".*"))
    except (InvalidVersion, InvalidSpecifier):
        return None
