"""What a page was made with: versions, parameters, probe, analyzers, and the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from mi.errors import MiError

if TYPE_CHECKING:
    from mi.domain.report import Report
    from mi.views.data import DataSource

LIBRARIES = ("mi-core", "torch", "transformer-lens", "zarr", "xarray", "bokeh")


@frozen(kw_only=True)
class Provenance:
    """What a page was made with.

    Attributes:
        family, variant, report: what is shown.
        parameters: the variant's domain parameters.
        probe, probe_digest: name and content hash of the probe; an empty hash when it cannot be built.
        analyzers: id -> version of the analyzers whose artifacts exist over the probe.
        versions: distribution -> version, of the libraries and of every plugin.
        command: makes this page again as a file.
    """

    family: str
    variant: str
    report: str
    parameters: Mapping[str, Any]
    probe: str
    probe_digest: str
    analyzers: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str

    @classmethod
    def of(cls, source: DataSource, report: Report) -> Provenance:
        """The provenance of ``report`` shown for the source's variant."""
        variant = source.variant
        plugins = {r.distribution: r.version for r in variant.workspace.host.records if r.distribution}
        libraries = {name: _version(name) for name in LIBRARIES}
        words = ["mi", "report", "build", report.name, variant.id, "--to", f"{report.name}.html"]
        if source.probe_name != variant.family.default_probe:
            words += ["--probe", source.probe_name]
        return cls(
            family=variant.family.name,
            variant=variant.name,
            report=report.name,
            parameters=dict(variant.parameters),
            probe=source.probe_name,
            probe_digest=_digest(source),
            analyzers=_analyzers(source),
            versions={k: v for k, v in {**libraries, **plugins}.items() if v},
            command=shlex.join(words),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _digest(source: DataSource) -> str:
    try:
        return source.variant.probe(source.probe_name)[1].digest
    except MiError:
        return ""


def _analyzers(source: DataSource) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for id in source.reader.analyzers(source.probe_name):
        try:
            found[id] = source.reader.attributes(source.probe_name, id).get("version", "")
        except MiError:
            continue
    return found
