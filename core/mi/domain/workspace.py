"""The workspace: the folder that holds ``model_families/`` and ``results/``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import Factory, define, field

from mi.domain.code import VariantCode
from mi.domain.family import Family, load_family
from mi.domain.intervention import SLUG, Intervention, checked, child_name, is_child_slug
from mi.domain.jsonfile import Fields, read_json, write_json
from mi.domain.naming import MAX_LENGTH
from mi.domain.place import FAMILIES as FAMILIES
from mi.domain.place import FAMILY_SCOPE as FAMILY_SCOPE
from mi.domain.place import RESULTS as RESULTS
from mi.domain.place import find_workspace as find_workspace
from mi.domain.probe import Probe, ProbeKind, ProbeSpec
from mi.domain.report import Report, load_report
from mi.domain.values import check_options, is_slug
from mi.errors import FormatError, MiError, ParameterError, StoreError, UnknownNameError, unknown
from mi.plugins import Host, load_host
from mi.refs import resolve

PROBE_SCHEMA = CONFIG_SCHEMA = 1


@define(slots=False)
class Workspace:
    """Families, variants, probes and reports of one folder, with the plugins that serve them."""

    root: Path
    host: Host = field(default=Factory(lambda self: load_host(self.root), takes_self=True))

    @classmethod
    def open(cls, path: Path | str | None = None, host: Host | None = None) -> Workspace:
        """The workspace at ``path`` (see :func:`find_workspace`)."""
        root = find_workspace(path)
        return cls(root, host if host is not None else load_host(root))

    def family_names(self) -> list[str]:
        """Names of the declared families, sorted; a folder counts when it holds a family.json."""
        folders = [p.parent.name for p in (self.root / FAMILIES).glob("*/family.json")]
        return sorted(name for name in folders if not name.startswith("."))

    def family(self, name: str) -> Family:
        """A declared family.

        Raises:
            UnknownNameError: there is none of that name.
            FormatError: its family.json does not hold what it must.
        """
        names = self.family_names()
        if name not in names:
            raise unknown("family", name, names, hint="Add one with `mi families add`.")
        return load_family(self.root / FAMILIES / name / "family.json")

    def families(self) -> dict[str, Family | MiError]:
        """All declared families; one that is malformed as its error, so that the others still show."""
        found: dict[str, Family | MiError] = {}
        for name in self.family_names():
            try:
                found[name] = self.family(name)
            except MiError as error:
                found[name] = error
        return found

    def variants(self, family: str | None = None) -> list[Variant]:
        """Variants that exist in ``results/``, sorted by family and name; unreadable ones left out."""
        return [v for v in self.scan(family) if isinstance(v, Variant)]

    def scan(self, family: str | None = None) -> Iterator[Variant | MiError]:
        """Variants in ``results/``, an unreadable one as its error."""
        for name in [family] if family is not None else self.family_names():
            try:
                declared = self.family(name)
            except MiError as error:
                if family is not None:
                    raise
                yield error
                continue
            for path in sorted((self.root / RESULTS / name).glob("*/config.json")):
                if path.parent.name == FAMILY_SCOPE:
                    continue
                try:
                    yield self._stored(declared, path.parent)
                except MiError as error:
                    yield error

    def variant(self, ref: str | None = None, /, family: str | None = None, **parameters: Any) -> Variant:
        """The one existing variant of that name (``name`` or ``family/name``) or with these parameters.

        Raises:
            UnknownNameError: none matches, or several do; the message lists them.
        """
        if ref is not None and "/" in ref:
            family, ref = ref.split("/", 1)
        pool = self.variants(family)
        if ref is not None:
            matches = [v for v in pool if v.name == ref]
            if not matches:
                self._raise_unreadable(ref, family)
                hint = "" if pool else "Make one with `mi train`."
                raise unknown("variant", ref, [v.name for v in pool], hint=hint)
        else:
            for name in parameters:  # a misspelt parameter is an error, not "no match"
                if family is not None and name not in self.family(family).parameters:
                    self.family(family).complete({name: parameters[name]})
            matches = [
                v
                for v in pool
                if all(k in v.parameters and v.parameters[k] == x for k, x in parameters.items())
                and not v.parent  # children share their parents' parameters, and go by name
            ]
        if len(matches) == 1:
            return matches[0]
        said = ", ".join(f"{k}={v}" for k, v in parameters.items()) or ref or "no parameters"
        listed = ", ".join(v.id for v in (matches or pool)[:12])
        if matches:
            raise UnknownNameError(f"{len(matches)} variants match {said}: {listed}; name one")
        raise UnknownNameError(f"no variant matches {said}; known: {listed or 'none yet (see `mi train`)'}")

    def family_folder(self, family: Family) -> Path:
        """Where what spans a family's variants lies: artifacts of scope ``family``."""
        return self.root / RESULTS / family.name / FAMILY_SCOPE

    def _raise_unreadable(self, name: str, family: str | None) -> None:
        """Say what is wrong with a variant that is there and cannot be read."""
        if name == FAMILY_SCOPE:
            return
        for declared in [family] if family is not None else self.family_names():
            parent = self.root / RESULTS / declared
            if parent.is_dir() and name in {path.name for path in parent.iterdir()}:
                self._stored(self.family(declared), parent / name)

    def declare(self, family: Family, given: Mapping[str, Any]) -> Variant:
        """The variant of ``family`` with these parameters, whether or not it exists on disk.

        Raises:
            ParameterError: a value that the family or its code refuses.
            StoreError: the folder of that name holds other parameters.
        """
        parameters = family.complete(given)
        self.host.variant_code(family, parameters)
        folder = self.root / RESULTS / family.name / family.variant_name(parameters)
        if (folder / "config.json").exists():
            stored = self._stored(family, folder)
            if dict(stored.parameters) != parameters:
                raise StoreError(f"{folder}: holds a variant with other parameters")
        return Variant(workspace=self, family=family, parameters=parameters, folder=folder)

    def child(self, parent: Variant, slug: str, interventions: Sequence[Intervention]) -> Variant:
        """A variant that does otherwise than ``parent``, whether or not it exists on disk.

        Raises:
            ParameterError: a slug or an intervention that cannot be.
            StoreError: the folder of that name holds another variant.
        """
        if not is_child_slug(slug):
            raise ParameterError(f"slug is {slug!r}, expected {SLUG}")
        folder = parent.folder.with_name(child_name(parent.name, slug))
        if len(folder.name) > MAX_LENGTH:
            raise ParameterError(f"variant name {folder.name!r} has more than {MAX_LENGTH} characters")
        child = Variant(
            workspace=self,
            family=parent.family,
            parameters=parent.parameters,
            folder=folder,
            parent=parent.name,
            interventions=(*parent.interventions, *checked(parent.code, interventions)),
        )
        checked(parent.code, child.interventions)
        if child.exists:
            stored = self._stored(parent.family, folder)
            if stored.config() != child.config():
                raise StoreError(f"{folder}: holds a variant with other interventions; give another slug")
        return child

    def _stored(self, family: Family, folder: Path) -> Variant:
        path = folder / "config.json"
        config = Fields(read_json(path), path)
        if config.take("schema", int, f"{CONFIG_SCHEMA}") != CONFIG_SCHEMA:
            raise FormatError(path, "schema", config.data["schema"], f"{CONFIG_SCHEMA}")
        given = config.inner("parameters").data
        parameters = config.guard("parameters", lambda: family.complete(given))
        return Variant(
            workspace=self,
            family=family,
            parameters=parameters,
            folder=folder,
            parent=config.take("parent", str, "a variant's name", ""),
            interventions=tuple(map(Intervention.read, config.items("interventions", default=[]))),
        )

    def probe_names(self, family: Family) -> list[str]:
        """Names of a family's saved probes, sorted."""
        return _stems(family, "probes")

    def probe_spec(self, family: Family, name: str) -> ProbeSpec:
        """A saved probe of ``family``.

        Raises:
            UnknownNameError: there is none of that name.
            FormatError: it does not hold what it must.
        """
        names = self.probe_names(family)
        if name not in names or family.folder is None:
            raise unknown(f"probe of family {family.name}", name, names)
        path = family.folder / "probes" / f"{name}.json"
        top = Fields(read_json(path), path)
        top.only("schema", "title", "kind", "options", "notes")
        if top.take("schema", int, f"{PROBE_SCHEMA}") != PROBE_SCHEMA:
            raise FormatError(path, "schema", top.data["schema"], f"{PROBE_SCHEMA}")
        spec = ProbeSpec(
            name=name,
            kind=top.take("kind", str, "a probe kind's id"),
            title=top.take("title", str, "a string", ""),
            options=top.take("options", dict, "an object", {}),
            notes=top.take("notes", str, "a string", ""),
        )
        top.guard("kind", lambda: self._probe_kind(family, spec.kind))
        checked: ProbeSpec = top.guard("options", lambda: self.check_probe(family, spec))
        return checked

    def check_probe(self, family: Family, spec: ProbeSpec) -> ProbeSpec:
        """``spec`` with every option checked and filled in.

        Raises:
            ParameterError: a kind that the family does not allow, or options that the kind refuses.
        """
        kind = self._probe_kind(family, spec.kind)
        options = check_options(f"probe kind {spec.kind}", kind.options, spec.options)
        return ProbeSpec(name=spec.name, kind=spec.kind, title=spec.title, options=options, notes=spec.notes)

    def _probe_kind(self, family: Family, id: str) -> ProbeKind:
        if id not in family.probe_kinds:
            raise ParameterError(
                f"family {family.name} does not allow probes of kind {id!r}; "
                f"it allows {', '.join(family.probe_kinds) or 'none'}"
            )
        kinds = self.host.probe_kinds(family)
        if id not in kinds:
            raise self.host.unoffered("probe kind", id, kinds)
        return kinds[id]

    def save_probe(self, family: Family, spec: ProbeSpec) -> Path:
        """Check and write a probe file, atomically."""
        if not is_slug(spec.name):
            raise ParameterError(
                f"probe name is {spec.name!r}, expected lower-case letters, digits, '.', '_' and '-'"
            )
        if family.folder is None:
            raise StoreError(f"family {family.name} has no folder to write a probe to")
        self.check_probe(family, spec)
        data: dict[str, Any] = {"schema": PROBE_SCHEMA, "title": spec.title, "kind": spec.kind}
        data["options"] = dict(spec.options)
        if spec.notes:
            data["notes"] = spec.notes
        path = family.folder / "probes" / f"{spec.name}.json"
        write_json(path, data)
        return path

    def build_probe(self, family: Family, spec: ProbeSpec, code: VariantCode) -> Probe:
        """A saved probe built for one variant.

        Raises:
            ParameterError: the choice fits no row, or not this variant.
        """
        kind = self._probe_kind(family, spec.kind)
        folder = (family.folder or self.root) / "probes"
        probe = resolve(kind.build)(code, dict(spec.options), folder)
        if len(probe) == 0:
            raise ParameterError(f"probe {spec.name!r} of family {family.name} chooses no row")
        return probe  # type: ignore[no-any-return]

    def report_names(self, family: Family) -> list[str]:
        """Names of a family's reports, sorted, the default first."""
        return sorted(_stems(family, "reports"), key=lambda name: (name != "default", name))

    def report(self, family: Family, name: str) -> Report:
        """A report of ``family``.

        Raises:
            UnknownNameError: there is none of that name.
            FormatError: it does not hold what it must.
        """
        names = self.report_names(family)
        if name not in names or family.folder is None:
            raise unknown(f"report of family {family.name}", name, names)
        return load_report(family.folder / "reports" / f"{name}.json")


