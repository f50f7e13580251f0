"""What a class of checks is about, and the tiny variant that it tries things on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from mi.domain.family import Family, parse_family
from mi.domain.jsonfile import parse_json, read_json, write_json
from mi.domain.scaffold import add_family, shipped_families
from mi.domain.workspace import FAMILIES, Variant, Workspace
from mi.errors import unknown
from mi.plugins import Host
from mi.testing import tiny
from mi.testing.workspace import isolated_host, make_variant, make_workspace

if TYPE_CHECKING:
    from mi.testing.conformance.plugin import PluginConformance

_NO_HOME = Path(tempfile.gettempdir()) / "mi-testing-nothing-here"  # only ever read from


@frozen
class Spec:
    """The attributes of a class of checks, as values."""

    plugin: str
    beside: tuple[str, ...]
    family: str
    parameters: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]]
    epochs: int
    schedule: str
    probe: str
    device: str

    @classmethod
    def of(cls, checks: type[PluginConformance]) -> Spec:
        """The spec of a class of checks."""
        return cls(**{name: getattr(checks, name) for name in cls.__annotations__})

    @property
    def plugins(self) -> tuple[str, ...]:
        """Names of installed plugins to load."""
        named = (self.plugin, *self.beside)
        return tuple(name for name in named if name not in ("core", tiny.PLUGIN))

    def host(self) -> Host:
        """A host with the plugin, those beside it, and the kit's own."""
        return isolated_host(_NO_HOME, *self.plugins, given={tiny.PLUGIN: tiny})

    def shipped(self, host: Host) -> Family:
        """The family as a plugin ships it.

        Raises:
            UnknownNameError: none ships it.
            FormatError: its family.json does not hold what it must.
        """
        known = shipped_families(host)
        if self.family not in known:
            raise unknown("family that a plugin ships", self.family, known)
        path = known[self.family][1] / "family.json"
        return parse_family(parse_json(path.read_bytes(), str(path)), str(path))

    def owns(self, id: str) -> bool:
        """Whether an id is the plugin's."""
        return id.split(".")[0] == self.plugin


@define(eq=False, slots=False)
class Specimen:
    """A workspace with one tiny variant of the family, made on first use.

    Attributes:
        spec: of the class of checks.
        root: the workspace's folder, yet to be made.
    """

    spec: Spec
    root: Path
    kept: dict[str, Any] = field(factory=dict)

    @cached_property
    def workspace(self) -> Workspace:
        """A workspace whose family.json uses everything that the plugin offers, with the given options."""
        workspace = make_workspace(self.root, *self.spec.plugins)
        if self.spec.family not in workspace.family_names():
            add_family(workspace, self.spec.family)
        self._use(workspace)
        return workspace

    @property
    def family(self) -> Family:
        """The family, as this workspace has it."""
        return self.workspace.family(self.spec.family)

    @cached_property
    def variant(self) -> Variant:
        """The tiny variant, trained for a few steps."""
        spec = self.spec
        return make_variant(
            self.workspace,
            spec.family,
            spec.parameters,
            epochs=spec.epochs,
            schedule=spec.schedule,
            device=spec.device,
        )

    def _use(self, workspace: Workspace) -> None:
        family = workspace.family(self.spec.family)
        path = workspace.root / FAMILIES / family.name / "family.json"
        data = read_json(path)
        for kind, offered in (
            ("analyzers", workspace.host.analyzers(family)),
            ("visualizations", workspace.host.visualizations(family)),
        ):
            uses = {use["id"]: use for use in data.get(kind, [])}
            uses |= {id: {"id": id} for id in offered if self.spec.owns(id) and id not in uses}
            for id in uses.keys() & self.spec.options.keys() & offered.keys():
                # An analyzer and a visualization may share their id: each takes the options that it declares.
                options = {n: v for n, v in self.spec.options[id].items() if n in offered[id].options}
                uses[id] = {**uses[id], "options": {**uses[id].get("options", {}), **options}}
            data[kind] = list(uses.values())
        ours = [id for id in workspace.host.probe_kinds(family) if self.spec.owns(id)]
        probes = data.setdefault("probes", {})
        probes["kinds"] = list(dict.fromkeys([*probes.get("kinds", []), *ours]))
        write_json(path, data)


@define
class Shelf:
    """What the classes of checks of a session share.

    Attributes:
        folder: for workspaces.
        specimens: one for each spec, so that a tiny variant is trained and analyzed once.
        light: what was imported when plugins were listed.
    """

    folder: Path
    specimens: dict[str, Specimen] = field(factory=dict)
    light: dict[str, Any] = field(factory=dict)

    def specimen(self, spec: Spec) -> Specimen:
        """The specimen of a spec."""
        key = repr(spec)
        if key not in self.specimens:
            self.specimens[key] = Specimen(spec, self.folder / f"specimen{len(self.specimens)}")
        return self.specimens[key]
