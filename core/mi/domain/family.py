"""Model families: family.json read, validated and written; how its variants are named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from mi.domain import naming
from mi.domain.jsonfile import Fields, read_json
from mi.domain.schedule import parse_epochs
from mi.domain.values import Parameter, is_slug
from mi.errors import FormatError, ParameterError, unknown

SCHEMA = 1
PARAMETER_TYPES = ("int", "float", "bool", "str")
_NAME_EXPECTED = "a name of lower-case letters, digits and '_'"
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


@frozen(kw_only=True)
class Use:
    """An analyzer or visualization that a family uses, with the options it sets."""

    id: str
    options: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Family:
    """A declared group of structurally similar models: ``model_families/<name>/family.json``.

    Attributes:
        name: slug, equal to its folder's name.
        title, description: for users.
        code: id of the :class:`mi.domain.code.FamilyCode` that builds its models.
        parameters: domain parameters by name, in declared order.
        pattern: names of variants, with ``{parameter}`` placeholders.
        probe_kinds: ids of the probe kinds it allows.
        default_probe: name of the probe used when none is given.
        analyzers, visualizations: those it uses, with options.
        epochs: default length of a training.
        schedule: default checkpoint schedule.
        folder: where family.json lies; None for one that is only shipped by a plugin.
    """

    name: str
    code: str
    parameters: Mapping[str, Parameter]
    pattern: str
    title: str = ""
    description: str = ""
    probe_kinds: tuple[str, ...] = ()
    default_probe: str = ""
    analyzers: tuple[Use, ...] = ()
    visualizations: tuple[Use, ...] = ()
    epochs: int = 0
    schedule: str = "0"
    folder: Path | None = None

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: the given ones checked, defaults for the rest.

        Raises:
            ParameterError: an unknown name or a value outside its declaration.
        """
        for name in given:
            if name not in self.parameters:
                raise ParameterError(str(unknown(f"parameter of family {self.name}", name, self.parameters)))
        complete = {
            name: parameter.check(name, given.get(name, parameter.default))
            for name, parameter in self.parameters.items()
        }
        for name, value in complete.items():
            naming.check_text(name, value)
        return complete

    def variant_name(self, parameters: Mapping[str, Any]) -> str:
        """The pattern filled in, plus every other parameter that differs from its default.

        Raises:
            ParameterError: the name is longer than a file name may be.
        """
        return naming.fill(self.pattern, self.parameters, parameters)

    def use(self, kind: str, id: str) -> Use:
        """The family's use of an analyzer or visualization; empty options when it lists none."""
        uses = self.analyzers if kind == "analyzer" else self.visualizations
        return next((use for use in uses if use.id == id), Use(id=id))


def load_family(path: Path) -> Family:
    """Read and validate a family.json.

    Raises:
        FormatError: names file, field, value and what was expected.
    """
    return parse_family(read_json(path), path, folder=path.parent)


def parse_family(data: Mapping[str, Any], file: object, *, folder: Path | None = None) -> Family:
    """A family from the object that its family.json holds; errors name ``file`` and the field."""
    top = Fields(data, file)
    top.only(
        *("schema", "name", "title", "description", "code", "parameters", "variant", "probes"),
        *("analyzers", "visualizations", "training"),
    )
    if top.take("schema", int, f"{SCHEMA}") != SCHEMA:
        raise FormatError(file, "schema", data["schema"], f"{SCHEMA}")
    name = top.take("name", str, "a name")
    if not is_slug(name):
        raise FormatError(file, "name", name, "lower-case letters, digits, '.', '_' and '-'")
    if folder is not None and name != folder.name:
        raise FormatError(file, "name", name, f"the folder's name, {folder.name!r}")
    parameters = _parameters(top.inner("parameters"))
    pattern = top.take("variant", str, "a pattern such as 'n{size}_seed{seed}'")
    _check_pattern(top, pattern, parameters)
    probes = top.inner("probes", default={})
    probes.only("kinds", "default")
    training = top.inner("training", default={})
    training.only("epochs", "checkpoints")
    epochs = training.take("epochs", int, "a whole number of epochs", 0)
    if epochs < 0:
        raise FormatError(file, training.path("epochs"), epochs, "a whole number of epochs")
    schedule = training.take("checkpoints", str, "epochs such as '0:1500:100,1500::500'", "0")
    training.guard("checkpoints", lambda: parse_epochs(schedule, epochs))
    kinds = probes.take("kinds", list, "a list of probe kinds", [])
    for i, kind in enumerate(kinds):
        _check_id(file, f"probes.kinds[{i}]", kind)
    code = top.take("code", str, "the id of a plugin's family code")
    _check_id(file, "code", code)
    return Family(
        name=name,
        title=top.take("title", str, "a string", name),
        description=top.take("description", str, "a string", ""),
        code=code,
        parameters=parameters,
        pattern=pattern,
        probe_kinds=tuple(kinds),
        default_probe=probes.take("default", str, "a probe's name", ""),
        analyzers=_uses(top, "analyzers"),
        visualizations=_uses(top, "visualizations"),
        epochs=epochs,
        schedule=schedule,
        folder=folder,
    )


