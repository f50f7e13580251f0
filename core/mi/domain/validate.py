"""Does everything that a family declares exist, fit and build? One verdict a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mi.domain.code import VariantCode
from mi.domain.family import Family, Use
from mi.domain.report import load_report
from mi.domain.values import check_options
from mi.domain.workspace import FAMILIES, Workspace
from mi.errors import FormatError, MiError, nearest, unknown

if TYPE_CHECKING:
    from mi.plugins import Host


@frozen
class Verdict:
    """What is wrong with a file; ``problem`` is empty when nothing is.

    Attributes:
        family: the family's name.
        file: path below the workspace.
        problem: one sentence.
    """

    family: str
    file: str
    problem: str = ""


def validate_family(workspace: Workspace, name: str) -> Iterator[Verdict]:
    """Check a family's family.json, then its probes and reports, against the plugins there are.

    Probes are built for the variant with default parameters. When family.json itself cannot be read,
    nothing else is judged.

    Raises:
        UnknownNameError: there is no family of that name.
    """
    names = workspace.family_names()
    if name not in names:
        raise unknown("family", name, names)
    path = workspace.root / FAMILIES / name / "family.json"
    shown = str(path.relative_to(workspace.root))
    try:
        family = workspace.family(name)
    except MiError as error:
        yield Verdict(name, shown, str(error))
        return
    problems = list(_problems(workspace, family, path))
    yield from (Verdict(name, shown, problem) for problem in problems or [""])
    code = _code(workspace, family)
    for kind, check in (("probes", _check_probe), ("reports", _check_report)):
        for file in sorted((path.parent / kind).glob("*.json")):
            problem = _said(lambda check=check, file=file: check(workspace, family, code, file))  # type: ignore[misc]
            yield Verdict(name, str(file.relative_to(workspace.root)), problem)


def _problems(workspace: Workspace, family: Family, path: Path) -> Iterator[str]:
    """What family.json promises and plugins do not keep."""
    host = workspace.host
    defaults = {name: parameter.default for name, parameter in family.parameters.items()}
    if problem := _said(lambda: host.variant_code(family, defaults)):
        yield str(FormatError(path, "code", family.code, because=problem))
    if problem := _said(lambda: family.variant_name(defaults)):
        yield str(FormatError(path, "variant", family.pattern, because=problem))
    analyzers, visualizations = host.analyzers(family), host.visualizations(family)
    readable = host.readable(family)
    used = [use.id for use in family.analyzers]
    yield from _uses(host, path, "analyzers", "analyzer", family.analyzers, analyzers)
    for i, use in enumerate(family.analyzers):
        for need in analyzers[use.id].artifacts if use.id in analyzers else ():
            if need.analyzer not in analyzers:
                said = str(host.unoffered(f"analyzer that {use.id} reads", need.analyzer, analyzers))
                yield str(FormatError(path, f"analyzers[{i}].id", use.id, because=said))
            elif need.analyzer not in used:
                expected = f"an analyzer whose needs are listed too: it reads {need.analyzer}"
                yield str(FormatError(path, f"analyzers[{i}].id", use.id, expected))
    yield from _uses(host, path, "visualizations", "visualization", family.visualizations, visualizations)
    for i, use in enumerate(family.visualizations):
        for id in visualizations[use.id].reads if use.id in visualizations else ():
            if id not in readable:
                said = str(host.unread(family, use.id, id))
                yield str(FormatError(path, f"visualizations[{i}].id", use.id, because=said))
            elif id not in used:
                expected = f"a visualization of listed analyzers: it reads {id}"
                yield str(FormatError(path, f"visualizations[{i}].id", use.id, expected))
    kinds = host.probe_kinds(family)
    for i, kind in enumerate(family.probe_kinds):
        if kind not in kinds:
            yield _not_offered(host, path, f"probes.kinds[{i}]", "probe kind", kind, kinds)
    probes = workspace.probe_names(family)
    if family.default_probe and family.default_probe not in probes:
        expected = f"one of the saved probes: {', '.join(probes) or 'none yet'}"
        yield str(FormatError(path, "probes.default", family.default_probe, expected))


def _uses(
    host: Host, path: Path, field: str, kind: str, uses: tuple[Use, ...], offered: Mapping[str, Any]
) -> Iterator[str]:
    for i, use in enumerate(uses):
        if use.id not in offered:
            yield _not_offered(host, path, f"{field}[{i}].id", kind, use.id, offered)
            continue
        declared = offered[use.id].options
        if problem := _said(lambda use=use, declared=declared: check_options(use.id, declared, use.options)):  # type: ignore[misc]
            yield str(FormatError(path, f"{field}[{i}].options", dict(use.options), because=problem))


def _not_offered(host: Host, file: Path, field: str, kind: str, id: str, offered: Mapping[str, Any]) -> str:
    """What keeps the plugin of ``id`` from offering it is the news; else what is like it."""
    record = host.record_of(id)
    if record is not None and record.why_not(id):
        return str(FormatError(file, field, id, because=str(host.unoffered(kind, id, offered))))
    known = nearest(id, offered) or sorted(offered)[:12]
    article = "an" if kind[0] in "aeiou" else "a"
    expected = f"{article} {kind} that a plugin offers: {', '.join(known) or 'there is none'}"
    return str(FormatError(file, field, id, expected))


def _code(workspace: Workspace, family: Family) -> VariantCode | None:
    defaults = {name: parameter.default for name, parameter in family.parameters.items()}
    try:
        return workspace.host.variant_code(family, defaults)
    except MiError:
        return None  # said already, with family.json


def _check_probe(workspace: Workspace, family: Family, code: VariantCode | None, file: Path) -> None:
    spec = workspace.probe_spec(family, file.stem)
    if code is not None:
        _said_of(file, "options", dict(spec.options), lambda: workspace.build_probe(family, spec, code))


def _check_report(workspace: Workspace, family: Family, code: VariantCode | None, file: Path) -> None:
    report = load_report(file)
    if report.probe and report.probe not in workspace.probe_names(family):
        expected = f"one of the saved probes: {', '.join(workspace.probe_names(family)) or 'none yet'}"
        raise FormatError(file, "probe", report.probe, expected)
    host = workspace.host
    readable, offered = host.readable(family), host.visualizations(family)
    for i, panel in enumerate(report.panels):
        field, id = f"panels[{i}].visualization", panel.visualization
        if id not in offered:
            raise MiError(_not_offered(host, file, field, "visualization", id, offered))
        for read in offered[id].reads:
            if read not in readable:
                raise FormatError(file, field, id, because=str(host.unread(family, id, read)))
        options = {**family.use("visualization", id).options, **panel.options}
        _said_of(
            file,
            f"panels[{i}].options",
            dict(panel.options),
            lambda id=id, options=options: check_options(id, offered[id].options, options),  # type: ignore[misc]
        )


def _said(check: Callable[[], Any]) -> str:
    """The sentence of a refusal, or nothing."""
    try:
        check()
    except MiError as error:
        return str(error)
    return ""


def _said_of(file: Path, field: str, value: Any, check: Callable[[], Any]) -> None:
    """Run a check; its refusal is said again with file and field in front."""
    try:
        check()
    except FormatError:
        raise
    except MiError as error:
        raise FormatError(file, field, value, because=str(error)) from None
