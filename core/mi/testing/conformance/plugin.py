"""Checks of a plugin as a whole, which every other class of checks shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distribution
from typing import Any, ClassVar

import pytest

from mi.domain.family import Family
from mi.errors import MiError
from mi.plugins import Host, Record
from mi.plugins.versions import bounded_requirement, check_requires
from mi.testing.conformance.spec import Shelf, Spec, Specimen
from mi.testing.conformance.verdict import attempt, broken, moot, quiet
from mi.testing.tiny import FAMILY
from mi.testing.workspace import EPOCHS, SCHEDULE

# How the host begins the two warnings that depend on the machine and on what is imported already.
_TIMED = ("it imports ", "its import took ")


class PluginConformance:
    """Loads, keeps quiet, costs nothing to list, states what it was written for.

    Attributes:
        plugin: the plugin's name: its entry point in the group ``mi.plugins``.
        beside: names of other plugins that it needs.
        family: a family that a plugin ships, on which things are tried; the kit's tiny one by default.
        parameters: domain parameters that make a variant tiny: training and analysis must take moments.
        options: id of an analyzer or visualization -> options, where its defaults do not fit the family.
        epochs, schedule: how long to train, and which checkpoints to keep.
        probe: name of a saved probe; the family's default when empty.
        device: a torch device.
    """

    plugin: ClassVar[str] = ""
    beside: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = FAMILY
    parameters: ClassVar[Mapping[str, Any]] = {}
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    epochs: ClassVar[int] = EPOCHS
    schedule: ClassVar[str] = SCHEDULE
    probe: ClassVar[str] = ""
    device: ClassVar[str] = "cpu"

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> Spec:
        """The attributes of this class."""
        if not cls.plugin:
            broken(f"{cls.__name__} names no plugin; set plugin = '<its entry point in mi.plugins>'")
        return Spec.of(cls)

    @pytest.fixture(scope="class")
    @classmethod
    def specimen(cls, spec: Spec, mi_shelf: Shelf) -> Specimen:
        """A workspace with one tiny variant, shared by all classes of the same attributes."""
        specimen = mi_shelf.specimen(spec)
        with quiet("see test_family_is_shipped"):
            assert specimen.family.name == spec.family
        return specimen

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls, spec: Spec) -> Host:
        """A host of its own, which has been asked everything about the family."""
        host = attempt(
            spec.host, f"loading plugin {spec.plugin}", "install it, or correct `plugin` and `beside`"
        )
        _ask(host, spec)
        return host

    @pytest.fixture(scope="class")
    @classmethod
    def record(cls, host: Host, spec: Spec) -> Record:
        """What the host noted about the plugin."""
        return next(r for r in host.records if r.name == spec.plugin)

    def test_plugin_loads(self, record: Record) -> None:
        """The plugin is imported, and its hooks answer with good declarations under ids of its own."""
        for failure in record.failures:
            broken(
                f"plugin {record.name} fails in {failure.hook}: {failure.error}; mend that declaration, "
                "for until then the plugin's answer is lost"
            )
        if record.status != "loaded":
            broken(f"plugin {record.name} is {record.status}, expected loaded; see `mi plugins`")

    def test_plugin_gives_no_warning(self, record: Record) -> None:
        """The host has nothing to warn of: every hook is marked, and there is one."""
        stated = _verdict(record).warnings if record.kind == "installed" else []
        for warning in record.warnings:
            if warning not in stated and not warning.startswith(_TIMED):
                broken(f"plugin {record.name}: {warning}; mark hooks with @mi.hookimpl")

    def test_plugin_is_light(self, spec: Spec, record: Record, mi_shelf: Shelf) -> None:
        """Loading the plugin and asking all its hooks imports no torch, numpy, zarr, xarray, bokeh, …."""
        if record.status != "loaded":
            moot("the plugin does not load")
        asked = json.dumps({"plugins": spec.beside, "plugin": spec.plugin, "family": spec.family})
        if asked not in mi_shelf.light:
            mi_shelf.light[asked] = _in_a_process_of_its_own(asked)
        found = mi_shelf.light[asked]
        if found["heavy"]:
            name, where = next(iter(found["by"].items()), (found["heavy"][0], "somewhere"))
            broken(
                f"plugin {spec.plugin}: {name} is imported when the plugin is listed ({where}), and every "
                'command waits; import it inside functions, and name functions as "package.module:name"'
            )

    def test_requirement_is_bounded(self, record: Record) -> None:
        """The distribution requires `mi-core` with a lower and an upper bound."""
        if record.kind != "installed":
            moot(f"plugin {record.name} is no distribution")
        for warning in _verdict(record).warnings:
            broken(
                f"distribution {record.distribution}: {warning}; write it in [project] dependencies of its "
                f"pyproject.toml, for this version {bounded_requirement()!r}"
            )

    def test_family_is_shipped(self, host: Host, spec: Spec) -> None:
        """The family is shipped by a plugin, and its family.json holds what it must."""
        for record, failure in host.failures():
            if spec.family in failure.error and not spec.owns(record.name):
                broken(f"plugin {record.name}: {failure.error}")
        attempt(
            lambda: spec.shipped(host),
            f"family {spec.family!r}",
            "list its folder in FamilyCode.families, and mend its family.json",
        )

    @classmethod
    def offered(cls, hook: str) -> list[str]:
        """Ids of what the plugin offers to the family, for collection; [] where that cannot be known."""
        if not cls.plugin:
            return []
        known: dict[str, list[str]] = cls.__dict__.get("_offered", {})
        if not known:
            spec = Spec.of(cls)
            try:
                host = spec.host()
                answers = _ask(host, spec)
            except MiError:
                answers = {}  # the checks of the plugin as a whole say why
            known = {name: [id for id in ids if spec.owns(id)] for name, ids in answers.items()}
            cls._offered = known  # type: ignore[attr-defined]
        return known.get(hook, [])


def _ask(host: Host, spec: Spec) -> dict[str, list[str]]:
    """Ids by hook; hooks about a family stay unasked where no plugin ships it."""
    answers = {"register_family": sorted(host.family_codes())}
    try:
        family: Family = spec.shipped(host)
    except MiError:
        return answers
    answers["provide_probe"] = sorted(host.probe_kinds(family))
    answers["analyze"] = sorted(host.analyzers(family))
    answers["visualize"] = sorted(host.visualizations(family))
    return answers


def _in_a_process_of_its_own(asked: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "mi.testing.conformance.light", asked],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if done.returncode != 0:
        moot(f"the plugin cannot be asked: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def _verdict(record: Record) -> Any:
    return check_requires(distribution(record.distribution).requires or ())