@define(slots=False)
class Variant:
    """One member of a family: its parameters and its folder under ``results/``."""

    workspace: Workspace = field(repr=False)
    family: Family = field(repr=False)
    parameters: Mapping[str, Any]
    folder: Path
    parent: str = ""
    interventions: tuple[Intervention, ...] = ()

    @property
    def name(self) -> str:
        """The variant's name: its folder's."""
        return self.folder.name

    @property
    def id(self) -> str:
        """``family/name``."""
        return f"{self.family.name}/{self.name}"

    @cached_property
    def code(self) -> VariantCode:
        """The family's code bound to this variant's parameters."""
        return self.workspace.host.variant_code(self.family, self.parameters)

    def code_at(self, epoch: int) -> VariantCode:
        """The code as it is at the weights of ``epoch``: under the interventions that are at work there.

        Raises:
            ParameterError: the family's code does not know them (any more).
        """
        active = tuple(i for i, one in enumerate(self.interventions) if one.active(epoch))
        if not active:
            return self.code
        if active not in self._under:
            self._under[active] = self.code.under([self.interventions[i] for i in active])
        return self._under[active]

    @cached_property
    def _under(self) -> dict[tuple[int, ...], VariantCode]:
        return {}

    @property
    def exists(self) -> bool:
        """Whether the variant is declared on disk."""
        return (self.folder / "config.json").exists()

    def save_config(self) -> None:
        """Write ``config.json``: what makes this folder a variant."""
        write_json(self.folder / "config.json", self.config())

    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        found = {"schema": CONFIG_SCHEMA, "family": self.family.name, "parameters": dict(self.parameters)}
        if self.parent:
            found |= {"parent": self.parent, "interventions": [one.json() for one in self.interventions]}
        return found

    def probe(self, name: str | None = None) -> tuple[str, Probe]:
        """The name of a probe (the family's default when None is given), and it built for this variant."""
        name = name or self.family.default_probe
        spec = self.workspace.probe_spec(self.family, name)
        return name, self.workspace.build_probe(self.family, spec, self.code)


@define(slots=False)
class FamilyResults:
    """What spans a family's variants: a folder under ``results/`` beside theirs, with artifacts alone."""

    workspace: Workspace = field(repr=False)
    family: Family

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.workspace.family_folder(self.family)

    @property
    def name(self) -> str:
        """``family/_family``: no variant's name."""
        return f"{self.family.name}/{self.folder.name}"

    @property
    def id(self) -> str:
        """The same."""
        return self.name


def _stems(family: Family, kind: str) -> list[str]:
    if family.folder is None:
        return []
    return sorted(p.stem for p in (family.folder / kind).glob("*.json") if is_slug(p.stem))
