"""The variants and the device that a command is told to work with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

if TYPE_CHECKING:
    from mi.domain.workspace import FamilyResults, Variant, Workspace

_DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d+)?")


where_option = click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Only variants with a parameter or fact such as d_model=64,128, 'seed<5', state=trained (also "
    "checkpoints, last_epoch, parent; =, !=, <, <=, >, >=); again for more, all of which must hold.",
)


@frozen
class Choice:
    """What the command line says about variants.

    Attributes:
        names: names and patterns.
        every: whether ``--all`` is given.
        conditions: of ``--where``.
    """

    names: tuple[str, ...] = ()
    every: bool = False
    conditions: tuple[str, ...] = ()


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with ``VARIANT...``, ``--all`` and ``--where``, which it gets as one ``choice``."""

    @click.argument("names", nargs=-1, metavar="VARIANT...")
    @click.option("--all", "every", is_flag=True, help="Every variant there is.")
    @where_option
    @wraps(command)
    def chosen(
        *args: Any, names: tuple[str, ...], every: bool, conditions: tuple[str, ...], **rest: Any
    ) -> Any:
        return command(*args, choice=Choice(names, every, conditions), **rest)

    return chosen


def chosen_variants(workspace: Workspace, choice: Choice, doing: str) -> list[Variant]:
    """Those named, each once, or all there are; of them those for which every condition holds.

    Raises:
        MiError: neither names nor ``--all`` nor conditions, or names and ``--all``.
        UnknownNameError: no variant of that name, none that fits a pattern or the conditions, or none at all.
        ParameterError: what is no condition.
    """
    from mi.domain.select import where
    from mi.errors import MiError, UnknownNameError

    if choice.every and choice.names:
        raise MiError(
            f"VARIANT ({', '.join(choice.names)}) and --all exclude each other: name the variants to "
            f"{doing}, or give --all alone"
        )
    if not (choice.every or choice.names or choice.conditions):
        raise MiError(f"name the variants to {doing}, or give --all or --where (see `mi variants`)")
    found = _named(workspace, choice.names) if choice.names else workspace.variants()
    if not found:
        raise UnknownNameError("there are no variants yet (see `mi train`)")
    return where(found, choice.conditions, facts_of)


def facts_of(variant: Variant) -> Mapping[str, Any]:
    """What conditions may ask of a variant, beside its parameters."""
    from mi.status import variant_row

    return variant_row(variant)


def _named(workspace: Workspace, names: Sequence[str]) -> list[Variant]:
    from mi.domain.select import is_pattern, named

    pool = workspace.variants() if any(map(is_pattern, names)) else []
    found = [
        one
        for name in names
        for one in (named(pool, [name]) if is_pattern(name) else [workspace.variant(name)])
    ]
    return list({one.id: one for one in found}.values())


def with_families(variants: list[Variant]) -> list[Variant | FamilyResults]:
    """The variants, and after them what spans their families, where there is such a thing."""
    from mi.domain.workspace import FamilyResults

    families = {one.family.name: FamilyResults(one.workspace, one.family) for one in variants}
    return [*variants, *(one for one in families.values() if one.folder.is_dir())]


def check_device(device: str) -> None:
    """Refuse a device that is none, or that torch does not have here.

    Torch is imported only for what is a device by its name, and is not the CPU.

    Raises:
        ParameterError: names the device.
    """
    from mi.errors import ParameterError

    if device == "cpu":
        return
    if _DEVICE.fullmatch(device) is None:
        raise ParameterError(f"device {device!r} cannot be used: expected cpu, cuda, cuda:1, mps or xpu")
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ParameterError(f"device {device!r} cannot be used ({first}); cpu always can") from None
