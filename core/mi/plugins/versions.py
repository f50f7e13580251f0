"""Which plugins may be loaded: the version of the hook API against what a plugin says that it needs.

The hook API's version is the first two numbers of ``mi-core``'s. Within a major version minors only add, so a
plugin states ``mi-core>=0.1,<1``: the version that it was written for, and the next major as its bound.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mi import __version__
from mi.plugins.plain import API_VERSION, OURS

CORE = "mi-core"


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


def check_requires(requires: Iterable[str], ours: str = __version__) -> Verdict:
    """Judge a distribution by its requirements (``Requires-Dist`` of its metadata).

    Args:
        requires: all of them; what cannot be read, or is for another platform, does not count.
        ours: the version of ``mi-core``. A pre-release counts as the release that it leads to.
    """
    specifiers, expected = [], f"expected {bounded_requirement(_api(ours))!r}"
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            if OURS.match(text):
                return Verdict(text, warnings=[f"its requirement {text!r} cannot be read; {expected}"])
            continue
        if canonicalize_name(requirement.name) == CORE and _applies(requirement):
            specifiers.append(requirement.specifier)
    if not specifiers:
        return Verdict(warnings=[f"it states no requirement on {CORE}; {expected}"])
    return _judge(SpecifierSet(",".join(filter(None, map(str, specifiers)))), ours)


def _applies(requirement: Requirement) -> bool:
    """Whether a requirement counts here: one of an extra never does, one that cannot be judged does."""
    try:
        return requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return True


def check_stated(stated: str | None, ours: str = __version__) -> Verdict:
    """Judge a local file by its ``MI_API``: the version that it was written for.

    Args:
        stated: the text.
        ours: as for :func:`check_requires`.
    """
    if stated is None:
        return Verdict(warnings=[f'it states no version; expected a line MI_API = "{_api(ours)}"'])
    try:
        version = Version(stated)
    except InvalidVersion:
        return Verdict(stated, refusal=f"MI_API is {stated!r}, expected a version such as {_api(ours)!r}")
    states = f'it states MI_API "{stated}", this is {ours}'
    meant = SpecifierSet(bounded_requirement(version.base_version).removeprefix(CORE))
    verdict = _judge(meant, ours, states)
    return Verdict(stated, verdict.refusal, verdict.warnings)


def _judge(specifiers: SpecifierSet, core: str, said: str = "") -> Verdict:
    text, ours = ",".join(sorted(map(str, specifiers), reverse=True)), Version(Version(core).base_version)
    if specifiers.contains(ours, prereleases=True):
        bounded = any(s.operator in ("<", "<=", "~=", "==", "===") for s in specifiers)
        advice = (
            f"its requirement {CORE}{text} has no upper bound; expected {bounded_requirement(_api(core))!r}"
        )
        return Verdict(text, warnings=[] if bounded else [advice])
    needs = said or f"it needs {CORE}{text}, this is {core}"
    written_for = _written_for(specifiers)
    if (
        written_for is not None
        and written_for.major == ours.major
        and not _older(written_for, ours, specifiers)
    ):
        newer = f"{needs}: written for a newer version, it may use what is not here yet"
        return Verdict(text, warnings=[newer])
    return Verdict(text, refusal=needs)


def _older(written_for: Version, ours: Version, specifiers: SpecifierSet) -> bool:
    """Whether it was written for an older core, or for ours: then only a ``>`` asks for a newer one."""
    if written_for != ours:
        return written_for < ours
    return not any(s.operator == ">" and _version(s) == ours for s in specifiers)


def _api(core: str) -> str:
    return ".".join(Version(core).base_version.split(".")[:2])


def _written_for(specifiers: SpecifierSet) -> Version | None:
    """The lowest version that a requirement allows."""
    lowest = [_version(s) for s in specifiers if s.operator in (">=", ">", "~=", "==")]
    return max((v for v in lowest if v is not None), default=None)


def _version(specifier: Specifier) -> Version | None:
    try:
        return Version(specifier.version.removesuffix(".*"))
    except (InvalidVersion, InvalidSpecifier):
        return None