def _parameters(block: Fields) -> dict[str, Parameter]:
    parameters = {}
    for name in block.data:
        if not naming.is_parameter_name(name):
            raise FormatError(block.file, block.path(name), name, _NAME_EXPECTED)
        one = block.inner(name)
        one.only("type", "default", "minimum", "maximum", "choices", "description", "short")
        kind = one.take("type", str, f"one of {', '.join(PARAMETER_TYPES)}")
        if kind not in PARAMETER_TYPES:
            raise FormatError(block.file, one.path("type"), kind, f"one of {', '.join(PARAMETER_TYPES)}")
        if "default" not in one.data:
            raise FormatError(block.file, one.path("default"), "missing", "a default value")
        numbers = {
            bound: one.take(bound, (int, float), "a number", None)
            for bound in ("minimum", "maximum")
            if bound in one.data
        }
        choices = tuple(one.take("choices", list, "a list of values", []))
        text = {key: one.take(key, str, "a string", "") for key in ("description", "short")}
        if text["short"] and not naming.is_parameter_name(text["short"]):
            raise FormatError(block.file, one.path("short"), text["short"], _NAME_EXPECTED)
        default = one.data["default"]
        parameters[name] = one.guard(
            "default",
            lambda kind=kind, default=default, numbers=numbers, choices=choices, text=text: Parameter(  # type: ignore[misc]
                type=kind, default=default, choices=choices, **numbers, **text
            ),
        )
        one.guard("default", lambda default=default: naming.check_text("default", default))  # type: ignore[misc]
        for i, choice in enumerate(choices):
            where = f"choices[{i}]"
            one.guard(where, lambda where=where, choice=choice: naming.check_text(where, choice))  # type: ignore[misc]
    return parameters


def _check_pattern(top: Fields, pattern: str, parameters: Mapping[str, Parameter]) -> None:
    if not naming.is_pattern(pattern):
        raise FormatError(top.file, "variant", pattern, naming.PATTERN)
    if not naming.placeholders(pattern) <= set(parameters):
        raise FormatError(top.file, "variant", pattern, f"placeholders among {', '.join(parameters)}")
    if pair := naming.clash(parameters, pattern):
        one, other = pair
        short = parameters[other].short or other
        expected = f"a name that cannot be mistaken for parameter {one!r} and a value"
        raise FormatError(top.file, f"parameters.{other}.short", short, expected)


def _check_id(file: object, where: str, value: Any) -> None:
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise FormatError(file, where, value, "an id such as 'plugin.name'")


def _uses(top: Fields, name: str) -> tuple[Use, ...]:
    uses: list[Use] = []
    for i, entry in enumerate(top.items(name, default=[])):
        entry.only("id", "options")
        id = entry.take("id", str, "an id such as 'plugin.name'")
        _check_id(top.file, f"{name}[{i}].id", id)
        if any(use.id == id for use in uses):
            raise FormatError(top.file, f"{name}[{i}].id", id, "each id once")
        uses.append(Use(id=id, options=entry.take("options", dict, "an object", {})))
    return tuple(uses)
